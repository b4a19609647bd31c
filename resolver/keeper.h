/*
 * keeper - the evidence of the cache in a file of state-dir, from one run of tallyd to the next
 *
 * The file is written at a clean stop, whole, beside its place, and renamed. The start takes it
 * away before it reads it, so that what is dropped later (flush, quarantine) cannot come back after
 * a crash. It is not synced to disk: after a crash of the host its times mean nothing, and it is
 * not believed (aggregate/kept.h).
 *
 * It is read block by block by the writers of the cache, each beside its daily work, into memory
 * of ours: a file that is cut off or can't be read meanwhile costs blocks, nothing else.
 */
#ifndef RESOLVER_KEEPER_H
#define RESOLVER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/kept.h"

#define KEEPER_FILE "evidence"

struct keeper;

/* Which boot this is, for struct kept_moment; all 0 where /proc hides it. Before confinement. */
void keeper_read_boot(uint8_t boot[16]);

/*
 * Write down what the cache holds. Other threads may use it meanwhile. Logs how much it was, or
 * why it can't be; then there is no file.
 */
void keeper_write(const char *directory, struct cache *cache, struct evidence_book *book,
    const struct kept_moment *moment, const struct kept_worth *worth);

/* What is there from last time, its answers in the book. NULL when that is nothing. Logs. */
struct keeper *keeper_open(
    const char *directory, const struct kept_moment *moment, struct evidence_book *book);

/* The key that the cache had. */
const uint64_t *keeper_key(const struct keeper *keeper);

/*
 * Put one more block of this writer's subjects into the cache, which takes a fraction of a ms.
 * False when there are no more; the last writer logs how much it was. Only that writer's thread.
 */
bool keeper_step(
    struct keeper *keeper, struct cache *cache, unsigned writer, const struct kept_worth *worth);

/* When no thread calls keeper_step any more. */
void keeper_close(struct keeper *keeper);

#endif

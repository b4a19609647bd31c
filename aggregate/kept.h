/*
 * kept - the evidence of the cache as bytes, from one run of the daemon to the next
 *
 * A front of variable length says which lists there were, what they answered, and when and where
 * that was; then come blocks of one size, each with entries of one writer of the cache. Front and
 * blocks have a checksum; a block has its number, and the mark of its front, so that neither one
 * from elsewhere nor one in another's place is believed.
 *
 * Lists are known by name: they may have other numbers now, and what was kept of one that is no
 * more, or is asked elsewhere now (evidence_list_source), is left out. The bytes are in this
 * machine's order, and good for no other.
 *
 * Times are seconds on CLOCK_BOOTTIME, so they mean something in the same boot only. That two
 * moments are of one boot is believed when its id is the same (or hidden both times) and the wall
 * clock tells the same second of booting: so after a step of it, too, nothing is believed.
 */
#ifndef AGGREGATE_KEPT_H
#define AGGREGATE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/cache.h"
#include "aggregate/evidence.h"
#include "aggregate/text.h"

#define KEPT_BLOCK 65536 /* bytes */
#define KEPT_HEAD 128    /* bytes at the beginning of a front that tell how long it is */
#define KEPT_FRONT_MAX (160 << 20)
#define KEPT_BOOT_SLACK                                                                            \
	2 /* seconds; two clocks are not read at once, and there are leap seconds                  \
	   */

struct kept_moment {
	uint8_t boot[16]; /* id of the boot; all 0 when hidden */
	int64_t booted;   /* wall clock less `now` */
	uint32_t now;
};

/* Which evidence is worth keeping: answers that can still be used, of lists not set aside. */
struct kept_worth {
	uint32_t now, max_stale;
	const uint64_t *unwanted; /* CACHE_BITS */
};

/* --- writing ------------------------------------------------------------------------------ */

struct kept_block {
	uint64_t mark;
	size_t length;
	unsigned entries;
	uint8_t byte[KEPT_BLOCK];
};

/*
 * A front of *length bytes for the caller to free, NULL without memory; kept_front_end makes it
 * valid, when it is known how many blocks follow.
 */
uint8_t *kept_front(struct evidence_book *book, const struct kept_moment *moment,
    const uint64_t key[2], uint64_t mark, unsigned writers, size_t *length);
void kept_front_end(uint8_t *front, size_t length, uint32_t blocks);

void kept_block_begin(struct kept_block *block, uint64_t mark);
/* False when there is no room left. */
bool kept_block_add(
    struct kept_block *block, const struct cache_entry *entry, const struct kept_worth *worth);
void kept_block_end(struct kept_block *block, uint32_t number, uint32_t writer);

/* --- reading ------------------------------------------------------------------------------ */

struct kept;

/* How long a front is, by its first KEPT_HEAD bytes; 0 when it is none of ours. */
size_t kept_front_length(const uint8_t bytes[KEPT_HEAD]);

/* Its answers are put in the book. NULL, with `error`, when nothing is to be believed. */
struct kept *kept_open(const uint8_t *front, size_t length, const struct kept_moment *moment,
    struct evidence_book *book, struct text *error);
void kept_close(struct kept *kept);

const uint64_t *kept_key(const struct kept *kept); /* of the cache; 2 numbers */
uint32_t kept_blocks(const struct kept *kept);

/* Is it block `number`, as it was written? */
bool kept_block_check(const struct kept *kept, const uint8_t byte[KEPT_BLOCK], uint32_t number);

/* May a block that was checked have subjects of this writer of `writers`? */
bool kept_block_concerns(
    const struct kept *kept, const uint8_t byte[KEPT_BLOCK], unsigned writer, unsigned writers);

/* The next entry of a block that was checked, with the numbers of now; *at, 0 at first, goes on. */
bool kept_block_next(const struct kept *kept, const uint8_t byte[KEPT_BLOCK], size_t *at,
    const struct kept_worth *worth, struct cache_entry *entry);

#endif

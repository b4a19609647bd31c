/*
 * seal - the checksum behind a value in a file, and what it adds to the sum of all values
 *
 * The checksum is over the key and the value. The sum tells an older value from a newer one, each
 * of which fits its own checksum.
 */
#ifndef AGGREGATE_SEAL_H
#define AGGREGATE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/bytes.h"

#define SEAL_BYTES 4

/* Put the checksum behind the value in `bytes`. */
void seal_add(struct bytes *bytes, const void *key, size_t key_length);

/* Is the value of `length` bytes, with the checksum behind it, what was sealed under this key? */
bool seal_fits(const void *key, size_t key_length, const uint8_t *value, size_t length);

/* What a value adds to the sum, by the checksum behind it. */
uint64_t seal_weight(const uint8_t *checksum);

#endif

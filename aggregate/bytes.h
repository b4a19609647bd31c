/*
 * bytes - numbers and strings packed into bytes, and their checksum
 *
 * Big-endian. A reader is handed on from call to call and is NULL after the first thing that is
 * not there; one test at the end suffices.
 */
#ifndef AGGREGATE_BYTES_H
#define AGGREGATE_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define BYTES_MAX 4096

struct bytes {
	uint8_t byte[BYTES_MAX];
	size_t length;
};

static inline void
bytes_init(struct bytes *bytes)
{
	bytes->length = 0;
}

/* What does not fit is a mistake of ours. */
void bytes_add_u8(struct bytes *bytes, unsigned value);
void bytes_add_u32(struct bytes *bytes, uint32_t value);
void bytes_add_u64(struct bytes *bytes, uint64_t value);
void bytes_add(struct bytes *bytes, const void *from, size_t length);
void bytes_add_string(struct bytes *bytes, const char *string); /* at most 255 bytes */

uint32_t bytes_u32(const uint8_t *byte);
uint64_t bytes_u64(const uint8_t *byte);

/* A string with its length in front, of at most `max` bytes; returns where it ends, or NULL. */
const uint8_t *bytes_read_string(const uint8_t *byte, const uint8_t *end, char *string, size_t max);

/* One more number into a hash; not against whoever wants two of them to be alike. */
static inline uint64_t
bytes_mix(uint64_t hash, uint64_t eight)
{
	hash = (hash ^ eight) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

/* CRC-32C (Castagnoli), RFC 3720 B.4, going on from `crc` (0 at first). */
uint32_t bytes_checksum(uint32_t crc, const void *byte, size_t length);

/* A checksum of many bytes in little time, in this machine's byte order; not against forgery. */
uint64_t bytes_digest(uint64_t seed, const void *byte, size_t length);

#endif

/*
 * bits - sets of small numbers
 */
#ifndef AGGREGATE_BITS_H
#define AGGREGATE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_WORDS(numbers) (((numbers) + 63) / 64)

static inline void
bits_set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static inline void
bits_clear(uint64_t *bits, size_t i)
{
	bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static inline bool
bits_has(const uint64_t *bits, size_t i)
{
	return (bits[i / 64] >> i % 64 & 1) != 0;
}

static inline bool
bits_any(const uint64_t *bits, size_t words)
{
	uint64_t any = 0;

	for (size_t i = 0; i < words; i++)
		any |= bits[i];
	return any != 0;
}

#endif

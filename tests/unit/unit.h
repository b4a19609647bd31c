/*
 * unit - what the unit tests share: cmocka with what it needs, and chance that repeats itself
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* splitmix64: the same numbers in every run and on every machine. */
struct chance {
	uint64_t state;
};

static inline uint64_t
chance_next(struct chance *chance)
{
	uint64_t z = chance->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0..below-1; below at least 1 */
static inline uint32_t
chance_below(struct chance *chance, uint32_t below)
{
	return (uint32_t)((chance_next(chance) >> 32) * below >> 32);
}

/* first..last */
static inline int32_t
chance_from(struct chance *chance, int32_t first, int32_t last)
{
	return first + (int32_t)chance_below(chance, (uint32_t)(last - first + 1));
}

#endif

/*
 * fuzz - what the fuzz targets share
 *
 * Each target is one function that is given bytes and aborts when something is wrong. Linked with
 * libFuzzer it is a fuzzer; linked with replay.c it runs the corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static inline void
fuzz_check(int good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "wrong: %s\n", what);
	abort();
}

#endif

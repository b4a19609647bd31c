/*
 * fault - let the n-th call of the C library, LMDB or libunbound fail
 *
 * The programs here are linked with --wrap (WRAPPED in the Makefile) for the calls in fault.c. A
 * scenario is run with its first call failing, then its second, until one runs through without a
 * fault: the loop that SQLite's tests made known. Children are counted along. What was allocated
 * in a run and is not free after it is a leak.
 */
#ifndef TESTS_FAULTS_FAULT_H
#define TESTS_FAULTS_FAULT_H

#include <stdbool.h>

enum fault_kind {
	FAULT_MEMORY,  /* malloc, calloc, realloc, strdup, strndup */
	FAULT_SYSTEM,  /* files, sockets, threads, processes */
	FAULT_LIBRARY, /* LMDB and libunbound */
};

/* Before a child is made that shall see what is armed later. */
void fault_open(void);

/* Calls of this process do not count, until they do again; children are not spared for it. */
void fault_spare(bool here);

/* From now on the n-th call of this kind fails; `onward`: and all after it. */
void fault_arm(enum fault_kind kind, unsigned n, bool onward);

/* Back to normal. Did a call fail? */
bool fault_disarm(void);

/* The name of the call that failed last. */
const char *fault_name(void);

unsigned fault_live(void); /* blocks allocated and not free */

#endif

/*
 * fetch - ask for memory before it is needed
 */
#ifndef AGGREGATE_FETCH_H
#define AGGREGATE_FETCH_H

/*
 * Any address will do. The empty statement: a function that only asks for memory is one without
 * effect to gcc, which leaves its calls out.
 */
static inline void
fetch_memory(const void *memory)
{
	__builtin_prefetch(memory);
	__asm__ volatile("");
}

#endif

/*
 * loop - one thread's event loop: file descriptors, deadlines, and a knock from other threads
 *
 * Watches and timers live in their owners, who take them out before they go; either may be taken
 * out, or put in, inside any callback. All but loop_wake, loop_comes_round and the clocks is for
 * the loop's own thread.
 */
#ifndef RESOLVER_LOOP_H
#define RESOLVER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/heap.h"

struct loop;

struct loop_time {
	int64_t now_ms; /* milliseconds on CLOCK_BOOTTIME */
	uint32_t wall;  /* seconds since 1970 */
};

/* `events` are EPOLLIN and EPOLLOUT; ready may also report EPOLLERR and EPOLLHUP. */
struct loop_watch {
	int fd;
	uint32_t events;
	void (*ready)(struct loop_watch *watch, uint32_t events);
	bool added;
};

struct loop_timer {
	struct heap_entry entry;                   /* first: the heap hands it back */
	void (*expired)(struct loop_timer *timer); /* the timer is out when this is called */
	unsigned round;                            /* the loop's: it was set after so many */
};

/* `woken` is called in the loop's thread after one or more calls of loop_wake. */
struct loop *loop_open(void (*woken)(void *owner), void *owner);
void loop_close(struct loop *loop);

/* The time of this turn, and its two parts. */
struct loop_time loop_time(const struct loop *loop);
int64_t loop_now_ms(const struct loop *loop);
uint32_t loop_wall(const struct loop *loop);

bool loop_watch_add(struct loop *loop, struct loop_watch *watch);
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);
bool loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events);

/* One that a timer sets, itself or another, waits for the next turn, also when it is due by now. */
bool loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_ms);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Wait for one batch of events or the next deadline, and serve it. */
void loop_turn(struct loop *loop);

/* Any thread: what the clocks say now. */
struct loop_time loop_clock(void);

/* For loop_time_of_tick, of one thread; all 0 at first. */
struct loop_ticks {
	uint32_t wall;    /* the second in which ahead_ms was found */
	int64_t ahead_ms; /* to be added: how long the machine has slept, and two ticks */
};

/*
 * The same by clocks that go by the kernel's ticks: to read an exact one, the processor first waits
 * for all memory that it reads. It is up to two ticks and 2 ms ahead, and behind only where a tick
 * is late by one, so that nothing seems to live longer than it does.
 */
struct loop_time loop_time_of_tick(struct loop_ticks *ticks);

/* Any thread. */
void loop_wake(struct loop *loop);

/* Any thread: has it begun a turn since this was last asked? Wakes it, for the next answer. */
bool loop_comes_round(struct loop *loop);

#endif

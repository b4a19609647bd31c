#include "resolver/loop.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define SLEEP_MAX_MS 60000

struct loop {
	int epoll;
	struct loop_watch knock; /* an eventfd */
	void (*woken)(void *owner);
	void *owner;
	struct heap timers;
	unsigned rounds; /* of serving timers, begun */
	struct loop_time time;
	_Atomic bool turned; /* since loop_comes_round */
	struct epoll_event batch[BATCH];
	int next, count; /* batch[next..count-1] are still to be served */
};

static int64_t
milliseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

static int64_t
read_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return milliseconds(&now);
}

static uint32_t
read_wall(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME_COARSE, &wall);
	return (uint32_t)wall.tv_sec;
}

struct loop_time
loop_clock(void)
{
	return (struct loop_time){.now_ms = read_ms(CLOCK_BOOTTIME), .wall = read_wall()};
}

/*
 * How long the machine has slept, and two ticks: so far may a clock that goes by them lag. The
 * clocks are read in this order, as a pause in between then makes it more, not less.
 */
__attribute__((noinline)) static int64_t
ahead_of_ticks(void)
{
	int64_t awake = read_ms(CLOCK_MONOTONIC);
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return read_ms(CLOCK_BOOTTIME) - awake + 2 * milliseconds(&tick) + 1;
}

/* The wall clock jumps where the machine slept; the other one, of ticks, does not know. */
struct loop_time
loop_time_of_tick(struct loop_ticks *ticks)
{
	uint32_t wall = read_wall();

	if (ticks->ahead_ms == 0 || wall != ticks->wall) {
		ticks->wall = wall;
		ticks->ahead_ms = ahead_of_ticks();
	}
	return (struct loop_time){
	    .now_ms = read_ms(CLOCK_MONOTONIC_COARSE) + ticks->ahead_ms, .wall = wall};
}

struct loop *
loop_open(void (*woken)(void *owner), void *owner)
{
	struct loop *loop = calloc(1, sizeof *loop);

	if (loop == NULL)
		return NULL;
	loop->woken = woken;
	loop->owner = owner;
	loop->knock.events = EPOLLIN | EPOLLET; /* each knock is told once, and never read */
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->knock.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->time = loop_clock();
	if (loop->epoll < 0 || loop->knock.fd < 0 || !loop_watch_add(loop, &loop->knock)) {
		loop_close(loop);
		return NULL;
	}
	return loop;
}

void
loop_close(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->knock.fd >= 0)
		close(loop->knock.fd);
	if (loop->epoll >= 0)
		close(loop->epoll);
	heap_free(&loop->timers);
	free(loop);
}

struct loop_time
loop_time(const struct loop *loop)
{
	return loop->time;
}

int64_t
loop_now_ms(const struct loop *loop)
{
	return loop->time.now_ms;
}

uint32_t
loop_wall(const struct loop *loop)
{
	return loop->time.wall;
}

bool
loop_watch_add(struct loop *loop, struct loop_watch *watch)
{
	struct epoll_event event = {.events = watch->events, .data.ptr = watch};

	watch->added = epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0;
	return watch->added;
}

void
loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
	if (!watch->added)
		return;
	watch->added = false;
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	/* events of this batch that have not been served yet must not find it */
	for (int i = loop->next; i < loop->count; i++)
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
}

bool
loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (watch->events == events)
		return true;
	watch->events = events;
	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

bool
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_ms)
{
	timer->round = loop->rounds;
	return heap_set(&loop->timers, &timer->entry, due_ms);
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	heap_remove(&loop->timers, &timer->entry);
}

/* Work that comes in pieces, each setting a timer for the next, leaves the descriptors their turn.
 */
static void
serve_timers(struct loop *loop)
{
	struct heap_entry *first;

	loop->rounds++;
	while ((first = heap_first(&loop->timers)) != NULL && first->due_ms <= loop->time.now_ms) {
		struct loop_timer *timer = (struct loop_timer *)(void *)first;

		if (timer->round == loop->rounds)
			break;
		heap_remove(&loop->timers, first);
		timer->expired(timer);
	}
}

/* -1: until something comes, and the kernel need not set up a timer for each lone question. */
static int
sleep_ms(const struct loop *loop)
{
	const struct heap_entry *first = heap_first(&loop->timers);
	int64_t wait;

	if (first == NULL)
		return -1;
	wait = first->due_ms - loop->time.now_ms;
	if (wait > SLEEP_MAX_MS)
		wait = SLEEP_MAX_MS;
	return wait < 0 ? 0 : (int)wait;
}

void
loop_turn(struct loop *loop)
{
	bool knocked = false;

	atomic_store_explicit(&loop->turned, true, memory_order_relaxed);
	loop->next = 0;
	loop->count = epoll_wait(loop->epoll, loop->batch, BATCH, sleep_ms(loop));
	if (loop->count < 0)
		loop->count = 0; /* a signal */
	loop->time = loop_clock();
	while (loop->next < loop->count) {
		struct epoll_event *event = &loop->batch[loop->next++];
		struct loop_watch *watch = event->data.ptr;

		if (watch == NULL)
			continue;
		if (watch == &loop->knock)
			knocked = true;
		else
			watch->ready(watch, event->events);
	}
	if (knocked)
		loop->woken(loop->owner);
	serve_timers(loop);
}

void
loop_wake(struct loop *loop)
{
	uint64_t one = 1;

	if (write(loop->knock.fd, &one, sizeof one) < 0)
		return; /* the counter is full: it will wake anyway */
}

bool
loop_comes_round(struct loop *loop)
{
	bool turned = atomic_exchange(&loop->turned, false);

	loop_wake(loop);
	return turned;
}

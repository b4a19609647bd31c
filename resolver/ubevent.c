#include "resolver/ubevent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <unbound-event.h>

struct base {
	struct ub_event_base super; /* first: libunbound hands it back */
	struct loop *loop;
};

/* A watch and a timer, either of which may be unused. */
struct event {
	struct ub_event super; /* first: libunbound hands it back */
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer timer;
	short bits;
	void (*callback)(int fd, short bits, void *argument);
	void *argument;
};

static struct event *
event_of(struct ub_event *super)
{
	return (struct event *)(void *)super;
}

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct event *event =
	    (struct event *)(void *)((char *)watch - offsetof(struct event, watch));
	short bits = 0;

	if (events & EPOLLIN)
		bits |= UB_EV_READ;
	if (events & EPOLLOUT)
		bits |= UB_EV_WRITE;
	if (events & (EPOLLERR | EPOLLHUP)) /* the next read or write tells what it is */
		bits |= event->bits & (UB_EV_READ | UB_EV_WRITE);
	if ((event->bits & UB_EV_PERSIST) == 0) {
		loop_watch_remove(event->loop, &event->watch);
		loop_timer_clear(event->loop, &event->timer);
	}
	event->callback(event->watch.fd, bits, event->argument);
}

static void
on_expired(struct loop_timer *timer)
{
	struct event *event =
	    (struct event *)(void *)((char *)timer - offsetof(struct event, timer));

	event->callback(event->watch.fd, UB_EV_TIMEOUT, event->argument);
}

static int
event_del(struct ub_event *super)
{
	struct event *event = event_of(super);

	loop_watch_remove(event->loop, &event->watch);
	loop_timer_clear(event->loop, &event->timer);
	return 0;
}

static int
set_timer(struct event *event, const struct timeval *wait)
{
	int64_t wait_ms = (int64_t)wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000;

	return loop_timer_set(event->loop, &event->timer, loop_now_ms(event->loop) + wait_ms) ? 0
											      : -1;
}

static int
event_add(struct ub_event *super, struct timeval *wait)
{
	struct event *event = event_of(super);

	event_del(super);
	event->watch.events = 0;
	if (event->bits & UB_EV_READ)
		event->watch.events |= EPOLLIN;
	if (event->bits & UB_EV_WRITE)
		event->watch.events |= EPOLLOUT;
	if (event->watch.fd >= 0 && event->watch.events != 0 &&
	    !loop_watch_add(event->loop, &event->watch))
		return -1;
	return wait != NULL && (event->bits & UB_EV_TIMEOUT) ? set_timer(event, wait) : 0;
}

static void
event_add_bits(struct ub_event *super, short bits)
{
	event_del(super);
	event_of(super)->bits |= bits;
}

static void
event_del_bits(struct ub_event *super, short bits)
{
	event_del(super);
	event_of(super)->bits &= (short)~bits;
}

static void
event_set_fd(struct ub_event *super, int fd)
{
	event_del(super);
	event_of(super)->watch.fd = fd;
}

static void
event_free(struct ub_event *super)
{
	if (super == NULL)
		return;
	event_del(super);
	free(event_of(super));
}

static int
event_add_timer(struct ub_event *super, struct ub_event_base *base,
    void (*callback)(int, short, void *), void *argument, struct timeval *wait)
{
	struct event *event = event_of(super);

	(void)base;
	event_del(super);
	event->callback = callback;
	event->argument = argument;
	return set_timer(event, wait);
}

static int
event_no_signal_add(struct ub_event *super, struct timeval *wait)
{
	(void)super;
	(void)wait;
	return -1;
}

static int
event_no_signal_del(struct ub_event *super)
{
	(void)super;
	return -1;
}

static void
event_no_winsock(struct ub_event *super)
{
	(void)super;
}

static void
event_no_wouldblock(struct ub_event *super, int bit)
{
	(void)super;
	(void)bit;
}

static struct ub_event *
base_new_event(struct ub_event_base *super, int fd, short bits,
    void (*callback)(int, short, void *), void *argument)
{
	static struct ub_event_vmt methods = {event_add_bits, event_del_bits, event_set_fd,
	    event_free, event_add, event_del, event_add_timer, event_del, event_no_signal_add,
	    event_no_signal_del, event_no_winsock, event_no_wouldblock};
	struct event *event = calloc(1, sizeof *event);

	if (event == NULL)
		return NULL;
	event->super.magic = UB_EVENT_MAGIC;
	event->super.vmt = &methods;
	event->loop = ((struct base *)(void *)super)->loop;
	event->watch.fd = fd;
	event->watch.ready = on_ready;
	event->timer.expired = on_expired;
	event->bits = bits;
	event->callback = callback;
	event->argument = argument;
	return &event->super;
}

static struct ub_event *
base_no_signal(
    struct ub_event_base *super, int fd, void (*callback)(int, short, void *), void *argument)
{
	(void)super;
	(void)fd;
	(void)callback;
	(void)argument;
	return NULL;
}

static struct ub_event *
base_no_winsock(
    struct ub_event_base *super, void *handle, void (*callback)(int, short, void *), void *argument)
{
	return base_no_signal(super, handle == NULL, callback, argument);
}

static int
base_no_dispatch(struct ub_event_base *super)
{
	(void)super;
	return -1;
}

static int
base_no_exit(struct ub_event_base *super, struct timeval *wait)
{
	(void)super;
	(void)wait;
	return -1;
}

/* libunbound frees the base when a set-up fails half-way; it is ours, and ubevent_close's to free.
 */
static void
base_stays(struct ub_event_base *super)
{
	(void)super;
}

struct ub_event_base *
ubevent_open(struct loop *loop)
{
	static struct ub_event_base_vmt methods = {base_stays, base_no_dispatch, base_no_exit,
	    base_new_event, base_no_signal, base_no_winsock};
	struct base *base = calloc(1, sizeof *base);

	if (base == NULL)
		return NULL;
	base->super.magic = UB_EVENT_MAGIC;
	base->super.vmt = &methods;
	base->loop = loop;
	return &base->super;
}

void
ubevent_close(struct ub_event_base *base)
{
	free(base);
}

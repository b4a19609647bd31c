#include "resolver/acceptor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define LOG_EVERY_MS 60000

/* Without a timer, which is memory, it goes on at once. */
static void
pause_a_while(struct acceptor *acceptor, int error)
{
	int64_t now_ms = loop_now_ms(acceptor->loop);

	if (log_allowed(&acceptor->limit, now_ms, LOG_EVERY_MS))
		log_warning("a connection has to wait: %s", strerror(error));
	if (loop_timer_set(acceptor->loop, &acceptor->pause, now_ms + ACCEPTOR_PAUSE_MS))
		loop_watch_remove(acceptor->loop, &acceptor->watch);
}

static void
on_pause_over(struct loop_timer *timer)
{
	struct acceptor *acceptor =
	    (struct acceptor *)(void *)((char *)timer - offsetof(struct acceptor, pause));

	if (!loop_watch_add(acceptor->loop, &acceptor->watch))
		pause_a_while(acceptor, errno);
}

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct acceptor *acceptor = (struct acceptor *)(void *)watch;

	(void)events;
	for (unsigned i = 0; i < acceptor->at_once; i++) {
		struct sockaddr_in6 peer = {0};
		socklen_t length = sizeof peer;
		int fd = accept4(watch->fd, (struct sockaddr *)(void *)&peer, &length,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			acceptor->take(acceptor->owner, fd, &peer);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_a_while(acceptor, errno);
		return;
	}
}

bool
acceptor_open(struct acceptor *acceptor, struct loop *loop, int fd)
{
	acceptor->loop = loop;
	acceptor->watch.fd = fd;
	acceptor->watch.events = EPOLLIN;
	acceptor->watch.ready = on_ready;
	acceptor->pause.expired = on_pause_over;
	return loop_watch_add(loop, &acceptor->watch);
}

void
acceptor_close(struct acceptor *acceptor)
{
	loop_watch_remove(acceptor->loop, &acceptor->watch);
	loop_timer_clear(acceptor->loop, &acceptor->pause);
}

#include "resolver/control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aggregate/text.h"
#include "resolver/acceptor.h"
#include "resolver/log.h"

#define PATIENCE_MS 5000
#define RUN_MS 70000 /* longer than any command takes: a deadline is at most 60 s */

/*
 *   state     meaning                        leaves it by
 *   FREE      no client
 *   READING   a line is not complete yet     its end, or PATIENCE_MS
 *   RUNNING   the command is being run       control_ok or control_error
 *   WRITING   the reply is on its way        its end, or PATIENCE_MS
 */
enum state { FREE, READING, RUNNING, WRITING };

struct peer {
	struct loop_watch watch;
	struct loop_timer timer;
	struct control *control;
	uint32_t generation;
	enum state state;
	char line[CONTROL_LINE_MAX + 1];
	size_t length;
	char *reply; /* valid while WRITING */
	size_t reply_length, sent;
};

struct control {
	struct loop *loop;
	struct acceptor acceptor;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	control_run *run;
	void *owner;
	struct peer peer[CONTROL_CLIENTS_MAX];
};

static void
drop(struct peer *peer)
{
	loop_watch_remove(peer->control->loop, &peer->watch);
	loop_timer_clear(peer->control->loop, &peer->timer);
	close(peer->watch.fd);
	free(peer->reply);
	peer->reply = NULL;
	peer->state = FREE;
	peer->generation++;
}

static void
write_some(struct peer *peer)
{
	while (peer->sent < peer->reply_length) {
		ssize_t sent = send(peer->watch.fd, peer->reply + peer->sent,
		    peer->reply_length - peer->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (!loop_watch_change(peer->control->loop, &peer->watch, EPOLLOUT))
				drop(peer);
			return;
		}
		if (sent < 0)
			break;
		peer->sent += (size_t)sent;
	}
	drop(peer);
}

/* Takes over `reply`, NULL when there was no memory for it. */
static void
begin_reply(struct peer *peer, char *reply)
{
	peer->reply = reply;
	peer->reply_length = reply == NULL ? 0 : strlen(reply);
	peer->sent = 0;
	peer->state = WRITING;
	(void)loop_timer_set(
	    peer->control->loop, &peer->timer, loop_now_ms(peer->control->loop) + PATIENCE_MS);
	write_some(peer);
}

static struct peer *
peer_of(struct control *control, struct control_ticket ticket)
{
	struct peer *peer = &control->peer[ticket.client];

	return peer->state == RUNNING && peer->generation == ticket.generation ? peer : NULL;
}

void
control_ok(struct control *control, struct control_ticket ticket, const char *json)
{
	struct peer *peer = peer_of(control, ticket);
	char *reply;

	if (peer == NULL)
		return;
	if (asprintf(&reply, "ok\n%s\n", json) < 0)
		reply = NULL;
	begin_reply(peer, reply);
}

static void
refuse(struct peer *peer, const char *text)
{
	char line[600];
	struct text printed;

	text_init(&printed, line, sizeof line - 1);
	text_add(&printed, "error ");
	text_add_printable(&printed, text, strlen(text));
	line[printed.length] = '\n';
	line[printed.length + 1] = '\0';
	begin_reply(peer, strdup(line));
}

void
control_error(struct control *control, struct control_ticket ticket, const char *format, ...)
{
	struct peer *peer = peer_of(control, ticket);
	char text[500];
	va_list arguments;

	if (peer == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	refuse(peer, text);
}

static void
run_line(struct peer *peer)
{
	struct control *control = peer->control;
	struct control_ticket ticket = {
	    .client = (uint32_t)(peer - control->peer), .generation = peer->generation};
	char *argument[CONTROL_ARGUMENTS_MAX + 1], *rest = peer->line, *word;
	unsigned count = 0;

	peer->state = RUNNING;
	if (!loop_watch_change(control->loop, &peer->watch, 0)) {
		drop(peer);
		return;
	}
	(void)loop_timer_set(control->loop, &peer->timer, loop_now_ms(control->loop) + RUN_MS);
	for (word = strtok_r(rest, " ", &rest); word != NULL && count <= CONTROL_ARGUMENTS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		argument[count++] = word;
	if (count < 2 || strcmp(argument[0], "tally1") != 0)
		refuse(peer, "expected a line \"tally1 COMMAND [ARG ...]\"");
	else if (count > CONTROL_ARGUMENTS_MAX)
		refuse(peer, "too many arguments");
	else
		control->run(control->owner, ticket, count - 1, argument + 1);
}

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct peer *peer = (struct peer *)(void *)watch;
	char *end;
	ssize_t got;

	if (peer->state == WRITING) {
		write_some(peer);
		return;
	}
	if (peer->state == RUNNING || (events & EPOLLIN) == 0) {
		drop(peer); /* it hung up */
		return;
	}
	got = recv(
	    watch->fd, peer->line + peer->length, CONTROL_LINE_MAX - peer->length, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(peer);
		return;
	}
	peer->length += (size_t)got;
	peer->line[peer->length] = '\0';
	end = memchr(peer->line, '\n', peer->length);
	if (end != NULL && memchr(peer->line, '\0', (size_t)(end - peer->line)) == NULL) {
		*end = '\0';
		run_line(peer);
	} else if (end != NULL || peer->length == CONTROL_LINE_MAX) {
		peer->state = RUNNING;
		refuse(peer, end != NULL ? "a NUL byte in the line" : "the line is too long");
	}
}

static void
on_patience(struct loop_timer *timer)
{
	drop((struct peer *)(void *)((char *)timer - offsetof(struct peer, timer)));
}

/* A place for one more: a free one, or that of the client that has kept us waiting longest. */
static struct peer *
make_room(struct control *control)
{
	struct peer *oldest = NULL;

	for (struct peer *peer = control->peer; peer < control->peer + CONTROL_CLIENTS_MAX;
	     peer++) {
		if (peer->state == FREE)
			return peer;
		if (peer->state == READING &&
		    (oldest == NULL || peer->timer.entry.due_ms < oldest->timer.entry.due_ms))
			oldest = peer;
	}
	if (oldest != NULL)
		drop(oldest);
	return oldest;
}

static void
begin(void *owner, int fd, const struct sockaddr_in6 *nobody)
{
	struct control *control = owner;
	struct peer *peer = make_room(control);

	(void)nobody;
	if (peer == NULL) {
		close(fd);
		return;
	}
	peer->state = READING;
	peer->length = 0;
	peer->watch.fd = fd;
	peer->watch.events = EPOLLIN;
	if (!loop_watch_add(control->loop, &peer->watch) ||
	    !loop_timer_set(control->loop, &peer->timer, loop_now_ms(control->loop) + PATIENCE_MS))
		drop(peer);
}

/* Does somebody serve this socket? */
static bool
is_served(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served =
	    fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
			   errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return served;
}

static bool
bind_socket(int fd, const struct sockaddr_un *address, int gid)
{
	struct stat status;
	mode_t before;
	bool good;

	if (is_served(address)) {
		errno = EADDRINUSE;
		return false;
	}
	if (lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode))
		(void)unlink(address->sun_path);
	before = umask(0117);
	good = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
	umask(before);
	if (good && gid >= 0 && lchown(address->sun_path, (uid_t)-1, (gid_t)gid) != 0)
		good = false;
	return good && listen(fd, SOMAXCONN) == 0;
}

struct control *
control_open(struct loop *loop, const char *path, int gid, control_run *run, void *owner)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control *control = calloc(1, sizeof *control);
	int fd;

	assert(strlen(path) < sizeof address.sun_path); /* as the configuration bounds it */
	if (control == NULL) {
		log_error("control = %s: %s", path, strerror(errno));
		return NULL;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	memcpy(control->path, path, strlen(path) + 1);
	control->loop = loop;
	control->run = run;
	control->owner = owner;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		control->peer[i].control = control;
		control->peer[i].watch.ready = on_ready;
		control->peer[i].timer.expired = on_patience;
	}
	control->acceptor = (struct acceptor){.at_once = 1, .take = begin, .owner = control};
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind_socket(fd, &address, gid) &&
	    acceptor_open(&control->acceptor, loop, fd))
		return control;
	log_error("control = %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(control);
	return NULL;
}

void
control_close(struct control *control)
{
	if (control == NULL)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->peer[i].state != FREE)
			drop(&control->peer[i]);
	acceptor_close(&control->acceptor);
	close(control->acceptor.watch.fd);
	(void)unlink(control->path);
	free(control);
}

/*
 * control - the control socket
 *
 * A request is one line, "tally1 COMMAND [ARG ...]", of at most CONTROL_LINE_MAX bytes; the reply
 * is "ok" and a JSON document, or "error TEXT", each on lines of their own; then the connection
 * is closed. It is served by the main loop, so nothing here is in the way of an answer. A client
 * has five seconds to ask and to read.
 */
#ifndef RESOLVER_CONTROL_H
#define RESOLVER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/loop.h"

#define CONTROL_LINE_MAX 1024
#define CONTROL_ARGUMENTS_MAX 8
#define CONTROL_CLIENTS_MAX 64

struct control;

/* Names a request that is answered later. */
struct control_ticket {
	uint32_t client, generation;
};

/*
 * Run one command; it answers the ticket once by control_ok or control_error, now or later.
 * argument[0] is the command.
 */
typedef void control_run(
    void *owner, struct control_ticket ticket, unsigned count, char *const *argument);

/*
 * Listen on `path`, mode 0660, group `gid` (or -1). A socket that is left over is replaced; one
 * that another tallyd serves is not. NULL, with a line logged.
 */
struct control *control_open(
    struct loop *loop, const char *path, int gid, control_run *run, void *owner);
void control_close(struct control *control); /* removes the socket */

/* `json` is a whole document, copied. Nothing when the client has gone. */
void control_ok(struct control *control, struct control_ticket ticket, const char *json);
void control_error(struct control *control, struct control_ticket ticket, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

/*
 * recurse - the thread that resolves names outside the zones, with DNSSEC
 *
 * A thread and a libunbound of its own: a validator that is busy with somebody's keys holds up
 * no verdict. Questions come in by a bounded queue, replies go straight to listen_reply. While
 * the view has no recursion it sleeps, without libunbound.
 */
#ifndef RESOLVER_RECURSE_H
#define RESOLVER_RECURSE_H

#include <stdbool.h>

#include "aggregate/stats.h"
#include "aggregate/view.h"
#include "resolver/serve.h"

#define RECURSE_SOCKETS 1024 /* more than there are questions: a question may take several */

struct recurse;

/* NULL, with the reason logged, when it cannot be had. Not while another thread opens libunbound.
 */
struct recurse *recurse_open(const struct view *view);
bool recurse_start(struct recurse *recurse);

/* Take over a question; any thread. False when too many are waiting. */
bool recurse_take(struct recurse *recurse, const struct miss *miss);

/* Go on under another view; returns when the old one is used no more. */
void recurse_view(struct recurse *recurse, const struct view *view);

/* Has the thread come round since this was last asked? */
bool recurse_alive(struct recurse *recurse);

/* End the thread; clients that wait get SERVFAIL. */
void recurse_stop(struct recurse *recurse);

/* Any thread. */
const struct stats *recurse_stats(const struct recurse *recurse);
unsigned recurse_in_flight(const struct recurse *recurse);

#endif

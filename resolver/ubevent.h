/*
 * ubevent - libunbound's pluggable event base on top of our loop
 *
 * libunbound's own choice, libevent, is not used: 1.17.1 deletes TCP events twice, which corrupts
 * libevent's lists; here a second deletion does nothing.
 */
#ifndef RESOLVER_UBEVENT_H
#define RESOLVER_UBEVENT_H

#include "resolver/loop.h"

struct ub_event_base;

/* Owns nothing but itself; the loop must outlive it, and it every context made with it. */
struct ub_event_base *ubevent_open(struct loop *loop);
void ubevent_close(struct ub_event_base *base);

#endif

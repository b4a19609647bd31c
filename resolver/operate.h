/*
 * operate - what the commands of the control socket do, in the main thread; JSON by jansson
 */
#ifndef RESOLVER_OPERATE_H
#define RESOLVER_OPERATE_H

#include "resolver/control.h"
#include "resolver/daemon.h"

#define OPERATE_CHECKS_MAX 64 /* verdicts on their way from the shards */

/* Once, before all else here. */
void operate_begin(void);

control_run operate_run; /* owner: struct daemon */

/* A shard's verdict for `check`; the shard's thread. */
void operate_verdict(void *owner, const struct client *client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence);

/* Answer the checks whose verdicts have come. */
void operate_checked(struct daemon *daemon);

/* Answer the flushes that are done. */
void operate_flushed(struct daemon *daemon);

/* Look whether the store was changed without our being told. */
void operate_glance(struct daemon *daemon);

#endif

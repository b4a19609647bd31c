/*
 * nameservers - resolv.conf: whom the C library asks
 */
#ifndef RESOLVER_NAMESERVERS_H
#define RESOLVER_NAMESERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/policy.h"

#define NAMESERVERS_MAX 3 /* MAXNS of <resolv.h>: further ones are never asked */

struct nameservers {
	struct policy_server server[NAMESERVERS_MAX]; /* in the order in which they are asked */
	size_t servers;                               /* at least 1 */
	bool rotate;                                  /* options rotate: each is the first one */
};

/* False, with errno, when the file can't be read. One without servers means 127.0.0.1. */
bool nameservers_read(const char *path, struct nameservers *nameservers);

bool nameservers_equal(const struct nameservers *a, const struct nameservers *b);

#endif

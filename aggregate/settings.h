/*
 * settings - struct config: everything that the configuration says
 *
 * Apart from config.h because the options fill it and config uses the options.
 */
#ifndef AGGREGATE_SETTINGS_H
#define AGGREGATE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/policy.h"
#include "aggregate/received.h"
#include "aggregate/subject.h"

#define CONFIG_ALLOW_MAX 256
#define CONFIG_PATH_MAX 100 /* fits sockaddr_un.sun_path */
#define CONFIG_USER_MAX 32
#define CONFIG_TRUST_ANCHOR "/usr/share/dns/root.key"

enum config_level { CONFIG_ERROR, CONFIG_WARNING, CONFIG_INFO, CONFIG_DEBUG };

struct config {
	struct policy_server listen[POLICY_ADDRESSES_MAX];
	size_t listens; /* at least 1 */
	struct prefix allow[CONFIG_ALLOW_MAX];
	size_t allows;
	char control[CONFIG_PATH_MAX + 1]; /* "": no control socket */
	char state_dir[CONFIG_PATH_MAX + 1];
	bool without_exceptions;        /* start even when they can't be read */
	char user[CONFIG_USER_MAX + 1]; /* "": stay who we are */
	unsigned threads;               /* 0: one for each CPU */
	unsigned cache_mib;
	enum config_level log_level;
	char trust_anchor[CONFIG_PATH_MAX + 1]; /* a file; "": no DNSSEC */
	struct received_trusted trusted;        /* our own mail servers */
	struct policy *policy;
	char **file; /* those that were read, the main one first */
	size_t files;
};

#endif

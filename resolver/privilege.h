/*
 * privilege - give up what start-up needed
 */
#ifndef RESOLVER_PRIVILEGE_H
#define RESOLVER_PRIVILEGE_H

#include <stdbool.h>

/* Who to become. */
struct privilege {
	bool change; /* false: stay who we are */
	unsigned uid, gid;
	const char *user;
};

/* "": nobody else. False, with a line logged, when there is no such user or we may not. */
bool privilege_find(const char *user, struct privilege *privilege);

/*
 * Make sure that `directory`, which `option` names, is there. It is created (mode 0750, owned by
 * the user) when only its last part is missing. False, with a line logged.
 */
bool privilege_prepare_directory(
    const char *option, const struct privilege *privilege, const char *directory);

/* Become the user for good, without capabilities, and gain nothing by exec. False, with a line. */
bool privilege_drop(const struct privilege *privilege);

/* The same check as above, by trying; after privilege_drop. */
bool privilege_can_write(const char *directory);

/* Raise the number of descriptors to at least `wanted`; returns what is allowed now. */
unsigned long privilege_descriptors(unsigned long wanted);

#endif

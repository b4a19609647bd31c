#include "resolver/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "resolver/log.h"

bool
privilege_find(const char *user, struct privilege *privilege)
{
	const struct passwd *entry;

	*privilege = (struct privilege){.user = user};
	if (user[0] == '\0')
		return true;
	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL) {
		log_error("user \"%s\": %s", user, errno != 0 ? strerror(errno) : "no such user");
		return false;
	}
	privilege->uid = entry->pw_uid;
	privilege->gid = entry->pw_gid;
	privilege->change = privilege->uid != geteuid();
	if (privilege->change && geteuid() != 0) {
		log_error("user \"%s\": only root can become another user", user);
		return false;
	}
	return true;
}

bool
privilege_prepare_directory(
    const char *option, const struct privilege *privilege, const char *directory)
{
	struct stat status;

	if (mkdir(directory, 0750) == 0) {
		if (!privilege->change || chown(directory, privilege->uid, privilege->gid) == 0)
			return true;
	} else if (errno == EEXIST && stat(directory, &status) == 0) {
		if (S_ISDIR(status.st_mode))
			return true;
		errno = ENOTDIR;
	}
	log_error("%s = %s: %s", option, directory, strerror(errno));
	return false;
}

bool
privilege_can_write(const char *directory)
{
	char path[300];
	int fd;

	(void)snprintf(path, sizeof path, "%s/.tallyd-%ld", directory, (long)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("state-dir %s: cannot write there: %s", directory, strerror(errno));
		return false;
	}
	close(fd);
	(void)unlink(path);
	return true;
}

/* Also those that systemd gave for the ports, and those of a root that stays root. */
static bool
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};
	struct __user_cap_data_struct had[2];

	if (syscall(SYS_capget, &header, had) == 0 && (had[0].permitted | had[1].permitted) == 0)
		return true; /* tallyd.service lets no capset through, and none is needed */
	if (syscall(SYS_capset, &header, none) == 0)
		return true;
	if (errno != EPERM) {
		log_error("cannot give up capabilities: %s", strerror(errno));
		return false;
	}
	/* a filter of system calls */
	log_info("capabilities stay: %s", strerror(errno));
	return true;
}

static bool
never_gain(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return true;
	log_error("no_new_privs: %s", strerror(errno));
	return false;
}

bool
privilege_drop(const struct privilege *privilege)
{
	if (privilege->change &&
	    (initgroups(privilege->user, privilege->gid) != 0 ||
		setresgid(privilege->gid, privilege->gid, privilege->gid) != 0 ||
		setresuid(privilege->uid, privilege->uid, privilege->uid) != 0)) {
		log_error("user \"%s\": %s", privilege->user, strerror(errno));
		return false;
	}
	return drop_capabilities() && never_gain();
}

unsigned long
privilege_descriptors(unsigned long wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	if (limit.rlim_cur < wanted) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			limit.rlim_cur = before;
	}
	return limit.rlim_cur > 1u << 30 ? 1u << 30 : limit.rlim_cur;
}

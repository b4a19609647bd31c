#include "resolver/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LIBSECCOMP
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#endif

#include "resolver/log.h"

/*
 * The kernel's interface (Documentation/userspace-api/landlock.rst). Defined here, because the
 * headers of a distribution may be older than its kernel.
 */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

enum file_right {
	FILE_WRITE = 1 << 1,
	FILE_READ = 1 << 2,
	DIRECTORY_READ = 1 << 3,
	REMOVE_FILE = 1 << 5,
	MAKE_REGULAR = 1 << 8,
	FILE_TRUNCATE = 1 << 14, /* from version 3 on */
};

struct ruleset {
	uint64_t files, network, scopes;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

/* Which rights each version of Landlock knows: all that it knows are denied until allowed. */
static struct ruleset
everything(long version)
{
	struct ruleset all = {.files = (UINT64_C(1) << 13) - 1}; /* version 1 */

	if (version >= 2)
		all.files |= 1 << 13; /* linking and renaming between directories */
	if (version >= 3)
		all.files |= FILE_TRUNCATE;
	if (version >= 4)
		all.network = 1; /* binding TCP ports; connecting is what we are for */
	if (version >= 5)
		all.files |= 1 << 15; /* ioctl on devices */
	if (version >= 6)
		all.scopes = 1 << 1; /* signals to other processes */
	return all;
}

static long
landlock_version(void)
{
	return syscall(CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);
}

int
confine_begin(void)
{
	long version = landlock_version();
	struct ruleset all = everything(version);

	if (version < 1)
		return -1;
	/* an older kernel takes a longer struct, as long as the rest of it is zero */
	return (int)syscall(CREATE_RULESET, &all, sizeof all, 0u);
}

static uint64_t
rights(enum confine_access access)
{
	switch (access) {
	case CONFINE_READ:
		return FILE_READ | DIRECTORY_READ;
	case CONFINE_REMOVE:
		return REMOVE_FILE;
	case CONFINE_WRITE:
		break;
	}
	return FILE_READ | DIRECTORY_READ | FILE_WRITE | REMOVE_FILE | MAKE_REGULAR |
	       (landlock_version() >= 3 ? (uint64_t)FILE_TRUNCATE : 0);
}

void
confine_allow(int fence, const char *path, enum confine_access access)
{
	struct path_rule rule = {.allowed = rights(access)};
	struct stat status;

	if (fence < 0)
		return;
	rule.parent = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent < 0)
		return; /* what is not there need not be allowed */
	if (fstat(rule.parent, &status) == 0 && !S_ISDIR(status.st_mode))
		rule.allowed &= FILE_READ; /* rights on directories don't suit a file */
	if (syscall(ADD_RULE, fence, RULE_PATH_BENEATH, &rule, 0u) != 0)
		log_warning("fence: %s: %s", path, strerror(errno));
	close(rule.parent);
}

void
confine_allow_beside(int fence, const char *file)
{
	char *real = realpath(file, NULL);

	for (const char *path = file; path != NULL; path = path == file ? real : NULL) {
		const char *slash = strrchr(path, '/');
		char *directory =
		    slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);

		if (directory != NULL)
			confine_allow(fence, directory, CONFINE_READ);
		free(directory);
	}
	free(real);
}

#ifdef HAVE_LIBSECCOMP

/* From a trace of all system tests; with what other processors and C libraries use for the same. */
static const char *const allowed_calls[] = {
    /* events */
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "signalfd4", "poll", "ppoll", "select", "pselect6", "pipe2",
    /* sockets */
    "bind", "connect", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
    "recvmmsg", "setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown",
    /* files; which ones is the fence's affair */
    "open", "openat", "close", "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
    "pwritev", "lseek", "fcntl", "stat", "lstat", "fstat", "newfstatat", "statx", "fstatfs",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "rename",
    "renameat", "renameat2", "unlink", "unlinkat", "fsync", "fdatasync", "msync", "ftruncate",
    "flock", "umask", "fchmod",
    /* memory */
    "brk", "munmap", "mremap", "madvise",
    /* threads, and the child that reads the store */
    "futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "gettid", "tgkill",
    "fork", "wait4", "waitid", "alarm", "setitimer", "exit", "exit_group", "getpid", "getppid",
    "getuid", "geteuid", "getgid", "getegid", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn",
    "sigaltstack", "restart_syscall",
    /* time, chance, and what the host is like */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep",
    "getrandom", "uname", "sysinfo", "prlimit64", "getrlimit"};

/* Nothing of ours leads here. */
static const char *const deadly_calls[] = {"execve", "execveat", "ptrace", "process_vm_readv",
    "process_vm_writev", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "mount",
    "umount2", "pivot_root", "chroot", "setns", "unshare", "init_module", "finit_module",
    "delete_module", "kexec_load", "keyctl", "add_key", "request_key", "open_by_handle_at",
    "setuid", "setgid", "setresuid", "setresgid", "setgroups", "capset", "personality"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool
add_calls(scmp_filter_ctx filter, uint32_t action, const char *const *name, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(name[i]);

		/* negative: this processor has no such call */
		if (number >= 0 && seccomp_rule_add(filter, action, number, 0) != 0)
			return false;
	}
	return true;
}

/* Allow a call when the bits `mask` of argument `place` have this value. */
static bool
add_when(scmp_filter_ctx filter, int call, unsigned place, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp compare = SCMP_CMP64(place, SCMP_CMP_MASKED_EQ, mask, value);

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &compare) == 0;
}

static bool
add_conditions(scmp_filter_ctx filter)
{
	const uint64_t all = UINT32_MAX, namespaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID |
						      CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
						      CLONE_NEWCGROUP;

	/* clone3 hides its flags from a filter: without it the C library uses clone */
	return add_when(filter, SCMP_SYS(clone), 0, namespaces, 0) &&
	       add_when(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0) &&
	       add_when(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0) &&
	       add_when(filter, SCMP_SYS(socket), 0, all, AF_INET) &&
	       add_when(filter, SCMP_SYS(socket), 0, all, AF_INET6) &&
	       add_when(filter, SCMP_SYS(socket), 0, all, AF_UNIX) &&
	       add_when(filter, SCMP_SYS(ioctl), 1, all, FIONREAD) &&
	       add_when(filter, SCMP_SYS(ioctl), 1, all, FIONBIO) &&
	       add_when(filter, SCMP_SYS(prctl), 0, all, PR_SET_NAME);
}

/* Is it in force? */
static bool
filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int loaded = -ENOMEM;

	if (filter == NULL)
		return false;
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (add_calls(filter, SCMP_ACT_ALLOW, allowed_calls, COUNT(allowed_calls)) &&
	    add_calls(filter, SCMP_ACT_KILL_PROCESS, deadly_calls, COUNT(deadly_calls)) &&
	    add_conditions(filter))
		loaded = seccomp_load(filter);
	seccomp_release(filter);
	if (loaded != 0)
		log_warning("no filter of system calls: %s", strerror(-loaded));
	return loaded == 0;
}

#else

static bool
filter_calls(void)
{
	return false;
}

#endif

/* Is it closed? */
static bool
close_fence(int fence)
{
	bool closed = fence >= 0 && syscall(RESTRICT_SELF, fence, 0u) == 0;

	if (fence >= 0 && !closed)
		log_warning("no fence of files: %s", strerror(errno));
	if (fence >= 0)
		close(fence);
	return closed;
}

bool
confine_end(int fence)
{
#ifdef CONFINE_NEVER
	(void)close_fence;
	(void)filter_calls;
	if (fence >= 0)
		close(fence);
	log_debug("not confined: a sanitizer needs to look at itself");
#else
	const struct rlimit none = {0};
	bool fenced, filtered;

	/* no core, and no look at our memory by others of the same user: it holds keys of lists */
	(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		log_error("cannot be confined: %s", strerror(errno));
		return false;
	}
	fenced = close_fence(fence);
	filtered = filter_calls();
	log_info("confined files=%s calls=%s", fenced ? "yes" : "no", filtered ? "yes" : "no");
#endif
	return true;
}

/*
 * confine, by trying in a child what must not work, and what must
 */
#include "resolver/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/log.h"
#include "tests/unit/unit.h"

static char root[] = "/tmp/tally-confine-XXXXXX";
static char config[64], state[64], file[64], secret[64];

static void
write_file(const char *path)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs("words\n", out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int
make_files(void **given)
{
	(void)given;
	assert_non_null(mkdtemp(root));
	(void)snprintf(config, sizeof config, "%s/config", root);
	(void)snprintf(state, sizeof state, "%s/state", root);
	(void)snprintf(file, sizeof file, "%s/config/file", root);
	(void)snprintf(secret, sizeof secret, "%s/secret", root);
	assert_int_equal(mkdir(config, 0700) | mkdir(state, 0700), 0);
	write_file(file);
	write_file(secret);
	return 0;
}

static int
remove_files(void **given)
{
	(void)given;
	(void)unlink(file);
	(void)unlink(secret);
	(void)rmdir(config);
	(void)rmdir(state);
	return rmdir(root);
}

/* Confine a child as tallyd is, and let it try something; what waitpid says of it. */
static int
confined(int (*attempt)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int fence = confine_begin();

		log_open(LOG_LEVEL_ERROR);
		confine_allow_beside(fence, file);
		confine_allow(fence, state, CONFINE_WRITE);
		confine_allow(fence, "/nonexistent", CONFINE_WRITE);
		_exit(confine_end(fence) ? attempt() : 100);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
works(int (*attempt)(void))
{
	int status = confined(attempt);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("it should work, but: exit %d, signal %d, %s", WEXITSTATUS(status),
		    WTERMSIG(status), strerror(WEXITSTATUS(status)));
}

static int
outcome(bool good)
{
	return good ? 0 : errno == 0 ? 101 : errno;
}

static int
try_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return outcome(fd >= 0);
}

static int
reads_configuration(void)
{
	return try_read(file);
}

static int
writes_state(void)
{
	char old[80], new[80];
	int fd;

	(void)snprintf(old, sizeof old, "%s/new", state);
	(void)snprintf(new, sizeof new, "%s/kept", state);
	fd = open(old, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return outcome(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 &&
		       ftruncate(fd, 0) == 0 && rename(old, new) == 0 &&
		       open(new, O_WRONLY | O_TRUNC) >= 0 && unlink(new) == 0);
}

static void *
touch(void *value)
{
	*(int *)value = 0;
	return NULL;
}

static int
starts_a_thread(void)
{
	pthread_t thread;
	int value = 102;

	errno = pthread_create(&thread, NULL, touch, &value);
	if (errno != 0)
		return errno;
	return pthread_join(thread, NULL) == 0 ? value : 103;
}

static int
forks_and_waits(void)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return outcome(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static int
asks_by_udp_and_tcp(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tcp = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return outcome(udp >= 0 && tcp >= 0 && local >= 0 &&
		       bind(udp, (struct sockaddr *)(void *)&address, sizeof address) == 0);
}

static int
allocates(void)
{
	char *large = malloc((size_t)1 << 28);

	if (large == NULL)
		return ENOMEM;
	large[0] = large[(1 << 28) - 1] = 'x';
	free(large);
	return 0;
}

static void
what_running_needs_works(void **given)
{
	(void)given;
	works(reads_configuration);
	works(writes_state);
	works(starts_a_thread);
	works(forks_and_waits);
	works(asks_by_udp_and_tcp);
	works(allocates);
}

#ifndef CONFINE_NEVER

static bool
has_landlock(void)
{
	return syscall(444, NULL, (size_t)0, 1u) >= 1;
}

static void
fails(int (*attempt)(void), int wanted)
{
	int status = confined(attempt);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
		fail_msg("exit %d (wanted: %d), signal %d", WEXITSTATUS(status), wanted,
		    WTERMSIG(status));
}

static void
kills(int (*attempt)(void))
{
	int status = confined(attempt);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("it lived on: exit %d", WEXITSTATUS(status));
}

static int
reads_elsewhere(void)
{
	return try_read(secret);
}

static int
reads_passwords(void)
{
	return try_read("/etc/passwd");
}

static int
lists_the_root(void)
{
	return try_read("/");
}

static int
writes_configuration(void)
{
	return outcome(open(file, O_WRONLY | O_CLOEXEC) >= 0);
}

static int
creates_beside(void)
{
	char path[80];

	(void)snprintf(path, sizeof path, "%s/config/new", root);
	return outcome(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0);
}

static int
removes_configuration(void)
{
	return outcome(unlink(file) == 0);
}

static int
listens(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return outcome(tcp >= 0 && listen(tcp, 5) == 0);
}

static int
opens_netlink(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0);
}

static int
makes_memory_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int
signals_its_parent(void)
{
	return outcome(syscall(SYS_kill, getppid(), 0) == 0);
}

static int
runs_a_program(void)
{
	return outcome(execl("/bin/true", "true", (char *)NULL) == 0);
}

static int
traces_itself(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static int
makes_a_namespace(void)
{
	return outcome(syscall(SYS_unshare, 0x10000000) == 0);
}

static int
becomes_root(void)
{
	return outcome(setuid(0) == 0);
}

static int
has_no_core(void)
{
	struct rlimit limit;

	return outcome(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
}

static void
the_fence_keeps_other_files_out(void **given)
{
	int denied = has_landlock() ? EACCES : 0;

	(void)given;
	fails(reads_elsewhere, denied);
	fails(reads_passwords, denied);
	fails(lists_the_root, denied);
	fails(writes_configuration, denied);
	fails(creates_beside, denied);
	if (denied != 0)
		fails(removes_configuration, denied);
}

static void
a_link_to_the_configuration_may_lead_elsewhere(void **given)
{
	char link[80], real[80];

	(void)given;
	(void)snprintf(real, sizeof real, "%s/secret", root);
	(void)snprintf(link, sizeof link, "%s/config/link", root);
	(void)unlink(file);
	assert_int_equal(symlink(real, file), 0);
	works(reads_configuration);
	(void)unlink(file);
	write_file(file);
}

static void
without_libseccomp_there_is_only_the_fence(void **given)
{
	(void)given;
	works(has_no_core);
#ifndef HAVE_LIBSECCOMP
	if (has_landlock())
		fails(runs_a_program, EACCES);
#endif
}

static void
calls_that_are_not_on_the_list_do_not_exist(void **given)
{
	(void)given;
#ifdef HAVE_LIBSECCOMP
	fails(listens, ENOSYS);
	fails(opens_netlink, ENOSYS);
	fails(makes_memory_executable, ENOSYS);
	fails(signals_its_parent, ENOSYS);
#endif
}

static void
calls_of_an_intruder_kill(void **given)
{
	(void)given;
#ifdef HAVE_LIBSECCOMP
	kills(runs_a_program);
	kills(traces_itself);
	kills(makes_a_namespace);
	kills(becomes_root);
#endif
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_running_needs_works),
#ifndef CONFINE_NEVER
	    cmocka_unit_test(the_fence_keeps_other_files_out),
	    cmocka_unit_test(a_link_to_the_configuration_may_lead_elsewhere),
	    cmocka_unit_test(without_libseccomp_there_is_only_the_fence),
	    cmocka_unit_test(calls_that_are_not_on_the_list_do_not_exist),
	    cmocka_unit_test(calls_of_an_intruder_kill),
#endif
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}

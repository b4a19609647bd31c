/*
 * trial - run a scenario again and again, each of its calls failing in turn
 *
 * A scenario runs in this process, or as a program in a child whose output is read afterwards.
 * What it has allocated and opened must be gone after each run.
 */
#ifndef TESTS_FAULTS_TRIAL_H
#define TESTS_FAULTS_TRIAL_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/faults/fault.h"
#include "tests/unit/files.h"

#define TRIAL_RUNS_MAX 5000
#define TRIAL_DESCRIPTORS 80 /* as many as are looked at */
#define TRIAL_OUTPUT 250000
#define TRIAL_LEAKED 99 /* exit status of a child */
#define TRIAL_PATIENCE_MS 30000

static unsigned
trial_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < TRIAL_DESCRIPTORS; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Run it with each call failing in turn; and `onward` from each call on. */
static inline void
trial_run_all(enum fault_kind kind, void (*scenario)(void))
{
	for (int onward = 0; onward < 2; onward++) {
		for (unsigned n = 1;; n++) {
			unsigned live = fault_live(), descriptors = trial_descriptors();
			bool struck;

			assert_true(n < TRIAL_RUNS_MAX);
			fault_arm(kind, n, onward);
			scenario();
			struck = fault_disarm();
			if (fault_live() != live)
				fail_msg("call %u, %s: %d blocks leaked", n, fault_name(),
				    (int)(fault_live() - live));
			if (trial_descriptors() != descriptors)
				fail_msg("call %u, %s: a descriptor leaked", n, fault_name());
			if (!struck) {
				assert_true(n > 1); /* or there was nothing to fail */
				break;
			}
		}
	}
}

/* --- programs ------------------------------------------------------------------------------- */

struct trial {
	pid_t child;
	int out, err; /* files without a name */
	int status;   /* as waitpid gives it */
	char printed[TRIAL_OUTPUT], said[TRIAL_OUTPUT];
};

static inline int
trial_file(void)
{
	char path[] = "/tmp/tally-trial-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(remove(path), 0);
	return fd;
}

/* kind < 0: nothing fails until something is armed. */
static inline void
trial_child(const struct trial *trial, int kind, unsigned n, bool onward, int (*program)(void))
{
	unsigned live, descriptors;
	int status;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(trial->out, STDOUT_FILENO) < 0 || dup2(trial->err, STDERR_FILENO) < 0)
		_exit(98);
	fault_spare(false);
	live = fault_live();
	descriptors = trial_descriptors();
	if (kind >= 0)
		fault_arm((enum fault_kind)kind, n, onward);
	status = program();
	(void)fault_disarm();
	(void)fflush(stdout);
	if (fault_live() != live || trial_descriptors() > descriptors) {
		(void)dprintf(STDERR_FILENO, "leaked: %d blocks, %d descriptors\n",
		    (int)(fault_live() - live), (int)(trial_descriptors() - descriptors));
		status = TRIAL_LEAKED;
	}
	_exit(status);
}

static inline void
trial_begin(struct trial *trial, int kind, unsigned n, bool onward, int (*program)(void))
{
	fault_open();
	fault_spare(true);
	trial->status = -1;
	trial->out = trial_file();
	trial->err = trial_file();
	(void)fflush(NULL);
	trial->child = fork();
	assert_true(trial->child >= 0);
	if (trial->child == 0)
		trial_child(trial, kind, n, onward, program);
}

static inline void
trial_read(int fd, char text[TRIAL_OUTPUT])
{
	ssize_t got;

	assert_true(lseek(fd, 0, SEEK_SET) == 0);
	got = read(fd, text, TRIAL_OUTPUT - 1);
	assert_true(got >= 0 && got < TRIAL_OUTPUT - 1);
	text[got] = '\0';
	assert_true(lseek(fd, 0, SEEK_END) >= 0);
}

/* A millisecond later. */
static inline void
trial_pause(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	(void)nanosleep(&pause, NULL);
}

/* Has it ended? */
static inline bool
trial_over(struct trial *trial)
{
	return waitpid(trial->child, &trial->status, WNOHANG) == trial->child;
}

/* Is the call that failed known? Where, in words. */
static inline const char *
trial_where(const struct trial *trial, unsigned n)
{
	static char where[TRIAL_OUTPUT + 200];

	(void)snprintf(where, sizeof where, "call %u, %s: status %x: %s", n,
	    fault_name() == NULL ? "none" : fault_name(), (unsigned)trial->status, trial->said);
	return where;
}

/* Wait for its end and take what it wrote. True when a call failed. */
static inline bool
trial_end(struct trial *trial, unsigned n)
{
	unsigned waited = 0;
	bool over = trial->status >= 0;

	for (; !over && waited < TRIAL_PATIENCE_MS; waited++, trial_pause())
		over = trial_over(trial);
	if (!over) {
		kill(trial->child, SIGKILL);
		(void)waitpid(trial->child, &trial->status, 0);
	}
	trial_read(trial->out, trial->printed);
	trial_read(trial->err, trial->said);
	close(trial->out);
	close(trial->err);
	fault_spare(false);
	if (!over || !WIFEXITED(trial->status) || WEXITSTATUS(trial->status) > 1 ||
	    strstr(trial->said, "Sanitizer") != NULL ||
	    strstr(trial->said, "runtime error") != NULL)
		fail_msg("%s%s", over ? "" : "it hangs: ", trial_where(trial, n));
	return fault_disarm();
}

#endif

#include "tests/faults/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#define BLOCKS (1u << 16)

/* Shared with children: a fault may strike there. */
struct plan {
	atomic_bool armed, onward, struck;
	atomic_uint calls, n;
	_Atomic(enum fault_kind) kind;
	_Atomic(const char *) name;
};

static struct plan *plan;
static bool spared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t block[BLOCKS]; /* open addressing; 0 free, 1 was used */
static unsigned live;

void
fault_open(void)
{
	if (plan == NULL)
		plan = mmap(
		    NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		abort();
}

void
fault_spare(bool here)
{
	spared = here;
}

void
fault_arm(enum fault_kind kind, unsigned n, bool onward)
{
	fault_open();
	plan->kind = kind;
	plan->n = n;
	plan->onward = onward;
	plan->calls = 0;
	plan->struck = false;
	plan->armed = true;
}

bool
fault_disarm(void)
{
	plan->armed = false;
	return plan->struck;
}

const char *
fault_name(void)
{
	return plan->name;
}

unsigned
fault_live(void)
{
	return live;
}

static bool
strikes(enum fault_kind kind, const char *name)
{
	unsigned call;

	if (plan == NULL || spared || !plan->armed || plan->kind != kind)
		return false;
	call = atomic_fetch_add(&plan->calls, 1) + 1;
	if (call != plan->n && !(plan->onward && call > plan->n))
		return false;
	plan->struck = true;
	plan->name = name;
	return true;
}

static unsigned
place_of(uintptr_t address, bool add)
{
	unsigned i = (unsigned)(address >> 4) * 2654435761u % BLOCKS, first = BLOCKS;

	for (; block[i] != 0; i = (i + 1) % BLOCKS) {
		if (block[i] == address)
			return i;
		if (block[i] == 1 && first == BLOCKS)
			first = i;
	}
	if (!add)
		return BLOCKS;
	return first == BLOCKS ? i : first;
}

static void *
note(void *memory)
{
	if (memory == NULL)
		return NULL;
	pthread_mutex_lock(&lock);
	block[place_of((uintptr_t)memory, true)] = (uintptr_t)memory;
	live++;
	if (live > BLOCKS / 2)
		abort();
	pthread_mutex_unlock(&lock);
	return memory;
}

static void
forget(uintptr_t memory)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	i = place_of(memory, false);
	if (i != BLOCKS) { /* else it came from a library */
		block[i] = 1;
		live--;
	}
	pthread_mutex_unlock(&lock);
}

#define WRAP(kind, type, name, parameters, arguments, error, failure)                              \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (!strikes(kind, #name))                                                         \
			return __real_##name arguments;                                            \
		errno = error;                                                                     \
		return failure;                                                                    \
	}

#define WRAP_MEMORY(name, parameters, arguments)                                                   \
	void *__real_##name parameters;                                                            \
	void *__wrap_##name parameters;                                                            \
	void *__wrap_##name parameters                                                             \
	{                                                                                          \
		if (!strikes(FAULT_MEMORY, #name))                                                 \
			return note(__real_##name arguments);                                      \
		errno = ENOMEM;                                                                    \
		return NULL;                                                                       \
	}

WRAP_MEMORY(malloc, (size_t size), (size))
WRAP_MEMORY(calloc, (size_t count, size_t size), (count, size))
WRAP_MEMORY(strdup, (const char *string), (string))
WRAP_MEMORY(strndup, (const char *string, size_t length), (string, length))

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *
__wrap_realloc(void *old, size_t size)
{
	uintptr_t before = (uintptr_t)old;
	void *memory;

	if (strikes(FAULT_MEMORY, "realloc")) {
		errno = ENOMEM;
		return NULL;
	}
	memory = __real_realloc(old, size);
	if (memory != NULL && before != 0)
		forget(before);
	return note(memory);
}

void __real_free(void *memory);
void __wrap_free(void *memory);
void
__wrap_free(void *memory)
{
	if (memory != NULL)
		forget((uintptr_t)memory);
	__real_free(memory);
}

#define WRAP_SYSTEM(type, name, parameters, arguments, error, failure)                             \
	WRAP(FAULT_SYSTEM, type, name, parameters, arguments, error, failure)
WRAP_SYSTEM(FILE *, fopen, (const char *path, const char *mode), (path, mode), EMFILE, NULL)
WRAP_SYSTEM(FILE *, fdopen, (int fd, const char *mode), (fd, mode), ENOMEM, NULL)
WRAP_SYSTEM(int, pipe2, (int end[2], int flags), (end, flags), EMFILE, -1)
WRAP_SYSTEM(pid_t, fork, (void), (), EAGAIN, -1)
WRAP_SYSTEM(ssize_t, pread, (int fd, void *bytes, size_t length, off_t offset),
    (fd, bytes, length, offset), EIO, -1)
WRAP_SYSTEM(ssize_t, pwrite, (int fd, const void *bytes, size_t length, off_t offset),
    (fd, bytes, length, offset), ENOSPC, -1)
WRAP_SYSTEM(int, fstat, (int fd, struct stat *status), (fd, status), EIO, -1)
WRAP_SYSTEM(int, unlink, (const char *path), (path), EROFS, -1)
WRAP_SYSTEM(ssize_t, getrandom, (void *bytes, size_t length, unsigned flags),
    (bytes, length, flags), ENOSYS, -1)
WRAP_SYSTEM(
    int, signalfd, (int fd, const sigset_t *signals, int flags), (fd, signals, flags), EMFILE, -1)
WRAP_SYSTEM(int, rename, (const char *from, const char *to), (from, to), ENOSPC, -1)
WRAP_SYSTEM(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
    (at, size, protection, flags, fd, offset), ENOMEM, MAP_FAILED)
WRAP_SYSTEM(int, epoll_create1, (int flags), (flags), EMFILE, -1)
WRAP_SYSTEM(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE, -1)
WRAP_SYSTEM(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, -1)
WRAP_SYSTEM(int, bind, (int fd, const struct sockaddr *address, socklen_t length),
    (fd, address, length), EADDRINUSE, -1)
WRAP_SYSTEM(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE, -1)
WRAP_SYSTEM(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
    (fd, level, name, value, length), ENOPROTOOPT, -1)
WRAP_SYSTEM(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),
    (fd, address, length, flags), EMFILE, -1)
WRAP_SYSTEM(ssize_t, recv, (int fd, void *bytes, size_t length, int flags),
    (fd, bytes, length, flags), ECONNRESET, -1)
WRAP_SYSTEM(ssize_t, send, (int fd, const void *bytes, size_t length, int flags),
    (fd, bytes, length, flags), EPIPE, -1)
WRAP_SYSTEM(ssize_t, sendto,
    (int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to,
	socklen_t size),
    (fd, bytes, length, flags, to, size), ENOBUFS, -1)
WRAP_SYSTEM(ssize_t, recvfrom,
    (int fd, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size),
    (fd, bytes, length, flags, from, size), ENOMEM, -1)
WRAP_SYSTEM(int, recvmmsg,
    (int fd, struct mmsghdr *message, unsigned count, int flags, struct timespec *patience),
    (fd, message, count, flags, patience), ENOMEM, -1)
WRAP_SYSTEM(int, sendmmsg, (int fd, struct mmsghdr *message, unsigned count, int flags),
    (fd, message, count, flags), ENOBUFS, -1)

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);

/* Taking one out needs nothing, so that nothing can be lacking. */
int
__wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	if (operation == EPOLL_CTL_DEL || !strikes(FAULT_SYSTEM, "epoll_ctl"))
		return __real_epoll_ctl(epoll, operation, fd, event);
	errno = ENOSPC;
	return -1;
}

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	return strikes(FAULT_SYSTEM, "pthread_create")
		   ? EAGAIN
		   : __real_pthread_create(thread, attributes, run, argument);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	if (!strikes(FAULT_SYSTEM, "open"))
		return __real_open(path, flags, mode);
	errno = EMFILE;
	return -1;
}

/* The errors of libraries are their values. */
#define WRAP_LIBRARY(name, parameters, arguments, failure)                                         \
	WRAP(FAULT_LIBRARY, int, name, parameters, arguments, 0, failure)
WRAP_LIBRARY(mdb_env_create, (MDB_env * *env), (env), ENOMEM)
WRAP_LIBRARY(mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size), ENOMEM)
WRAP_LIBRARY(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
    (env, parent, flags, txn), MDB_READERS_FULL)
WRAP_LIBRARY(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
    (txn, name, flags, dbi), MDB_DBS_FULL)
WRAP_LIBRARY(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags),
    (txn, dbi, key, value, flags), EIO)
WRAP_LIBRARY(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
    (txn, dbi, key, value), MDB_CORRUPTED)
WRAP_LIBRARY(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
    (txn, dbi, key, value), EIO)
WRAP_LIBRARY(
    mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor), ENOMEM)
WRAP_LIBRARY(mdb_cursor_get,
    (MDB_cursor * cursor, MDB_val *key, MDB_val *value, MDB_cursor_op operation),
    (cursor, key, value, operation), MDB_PAGE_NOTFOUND)
WRAP_LIBRARY(ub_ctx_set_option, (struct ub_ctx * ub, const char *option, const char *value),
    (ub, option, value), UB_NOMEM)
WRAP_LIBRARY(ub_ctx_set_stub,
    (struct ub_ctx * ub, const char *zone, const char *address, int prime),
    (ub, zone, address, prime), UB_NOMEM)
WRAP_LIBRARY(ub_resolve_event,
    (struct ub_ctx * ub, const char *name, int type, int class, void *mine,
	ub_event_callback_type callback, int *number),
    (ub, name, type, class, mine, callback, number), UB_NOMEM)
WRAP(FAULT_LIBRARY, struct ub_ctx *, ub_ctx_create_ub_event, (struct ub_event_base * base), (base),
    0, NULL)

/* No test here takes the power away, so nothing has to wait for the disk. */
int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
	(void)fd;
	if (!strikes(FAULT_SYSTEM, "fsync"))
		return 0;
	errno = EIO;
	return -1;
}

int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int
__wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
	return strikes(FAULT_LIBRARY, "mdb_env_open")
		   ? EIO
		   : __real_mdb_env_open(env, path, flags | MDB_NOSYNC, mode);
}

/* A commit that fails has freed the transaction all the same. */
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int
__wrap_mdb_txn_commit(MDB_txn *txn)
{
	if (!strikes(FAULT_LIBRARY, "mdb_txn_commit"))
		return __real_mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return ENOSPC;
}

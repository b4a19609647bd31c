#include "aggregate/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
lock_directory(const struct opening *opening)
{
	while (flock(opening->directory, LOCK_EX) != 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

static int
open_locked(struct opening *opening, const char *path, bool write, size_t bytes, unsigned tables)
{
	/* never MDB_WRITEMAP: a full disk would be a SIGBUS */
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (write ? 0 : MDB_RDONLY);
	mode_t before;
	int code = mdb_env_create(&opening->env);

	if (code == 0)
		code = mdb_env_set_maxdbs(opening->env, tables);
	if (code == 0)
		code = mdb_env_set_mapsize(opening->env, bytes);
	before = umask(007);
	if (code == 0)
		code = mdb_env_open(opening->env, path, flags, 0660);
	umask(before);
	return code;
}

/* A file that root makes must be usable by the daemon's user: it is owned as the directory is. */
static void
share_ownership(const struct opening *opening, const char *path)
{
	char lock[300];
	struct stat status;

	if (geteuid() != 0 || fstat(opening->directory, &status) != 0)
		return;
	(void)snprintf(lock, sizeof lock, "%s-lock", path);
	if (lchown(path, status.st_uid, status.st_gid) != 0 ||
	    lchown(lock, status.st_uid, status.st_gid) != 0)
		return; /* the daemon will say that it can't read them */
}

static size_t
map_size(const char *path, size_t bytes, size_t most)
{
	struct stat status;

	if (stat(path, &status) == 0)
		while (bytes < (size_t)status.st_size * 2 && bytes < most)
			bytes *= 2;
	return bytes;
}

bool
opening_is_missing(const char *path)
{
	struct stat status;

	return stat(path, &status) != 0 ? errno == ENOENT : status.st_size == 0;
}

int
opening_open(struct opening *opening, const char *directory, const char *path, bool write,
    size_t bytes, size_t most, unsigned tables)
{
	int code;

	opening->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opening->directory < 0)
		return errno;
	code = lock_directory(opening);
	if (code == 0)
		code = open_locked(opening, path, write, map_size(path, bytes, most), tables);
	if (code == 0 && write)
		share_ownership(opening, path);
	(void)flock(opening->directory, LOCK_UN);
	return code;
}

void
opening_close(struct opening *opening)
{
	if (opening->env != NULL) {
		(void)lock_directory(opening);
		mdb_env_close(opening->env);
	}
	if (opening->directory >= 0)
		(void)close(opening->directory);
}

bool
opening_is_behind(const struct opening *opening, struct MDB_txn *txn)
{
	MDB_envinfo info;

	return mdb_env_info(opening->env, &info) != 0 || mdb_txn_id(txn) != info.me_last_txnid + 1;
}

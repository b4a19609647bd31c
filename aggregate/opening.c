#include "aggregate/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
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

int
opening_open(struct opening *opening, const char *directory, const char *path, bool write,
    size_t bytes, unsigned tables)
{
	int code;

	opening->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opening->directory < 0)
		return errno;
	code = lock_directory(opening);
	if (code == 0)
		code = open_locked(opening, path, write, bytes, tables);
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

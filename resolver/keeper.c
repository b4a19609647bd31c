#include "resolver/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/log.h"

#define WRITERS_MAX 64
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct keeper {
	int fd;
	struct kept *kept;
	off_t blocks_at; /* where the blocks begin */
	/* by writer: the next block, and how many it found damaged or could not read */
	uint32_t next[WRITERS_MAX], damaged[WRITERS_MAX];
	_Atomic unsigned done; /* writers; it hands damaged[] to the last */
	_Atomic uint64_t lines;
};

void
keeper_read_boot(uint8_t boot[16])
{
	char text[37] = "";
	unsigned digits = 0;
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	memset(boot, 0, 16);
	for (ssize_t i = 0; i < length && digits < 32; i++) {
		const char *hex = "0123456789abcdef", *digit = strchr(hex, text[i]);

		if (digit != NULL && *digit != '\0') {
			boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | (digit - hex));
			digits++;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* --- writing ------------------------------------------------------------------------------ */

struct writing {
	int fd;
	off_t at;
	uint32_t blocks;
	uint64_t lines;
	struct kept_block block;
};

static bool
write_all(int fd, const uint8_t *byte, size_t length, off_t at)
{
	while (length > 0) {
		ssize_t written = pwrite(fd, byte, length, at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		byte += written;
		length -= (size_t)written;
		at += written;
	}
	return true;
}

static bool
write_block(struct writing *writing, unsigned writer)
{
	if (writing->block.entries == 0)
		return true;
	writing->lines += writing->block.entries;
	kept_block_end(&writing->block, writing->blocks, writer);
	if (!write_all(writing->fd, writing->block.byte, KEPT_BLOCK, writing->at))
		return false;
	writing->at += KEPT_BLOCK;
	writing->blocks++;
	kept_block_begin(&writing->block, writing->block.mark);
	return true;
}

/* A block has subjects of one writer only. */
static bool
write_blocks(
    struct writing *writing, struct cache *cache, unsigned writer, const struct kept_worth *worth)
{
	struct cache_entry entry;
	size_t at = 0;

	while (cache_walk(cache, writer, &at, &entry)) {
		if (kept_block_add(&writing->block, &entry, worth))
			continue;
		if (!write_block(writing, writer) ||
		    !kept_block_add(&writing->block, &entry, worth))
			return false;
	}
	return write_block(writing, writer);
}

static bool
write_front_and_blocks(struct writing *writing, struct cache *cache, struct evidence_book *book,
    const struct kept_moment *moment, const struct kept_worth *worth)
{
	unsigned writers = cache_writers(cache);
	uint64_t mark;
	uint8_t *front;
	size_t length;
	bool good;

	if (getrandom(&mark, sizeof mark, 0) != (ssize_t)sizeof mark)
		return false;
	front = kept_front(book, moment, cache_key(cache), mark, writers, &length);
	if (front == NULL)
		return false;
	writing->at = (off_t)length;
	kept_block_begin(&writing->block, mark);
	good = true;
	for (unsigned i = 0; i < writers && good; i++)
		good = write_blocks(writing, cache, i, worth);
	kept_front_end(front, length, writing->blocks);
	good = good && write_all(writing->fd, front, length, 0);
	free(front);
	return good;
}

void
keeper_write(const char *directory, struct cache *cache, struct evidence_book *book,
    const struct kept_moment *moment, const struct kept_worth *worth)
{
	char path[300], partial[300];
	struct writing *writing = calloc(1, sizeof *writing);
	bool good = false;

	(void)snprintf(path, sizeof path, "%s/" KEEPER_FILE, directory);
	(void)snprintf(partial, sizeof partial, "%s/" KEEPER_FILE ".new", directory);
	(void)unlink(partial);
	if (writing != NULL)
		writing->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (writing != NULL && writing->fd >= 0) {
		good = write_front_and_blocks(writing, cache, book, moment, worth);
		good = close(writing->fd) == 0 && good;
	}
	good = good && rename(partial, path) == 0;
	if (good) {
		log_info("evidence kept subjects=%llu", (unsigned long long)writing->lines);
	} else {
		log_warning("%s: no evidence is kept: %s", path, strerror(errno));
		(void)unlink(partial);
	}
	free(writing);
}

/* --- reading ------------------------------------------------------------------------------ */

static bool
read_all(int fd, uint8_t *byte, size_t length, off_t at)
{
	while (length > 0) {
		ssize_t got = pread(fd, byte, length, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		byte += got;
		length -= (size_t)got;
		at += got;
	}
	return true;
}

/* Is it a file that we made and nobody else could write? */
static bool
is_ours(int fd, off_t *size, struct text *error)
{
	struct stat status;

	if (fstat(fd, &status) != 0) {
		text_add(error, strerror(errno));
		return false;
	}
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		text_add(error, "others may have written it");
		return false;
	}
	*size = status.st_size;
	return true;
}

static struct kept *
read_front(int fd, size_t *length, const struct kept_moment *moment, struct evidence_book *book,
    struct text *error)
{
	uint8_t head[KEPT_HEAD], *front = NULL;
	struct kept *kept = NULL;
	off_t size;

	if (!is_ours(fd, &size, error))
		return NULL;
	errno = 0;
	*length = read_all(fd, head, sizeof head, 0) ? kept_front_length(head) : 0;
	if (*length > 0 && (off_t)*length <= size)
		front = malloc(*length);
	if (front != NULL && read_all(fd, front, *length, 0))
		kept = kept_open(front, *length, moment, book, error);
	else if (errno != 0) /* or the file was read, but is too short or none of ours */
		text_add(error, strerror(errno));
	else
		text_add(error, "it is damaged, or of another version");
	free(front);
	return kept;
}

struct keeper *
keeper_open(const char *directory, const struct kept_moment *moment, struct evidence_book *book)
{
	char path[300], said[200];
	struct keeper *keeper = NULL;
	struct kept *kept = NULL;
	struct text error;
	size_t length = 0;
	int fd;

	(void)snprintf(path, sizeof path, "%s/" KEEPER_FILE, directory);
	text_init(&error, said, sizeof said);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || (keeper = calloc(1, sizeof *keeper)) == NULL)
		text_add(&error, strerror(errno));
	else
		kept = read_front(fd, &length, moment, book, &error);
	/* what stays could come back some day, when it is not true any more */
	if (unlink(path) != 0 && kept != NULL) {
		text_add(&error, strerror(errno));
		kept_close(kept);
		kept = NULL;
	}
	if (kept != NULL) {
		keeper->fd = fd;
		keeper->kept = kept;
		keeper->blocks_at = (off_t)length;
		return keeper;
	}
	log_warning("%s: no evidence is taken from it: %s", path, said);
	if (fd >= 0)
		close(fd);
	free(keeper);
	return NULL;
}

void
keeper_close(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	if (keeper->fd >= 0)
		close(keeper->fd);
	kept_close(keeper->kept);
	free(keeper);
}

const uint64_t *
keeper_key(const struct keeper *keeper)
{
	return kept_key(keeper->kept);
}

static void
restore_block(struct keeper *keeper, struct cache *cache, unsigned writer,
    const uint8_t byte[KEPT_BLOCK], const struct kept_worth *worth)
{
	struct cache_entry entry;
	size_t at = 0;
	uint64_t lines = 0;

	while (kept_block_next(keeper->kept, byte, &at, worth, &entry)) {
		if (cache_writer(cache, &entry.subject) != writer)
			continue;
		cache_restore(cache, &entry, worth->now);
		lines++;
	}
	atomic_fetch_add(&keeper->lines, lines);
}

static void
end_of_writer(struct keeper *keeper, unsigned writers)
{
	uint32_t damaged = 0; /* most writers see the same; the one that saw most tells */

	if (atomic_fetch_add(&keeper->done, 1) + 1 < writers)
		return;
	for (unsigned i = 0; i < writers; i++)
		damaged = keeper->damaged[i] > damaged ? keeper->damaged[i] : damaged;
	if (damaged > 0)
		log_warning("evidence: kept parts are damaged and dropped damaged=%u of=%u",
		    damaged, kept_blocks(keeper->kept));
	log_info(
	    "evidence taken over subjects=%llu", (unsigned long long)atomic_load(&keeper->lines));
	close(keeper->fd); /* and the disk has its room back */
	keeper->fd = -1;
}

bool
keeper_step(
    struct keeper *keeper, struct cache *cache, unsigned writer, const struct kept_worth *worth)
{
	unsigned writers = cache_writers(cache);
	uint8_t byte[KEPT_BLOCK];
	uint32_t number = keeper->next[writer], blocks = kept_blocks(keeper->kept);

	if (number == blocks) {
		end_of_writer(keeper, writers);
		return false;
	}
	keeper->next[writer] = number + 1;
	if (!read_all(
		keeper->fd, byte, sizeof byte, keeper->blocks_at + (off_t)number * KEPT_BLOCK)) {
		/* cut off: nor can those behind it be there */
		keeper->damaged[writer] += blocks - number;
		keeper->next[writer] = blocks;
	} else if (!kept_block_check(keeper->kept, byte, number)) {
		keeper->damaged[writer]++;
	} else if (kept_block_concerns(keeper->kept, byte, writer, writers)) {
		restore_block(keeper, cache, writer, byte, worth);
	}
	return true;
}

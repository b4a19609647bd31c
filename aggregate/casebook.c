/*
 * A record: its number (from 1; record n stands at n % CASEBOOK_MAX), id, when, refused, family,
 * address, score, threshold, answer, zone, exception, what the lists said (two bytes of length), 0
 * up to the size, a checksum over all before it.
 */
#include "aggregate/casebook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/bytes.h"

#define RECORD 1024

struct casebook {
	int fd;
	uint64_t number; /* of the last record */
};

/* The first record from *place on, which is then behind it. False with errno, 0 at the end. */
static bool
read_record(int fd, uint64_t *place, uint8_t *record)
{
	while (*place < CASEBOOK_MAX) {
		ssize_t length = pread(fd, record, RECORD, (off_t)(*place * RECORD));

		if (length < 0)
			return false;
		if (length < RECORD)
			break;
		++*place;
		if (bytes_checksum(0, record, RECORD - 4) == bytes_u32(record + RECORD - 4))
			return true;
	}
	errno = 0;
	return false;
}

static bool
unpack(const uint8_t *record, struct casebook_entry *entry)
{
	const uint8_t *end = &record[RECORD - 4], *at = &record[50];
	size_t length;

	if (record[21] > SUBJECT_IPV6)
		return false;
	entry->id = bytes_u64(record + 8);
	entry->when = bytes_u32(record + 16);
	entry->refused = record[20] != 0;
	entry->subject.family = (enum subject_family)record[21];
	memcpy(entry->subject.octet, record + 22, 16);
	entry->score = (int32_t)bytes_u32(record + 38);
	entry->threshold = (int32_t)bytes_u32(record + 42);
	entry->address = bytes_u32(record + 46);
	at = bytes_read_string(at, end, entry->zone, NAME_TEXT_MAX);
	at = bytes_read_string(at, end, entry->exception, sizeof entry->exception - 1);
	if (at == NULL || end - at < 2)
		return false;
	length = (size_t)at[0] << 8 | at[1];
	if (length > CASEBOOK_SAID_MAX || (size_t)(end - at) < length + 2)
		return false;
	memcpy(entry->said, at + 2, length);
	entry->said[length] = '\0';
	return true;
}

struct casebook *
casebook_open(const char *directory)
{
	struct casebook *casebook = calloc(1, sizeof *casebook);
	char path[300];
	uint8_t record[RECORD];
	uint64_t place = 0;

	if (casebook == NULL)
		return NULL;
	(void)snprintf(path, sizeof path, "%s/" CASEBOOK_FILE, directory);
	casebook->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	while (casebook->fd >= 0 && read_record(casebook->fd, &place, record))
		if (bytes_u64(record) > casebook->number)
			casebook->number = bytes_u64(record);
	if (casebook->fd >= 0 && errno == 0)
		return casebook;
	casebook_close(casebook);
	return NULL;
}

void
casebook_close(struct casebook *casebook)
{
	int saved = errno;

	if (casebook == NULL)
		return;
	if (casebook->fd >= 0)
		close(casebook->fd);
	free(casebook);
	errno = saved;
}

bool
casebook_add(struct casebook *casebook, const struct casebook_entry *entry)
{
	uint64_t number = casebook->number + 1;
	size_t length = strlen(entry->said);
	struct bytes record;

	bytes_init(&record);
	bytes_add_u64(&record, number);
	bytes_add_u64(&record, entry->id);
	bytes_add_u32(&record, entry->when);
	bytes_add_u8(&record, entry->refused);
	bytes_add_u8(&record, entry->subject.family);
	bytes_add(&record, entry->subject.octet, 16);
	bytes_add_u32(&record, (uint32_t)entry->score);
	bytes_add_u32(&record, (uint32_t)entry->threshold);
	bytes_add_u32(&record, entry->address);
	bytes_add_string(&record, entry->zone);
	bytes_add_string(&record, entry->exception);
	bytes_add_u8(&record, (unsigned)(length >> 8));
	bytes_add_u8(&record, (unsigned)length & 255);
	bytes_add(&record, entry->said, length);
	while (record.length < RECORD - 4)
		bytes_add_u8(&record, 0);
	bytes_add_u32(&record, bytes_checksum(0, record.byte, record.length));
	if (pwrite(casebook->fd, record.byte, RECORD, (off_t)(number % CASEBOOK_MAX * RECORD)) !=
	    RECORD)
		return false;
	casebook->number = number;
	return true;
}

bool
casebook_each(const char *directory, casebook_visit *visit, void *context, struct text *error)
{
	struct casebook_entry entry;
	uint8_t record[RECORD];
	uint64_t place = 0;
	char path[300];
	bool good = true, more = true;
	int fd;

	(void)snprintf(path, sizeof path, "%s/" CASEBOOK_FILE, directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return true;
	while (fd >= 0 && more && (good = read_record(fd, &place, record)))
		more = !unpack(record, &entry) || visit(context, &entry);
	good = fd >= 0 && (good || errno == 0);
	if (!good)
		text_add_format(error, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}

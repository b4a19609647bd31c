#include "resolver/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_LINE "tally quarantine 1"
#define LAST_LINE "end %zu"
#define SIZE_MAX_BYTES (EVIDENCE_LISTS_MAX * (NAME_TEXT_MAX + 1) + 64)

static size_t
find(const struct held *held, const char *name)
{
	size_t i = 0;

	while (i < held->count && strcmp(held->name[i], name) != 0)
		i++;
	return i;
}

bool
held_has(const struct held *held, const char *name)
{
	return find(held, name) < held->count;
}

bool
held_add(struct held *held, const char *name)
{
	if (held_has(held, name))
		return true;
	if (held->count == EVIDENCE_LISTS_MAX)
		return false;
	memcpy(held->name[held->count++], name, strlen(name) + 1);
	return true;
}

void
held_remove(struct held *held, const char *name)
{
	size_t i = find(held, name);

	if (i == held->count)
		return;
	held->count--;
	memmove(held->name[i], held->name[held->count], sizeof held->name[i]);
}

/* The lines between the first and the last; `text` is cut into them. */
static bool
parse(struct held *held, char *text)
{
	char folded[NAME_TEXT_MAX + 1], end[40], *rest = NULL;
	char *line = strtok_r(text, "\n", &rest);

	if (line == NULL || strcmp(line, FIRST_LINE) != 0)
		return false;
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
		(void)snprintf(end, sizeof end, LAST_LINE, held->count);
		if (strcmp(line, end) == 0)
			return rest == NULL || *rest == '\0';
		if (!name_fold(line, folded) || !held_add(held, folded))
			return false;
	}
	return false; /* cut off */
}

bool
held_read(struct held *held, const char *directory, struct text *error)
{
	char text[SIZE_MAX_BYTES + 1], path[300];
	ssize_t length;
	int fd;

	held->count = 0;
	(void)snprintf(path, sizeof path, "%s/" HELD_FILE, directory);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return true;
	length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (length < 0)
		text_add_format(error, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (length < 0)
		return false;
	text[length] = '\0';
	if (strlen(text) == (size_t)length && parse(held, text))
		return true;
	held->count = 0;
	text_add_format(error, "%s: it is damaged", path);
	return false;
}

static bool
write_lines(const struct held *held, FILE *file)
{
	bool good = fputs(FIRST_LINE "\n", file) >= 0;

	for (size_t i = 0; i < held->count; i++)
		good = good && fprintf(file, "%s\n", held->name[i]) > 0;
	return good && fprintf(file, LAST_LINE "\n", held->count) > 0 && fflush(file) == 0 &&
	       fsync(fileno(file)) == 0;
}

/* The new name is on disk only when the directory is. */
static bool
put_in_place(const char *partial, const char *path, const char *directory)
{
	int fd;
	bool good;

	if (rename(partial, path) != 0)
		return false;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return good;
}

bool
held_write(const struct held *held, const char *directory, struct text *error)
{
	char path[300], partial[300];
	FILE *file;
	bool good;

	(void)snprintf(path, sizeof path, "%s/" HELD_FILE, directory);
	(void)snprintf(partial, sizeof partial, "%s/" HELD_FILE ".new", directory);
	file = fopen(partial, "we");
	good = file != NULL && write_lines(held, file);
	if (file != NULL && fclose(file) != 0)
		good = false;
	if (good && put_in_place(partial, path, directory))
		return true;
	text_add_format(error, "%s: %s", path, strerror(errno));
	(void)unlink(partial);
	return false;
}

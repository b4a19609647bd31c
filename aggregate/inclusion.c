#include "aggregate/inclusion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (1u << 20)
#define DEPTH_MAX 8
#define FILES_MAX 100
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* editors of other systems write it, unseen */

/* A path as the including file means it: relative to that file's directory. */
static char *
beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	size_t directory = path[0] == '/' || slash == NULL ? 0 : (size_t)(slash - file) + 1;
	char *joined = malloc(directory + strlen(path) + 1);

	if (joined != NULL) {
		memcpy(joined, file, directory);
		memcpy(joined + directory, path, strlen(path) + 1);
	}
	return joined;
}

void
inclusion_add(struct inclusion *inclusion, const struct inclusion_file *by, unsigned line,
    const char *path, struct mistakes *mistakes)
{
	struct inclusion_file file = {.blame_file = by == NULL ? path : by->path,
	    .blame_line = line,
	    .depth = by == NULL ? 0 : by->depth + 1,
	    .path = by == NULL ? strdup(path) : beside(by->path, path)};
	struct inclusion_file *larger =
	    realloc(inclusion->file, (inclusion->files + 1) * sizeof *larger);

	if (larger != NULL)
		inclusion->file = larger;
	if (file.path == NULL || larger == NULL) {
		mistakes_add(mistakes, file.blame_file, 0, "out of memory");
		free(file.path);
		return;
	}
	larger[inclusion->files++] = file;
}

/* The whole of a regular file, with a NUL behind it; returns what is wrong, or NULL. */
static const char *
load(int fd, char **text)
{
	struct stat status;
	ssize_t got;

	if (fd < 0 || fstat(fd, &status) != 0)
		return strerror(errno);
	if (!S_ISREG(status.st_mode))
		return "it is not a regular file";
	if (status.st_size > (off_t)BYTES_MAX)
		return "it is larger than 1 MiB";
	*text = calloc(1, (size_t)status.st_size + 1);
	if (*text == NULL)
		return strerror(errno);
	got = read(fd, *text, (size_t)status.st_size);
	if (got < 0)
		return strerror(errno);
	if (strncmp(*text, BYTE_ORDER_MARK, sizeof BYTE_ORDER_MARK - 1) == 0)
		return "it begins with a byte order mark: save it as UTF-8 without one";
	return strlen(*text) == (size_t)got ? NULL : "it holds a NUL byte";
}

char *
inclusion_read(
    const struct inclusion *inclusion, const struct inclusion_file *file, struct mistakes *mistakes)
{
	char *text = NULL;
	const char *wrong;
	int fd;

	if (file->depth > DEPTH_MAX || inclusion->files > FILES_MAX) {
		mistakes_add(mistakes, file->blame_file, file->blame_line,
		    "include(\"%s\"): too many files, or files that include each other",
		    file->path);
		return NULL;
	}
	fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	wrong = load(fd, &text);
	if (fd >= 0)
		close(fd);
	if (wrong == NULL)
		return text;
	free(text);
	mistakes_add(
	    mistakes, file->blame_file, file->blame_line, "cannot read %s: %s", file->path, wrong);
	return NULL;
}

char **
inclusion_end(struct inclusion *inclusion, size_t *files)
{
	char **path = calloc(inclusion->files + 1, sizeof *path);

	*files = 0;
	for (size_t i = 0; i < inclusion->files; i++) {
		if (path != NULL)
			path[(*files)++] = inclusion->file[i].path;
		else
			free(inclusion->file[i].path);
	}
	free(inclusion->file);
	*inclusion = (struct inclusion){0};
	return path;
}

/*
 * files - a directory of one's own for tests that read files, gone afterwards
 */
#ifndef TESTS_UNIT_FILES_H
#define TESTS_UNIT_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct files {
	char directory[40];
	char path[400]; /* of the last file named */
};

static inline void
files_open(struct files *files)
{
	strcpy(files->directory, "/tmp/tally-unit-XXXXXX");
	assert_non_null(mkdtemp(files->directory));
}

static inline const char *
files_path(struct files *files, const char *name)
{
	(void)snprintf(files->path, sizeof files->path, "%s/%s", files->directory, name);
	return files->path;
}

static inline void
files_write(struct files *files, const char *name, const char *bytes, size_t length)
{
	FILE *file = fopen(files_path(files, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

/* Remove what is in the directory, directories in it when empty, and itself. */
static inline void
files_close(struct files *files)
{
	DIR *directory = opendir(files->directory);

	if (directory == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)remove(files_path(files, entry->d_name));
	}
	(void)closedir(directory);
	(void)rmdir(files->directory);
}

/* The directory of a program's tests, and the fixtures that make it and take it away. */
static struct files files;

static inline int
open_files(void **state)
{
	(void)state;
	files_open(&files);
	return 0;
}

static inline int
close_files(void **state)
{
	(void)state;
	files_close(&files);
	return 0;
}

#endif

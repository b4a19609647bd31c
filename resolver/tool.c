#include "resolver/tool.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX ((size_t)64 << 20)
#define FILE_MAX ((size_t)1 << 30)

enum tool_status
tool_fail(const char *format, ...)
{
	char said[1000], printed[1100];
	struct text text;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(said, sizeof said, format, arguments);
	va_end(arguments);
	text_init(&text, printed, sizeof printed);
	text_add_printable(&text, said, strlen(said));
	(void)fprintf(stderr, "tallyctl: %s\n", printed);
	return TOOL_FAILED;
}

/* What is allocated; without memory, the end: half a table or document is worse than none. */
static void *
must_have(void *memory)
{
	if (memory != NULL)
		return memory;
	(void)tool_fail("out of memory; a change that was begun may be on disk");
	exit(TOOL_FAILED);
}

static void *
allocate(size_t size)
{
	return must_have(malloc(size));
}

void
tool_begin(void)
{
	json_set_alloc_funcs(allocate, free);
}

enum tool_status
tool_end(enum tool_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return tool_fail("standard output could not be written whole");
}

char *
tool_read_stream(FILE *in, size_t *length)
{
	size_t size = 1 << 16;
	char *text = malloc(size);

	*length = 0;
	errno = 0;
	while (text != NULL && !feof(in) && !ferror(in) && size <= FILE_MAX) {
		char *larger;

		*length += fread(text + *length, 1, size - *length, in);
		if (*length < size)
			continue;
		size *= 2;
		larger = realloc(text, size);
		if (larger == NULL)
			free(text);
		text = larger;
	}
	if (text != NULL && (ferror(in) || size > FILE_MAX)) {
		free(text);
		text = NULL;
	}
	if (text != NULL)
		text[*length] = '\0'; /* the loop ends with room for it */
	return text;
}

char *
tool_read_file(const char *file, size_t *length)
{
	bool dash = strcmp(file, "-") == 0;
	FILE *in = dash ? stdin : fopen(file, "re");
	char *text;

	if (in == NULL) {
		(void)tool_fail("%s: %s", file, strerror(errno));
		return NULL;
	}
	text = tool_read_stream(in, length);
	if (text == NULL)
		(void)tool_fail("%s: %s", file, errno != 0 ? strerror(errno) : "too large");
	if (!dash)
		(void)fclose(in);
	return text;
}

/* A connection to the daemon, or -1 with errno. */
static int
connect_daemon(const char *path, unsigned patience_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = patience_s};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* connect too */
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* All that comes until the end; NULL when it breaks off. */
static char *
read_all(int fd)
{
	size_t size = 4096, length = 0;
	char *text = malloc(size);

	while (text != NULL && size < REPLY_MAX) {
		ssize_t got = read(fd, text + length, size - length - 1);
		char *larger;

		if (got < 0)
			break;
		length += (size_t)got;
		if (got == 0) {
			text[length] = '\0';
			return text;
		}
		if (size - length > 1)
			continue;
		larger = realloc(text, size * 2);
		if (larger == NULL)
			break;
		text = larger;
		size *= 2;
	}
	free(text);
	return NULL;
}

static enum tool_daemon
take_reply(char *reply, json_t **json, struct text *error)
{
	if (strncmp(reply, "ok\n", 3) == 0) {
		*json = json_loads(reply + 3, JSON_DECODE_ANY, NULL);
		if (*json != NULL)
			return TOOL_ANSWERED;
	}
	reply[strcspn(reply, "\n")] = '\0';
	if (strncmp(reply, "error ", 6) == 0)
		text_add_printable(error, reply + 6, strlen(reply + 6));
	else
		text_add(error, "tallyd's reply makes no sense");
	return TOOL_REFUSED;
}

enum tool_daemon
tool_ask(const struct tool *tool, const char *request, json_t **json, struct text *error)
{
	enum tool_daemon outcome = TOOL_REFUSED;
	char line[1000], *reply;
	int fd, length = snprintf(line, sizeof line, "tally1 %s\n", request);

	if (tool->control[0] == '\0') {
		text_add_format(error, "%s: control is empty: there is no socket", tool->file);
		return TOOL_DOWN; /* for all we know */
	}
	fd = connect_daemon(tool->control, tool->patience_s);
	if (fd < 0) {
		text_add_format(error, "%s: %s", tool->control, strerror(errno));
		return errno == ENOENT || errno == ECONNREFUSED ? TOOL_DOWN : TOOL_REFUSED;
	}
	if (length < 0 || (size_t)length >= sizeof line ||
	    send(fd, line, (size_t)length, MSG_NOSIGNAL) != length) {
		text_add(error, "cannot send the request");
		close(fd);
		return TOOL_REFUSED;
	}
	errno = 0;
	reply = read_all(fd);
	if (reply == NULL)
		text_add(error, errno == EAGAIN ? "tallyd does not reply" : "tallyd broke off");
	else
		outcome = take_reply(reply, json, error);
	free(reply);
	close(fd);
	return outcome;
}

json_t *
tool_must_ask(const struct tool *tool, const char *request)
{
	char said[700];
	struct text error;
	json_t *json = NULL;

	text_init(&error, said, sizeof said);
	switch (tool_ask(tool, request, &json, &error)) {
	case TOOL_ANSWERED:
		return json;
	case TOOL_DOWN:
		(void)tool_fail(
		    "%s%s", tool->control[0] == '\0' ? "" : "tallyd is not running: ", said);
		break;
	case TOOL_REFUSED:
		(void)tool_fail("%s", said);
		break;
	}
	return NULL;
}

void
tool_print_json(json_t *json)
{
	char *printed = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

	if (printed != NULL)
		(void)puts(printed);
	free(printed);
	json_decref(json);
}

void
tool_table_begin(struct tool_table *table, unsigned columns, const char *const *titles)
{
	*table = (struct tool_table){.columns = columns};
	tool_table_add(table, titles);
}

void
tool_table_add(struct tool_table *table, const char *const *cells)
{
	size_t at = table->rows * table->columns;

	if ((table->rows & (table->rows - 1)) == 0) {
		size_t rows = table->rows == 0 ? 1 : table->rows * 2;

		table->cell =
		    must_have(realloc(table->cell, rows * table->columns * sizeof *table->cell));
	}
	for (unsigned i = 0; i < table->columns; i++)
		table->cell[at + i] = must_have(strdup(cells[i] == NULL ? "" : cells[i]));
	table->rows++;
}

void
tool_table_free(struct tool_table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cell[i]);
	free(table->cell);
	*table = (struct tool_table){0};
}

void
tool_table_print(struct tool_table *table)
{
	size_t width[TOOL_COLUMNS_MAX] = {0};

	for (size_t i = 0; i < table->rows * table->columns; i++) {
		size_t length = strlen(table->cell[i]);

		if (length > width[i % table->columns])
			width[i % table->columns] = length;
	}
	for (size_t i = 0; i < table->rows * table->columns; i++) {
		bool last = (i + 1) % table->columns == 0;

		if (last)
			(void)printf("%s\n", table->cell[i]);
		else
			(void)printf("%-*s  ", (int)width[i % table->columns], table->cell[i]);
	}
	tool_table_free(table);
}

enum tool_status
tool_print_listing(json_t *json, struct tool_table *table, enum tool_status status)
{
	if (json != NULL && status == TOOL_DONE)
		tool_print_json(json);
	else if (json != NULL)
		json_decref(json);
	else if (status == TOOL_DONE || table->rows > 1)
		tool_table_print(table);
	else
		tool_table_free(table);
	return status;
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
tool_progress_begin(struct tool_progress *progress, const char *what)
{
	*progress = (struct tool_progress){.what = what};
	progress->begun = isatty(STDERR_FILENO) ? seconds() : 0;
}

void
tool_progress(struct tool_progress *progress, uint64_t count, size_t done, size_t all)
{
	char bar[41];
	size_t filled;
	double now;

	if (progress->begun == 0 || count % 1024 != 0)
		return;
	now = seconds();
	if (now - progress->begun < 1 || now - progress->shown < 0.2)
		return;
	filled = (size_t)(40.0 * (double)done / (double)all);
	memset(bar, '.', 40);
	memset(bar, '#', filled > 40 ? 40 : filled);
	bar[40] = '\0';
	(void)fprintf(stderr, "\r%s [%s] %llu", progress->what, bar, (unsigned long long)count);
	progress->shown = now;
	progress->visible = true;
}

void
tool_progress_end(struct tool_progress *progress)
{
	if (progress->visible)
		(void)fprintf(stderr, "\r%*s\r", 79, "");
}

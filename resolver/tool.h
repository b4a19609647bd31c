/*
 * tool - what the commands of tallyctl share: where things are, how to ask the daemon, how to print
 */
#ifndef RESOLVER_TOOL_H
#define RESOLVER_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "aggregate/exception.h"
#include "aggregate/received.h"
#include "resolver/command.h"

#define TOOL_PATIENCE_S 75 /* longer than any command takes */

struct json_t; /* jansson's */
struct recommendation;

struct tool {
	const char *file; /* of the configuration */
	char state_dir[101], control[101];
	char **zone; /* that the configuration has */
	size_t zones;
	struct command_line line;
	uint32_t now;                    /* seconds since 1970 */
	unsigned patience_s;             /* how long to wait for the daemon */
	struct received_trusted trusted; /* our own mail servers */
};

enum tool_status { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* Before all else. When memory runs out for a table or document, the program ends and says so. */
void tool_begin(void);

/* After all else: `status`, or TOOL_FAILED when what was printed is not written whole. */
enum tool_status tool_end(enum tool_status status);

/* Say on stderr what went wrong, printable, and return TOOL_FAILED. */
enum tool_status tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All of a file, or of standard input ("-"), and a NUL; NULL after saying why. The caller's. */
char *tool_read_file(const char *file, size_t *length);

/* The same of a stream; NULL with errno, which is 0 when there is more than 1 GiB. */
char *tool_read_stream(FILE *in, size_t *length);

enum tool_daemon { TOOL_ANSWERED, TOOL_DOWN, TOOL_REFUSED };

/*
 * Ask the daemon; the words of `request` are separated by spaces. TOOL_ANSWERED: *json is the
 * document, the caller's. TOOL_REFUSED: `error` says why.
 */
enum tool_daemon tool_ask(
    const struct tool *tool, const char *request, struct json_t **json, struct text *error);

/* The same for commands that are nothing without the daemon; NULL after saying why. */
struct json_t *tool_must_ask(const struct tool *tool, const char *request);

void tool_print_json(struct json_t *json); /* one document, and lets it go */

/* A table: columns as wide as their longest cell, the last one as it is. */
#define TOOL_COLUMNS_MAX 10

struct tool_table {
	unsigned columns;
	char **cell; /* rows * columns */
	size_t rows;
};

void tool_table_begin(struct tool_table *table, unsigned columns, const char *const *titles);
void tool_table_add(struct tool_table *table, const char *const *cells); /* copies */
void tool_table_print(struct tool_table *table);                         /* and frees */
void tool_table_free(struct tool_table *table);

/*
 * Print the document, or without one the table, and let it go. When it has failed half a document
 * is none; half a table is printed, the reason is on stderr. Returns `status`.
 */
enum tool_status tool_print_listing(
    struct json_t *json, struct tool_table *table, enum tool_status status);

/* On a terminal, beyond the first second: how many of something are done, and what part of all. */
struct tool_progress {
	const char *what;
	double begun, shown;
	bool visible;
};

void tool_progress_begin(struct tool_progress *progress, const char *what);
void tool_progress(struct tool_progress *progress, uint64_t count, size_t done, size_t all);
void tool_progress_end(struct tool_progress *progress);

/* The commands. */
enum tool_status tool_run_entry(struct tool *tool); /* allow, block, score */
enum tool_status tool_run_forget(struct tool *tool);
enum tool_status tool_run_exceptions(struct tool *tool);
enum tool_status tool_run_history(struct tool *tool);
enum tool_status tool_run_import(struct tool *tool);
enum tool_status tool_run_export(struct tool *tool);
enum tool_status tool_run_import_postfix(struct tool *tool);
enum tool_status tool_run_recommend(struct tool *tool); /* spam, ham, withdraw */
enum tool_status tool_run_report(struct tool *tool);
enum tool_status tool_run_suggest(struct tool *tool);
enum tool_status tool_run_replay(struct tool *tool);

/* Add to each list of the array what it is worth; says nothing where nothing is known. */
void tool_add_worth(const struct tool *tool, struct json_t *lists);
void tool_print_worth(struct json_t *lists);

enum tool_status tool_run_case(struct tool *tool);
struct json_t *tool_recommendation_json(const struct recommendation *recommendation);
enum tool_status tool_run_learn(struct tool *tool);
enum tool_status tool_run_recommendations(struct tool *tool);
enum tool_status tool_run_reporters(struct tool *tool);
enum tool_status tool_run_check(struct tool *tool);
enum tool_status tool_run_lists(struct tool *tool);
enum tool_status tool_run_stats(struct tool *tool);
enum tool_status tool_run_flush(struct tool *tool);
enum tool_status tool_run_quarantine(struct tool *tool); /* and release */
enum tool_status tool_run_reload(struct tool *tool);
enum tool_status tool_run_doctor(struct tool *tool);

#endif

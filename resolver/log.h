/*
 * log - one line a fact; text from outside made printable
 *
 * Lines go to stderr, whole, in one write: "level: event key=value ...", or with the priorities
 * of sd-daemon(3) where JOURNAL_STREAM is set. The level and the form are the only global state.
 */
#ifndef RESOLVER_LOG_H
#define RESOLVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Before the first line, and again when the level changes. */
void log_open(enum log_level level);

/* Are lines of this level written? For those that cost something to make. Any thread. */
bool log_shows(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Keeps one kind of line from flooding: log_allowed is true at most once in `every_ms`. Each
 * limit belongs to one thread.
 */
struct log_limit {
	int64_t next_ms;
	unsigned suppressed; /* since the last line */
};

int log_allowed(struct log_limit *limit, int64_t now_ms, int64_t every_ms);

#endif

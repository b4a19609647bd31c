#include "resolver/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/text.h"

#define LINE_MAX_BYTES 2048

static _Atomic int shown = LOG_LEVEL_INFO;
static _Atomic int for_journal;

void
log_open(enum log_level level)
{
	atomic_store(&shown, (int)level);
	atomic_store(&for_journal, getenv("JOURNAL_STREAM") != NULL);
}

bool
log_shows(enum log_level level)
{
	return (int)level <= atomic_load(&shown);
}

static void write_line(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void
write_line(enum log_level level, const char *format, va_list arguments)
{
	static const char *const word[] = {"error: ", "warning: ", "info: ", "debug: "};
	static const char *const priority[] = {"<3>", "<4>", "<6>", "<7>"};
	char body[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 16];
	struct text text;

	if (!log_shows(level))
		return;
	(void)vsnprintf(body, sizeof body, format, arguments);
	text_init(&text, line, sizeof line - 1);
	text_add(&text, atomic_load(&for_journal) ? priority[level] : word[level]);
	text_add_printable(&text, body, strlen(body));
	line[text.length] = '\n';
	if (write(STDERR_FILENO, line, text.length + 1) < 0)
		return; /* there is nobody left to tell */
}

void
log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
}

void
log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_WARNING, format, arguments);
	va_end(arguments);
}

void
log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_INFO, format, arguments);
	va_end(arguments);
}

void
log_debug(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_DEBUG, format, arguments);
	va_end(arguments);
}

int
log_allowed(struct log_limit *limit, int64_t now_ms, int64_t every_ms)
{
	if (now_ms < limit->next_ms) {
		limit->suppressed++;
		return 0;
	}
	limit->next_ms = now_ms + every_ms;
	return 1;
}

#include "aggregate/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"

static void
insert(struct mistakes *mistakes, size_t at, const char *line)
{
	size_t length = strlen(line);
	char *larger = realloc(mistakes->text, mistakes->length + length + 1);

	if (larger == NULL)
		return;
	memmove(larger + at + length, larger + at, mistakes->length - at);
	memcpy(larger + at, line, length);
	mistakes->text = larger;
	mistakes->length += length;
	larger[mistakes->length] = '\0';
}

/* Where a mistake on `line` belongs, `file` printed with `length` bytes: in the order of lines. */
static size_t
place(const struct mistakes *mistakes, const char *file, size_t length, unsigned line)
{
	size_t at = mistakes->length;

	for (const char *c = mistakes->text, *next; c != NULL && *c != '\0'; c = next) {
		next = strchr(c, '\n') + 1;
		if (strncmp(c, file, length) != 0 || c[length] != ':')
			continue;
		if (c[length + 1] != ' ' && strtoul(c + length + 1, NULL, 10) > line)
			return (size_t)(c - mistakes->text);
		at = (size_t)(next - mistakes->text);
	}
	return at;
}

static bool
is_told(const struct mistakes *mistakes, const char *line)
{
	const char *found = mistakes->text == NULL ? NULL : strstr(mistakes->text, line);

	return found != NULL && (found == mistakes->text || found[-1] == '\n');
}

/* One line more, unless it is there or there are too many; `count` is of its kind. */
static void __attribute__((format(printf, 5, 0))) add_line(struct mistakes *mistakes,
    unsigned *count, const char *file, unsigned line, const char *format, va_list arguments)
{
	char said[600], printed[1024];
	struct text text;
	size_t length;

	if (*count > MISTAKES_MAX) {
		++*count;
		return;
	}
	(void)vsnprintf(said, sizeof said, format, arguments);
	text_init(&text, printed, sizeof printed - 1);
	text_add_printable(&text, file, strlen(file));
	length = text.length;
	if (line > 0)
		text_add_format(&text, ":%u", line);
	text_add(&text, count == &mistakes->warnings ? ": warning: " : ": ");
	text_add_printable(&text, said, strlen(said));
	printed[text.length] = '\n';
	printed[text.length + 1] = '\0';
	if (is_told(mistakes, printed))
		return;
	if (++*count <= MISTAKES_MAX)
		insert(mistakes, place(mistakes, printed, length, line), printed);
	else
		insert(mistakes, mistakes->length,
		    count == &mistakes->warnings ? "... and more warnings\n" : "... and more\n");
}

void
mistakes_add(struct mistakes *mistakes, const char *file, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_line(mistakes, &mistakes->count, file, line, format, arguments);
	va_end(arguments);
}

void
mistakes_warn(struct mistakes *mistakes, const char *file, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_line(mistakes, &mistakes->warnings, file, line, format, arguments);
	va_end(arguments);
}

void
mistakes_free(struct mistakes *mistakes)
{
	free(mistakes->text);
	*mistakes = (struct mistakes){0};
}

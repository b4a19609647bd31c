#include "aggregate/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"

static void
append(struct mistakes *mistakes, const char *line)
{
	size_t length = strlen(line);
	char *larger = realloc(mistakes->text, mistakes->length + length + 1);

	if (larger == NULL)
		return;
	memcpy(larger + mistakes->length, line, length + 1);
	mistakes->text = larger;
	mistakes->length += length;
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

	if (*count > MISTAKES_MAX) {
		++*count;
		return;
	}
	(void)vsnprintf(said, sizeof said, format, arguments);
	text_init(&text, printed, sizeof printed - 1);
	text_add_printable(&text, file, strlen(file));
	if (line > 0)
		text_add_format(&text, ":%u", line);
	text_add(&text, count == &mistakes->warnings ? ": warning: " : ": ");
	text_add_printable(&text, said, strlen(said));
	printed[text.length] = '\n';
	printed[text.length + 1] = '\0';
	if (is_told(mistakes, printed))
		return;
	if (++*count <= MISTAKES_MAX)
		append(mistakes, printed);
	else
		append(mistakes,
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

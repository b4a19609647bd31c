#include "aggregate/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"

#define MISTAKES_MAX 200

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

void
mistakes_add(struct mistakes *mistakes, const char *file, unsigned line, const char *format, ...)
{
	char said[600], printed[1024];
	struct text text;
	va_list arguments;

	if (mistakes->count >= MISTAKES_MAX) {
		mistakes->count++;
		return;
	}
	va_start(arguments, format);
	(void)vsnprintf(said, sizeof said, format, arguments);
	va_end(arguments);
	text_init(&text, printed, sizeof printed - 1);
	text_add_printable(&text, file, strlen(file));
	if (line > 0)
		text_add_format(&text, ":%u", line);
	text_add(&text, ": ");
	text_add_printable(&text, said, strlen(said));
	printed[text.length] = '\n';
	printed[text.length + 1] = '\0';
	if (is_told(mistakes, printed))
		return;
	mistakes->count++;
	append(mistakes, printed);
}

void
mistakes_free(struct mistakes *mistakes)
{
	free(mistakes->text);
	*mistakes = (struct mistakes){0};
}

#include "aggregate/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
text_init(struct text *text, char *buffer, size_t size)
{
	text->start = buffer;
	text->size = size;
	text->length = 0;
	text->cut = false;
	buffer[0] = '\0';
}

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	size_t room = text->size - 1 - text->length;

	if (length > room) {
		length = room;
		text->cut = true;
	}
	memcpy(text->start + text->length, bytes, length);
	text->length += length;
	text->start[text->length] = '\0';
}

void
text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void
text_add_format(struct text *text, const char *format, ...)
{
	size_t room = text->size - text->length;
	va_list arguments;
	int wanted;

	va_start(arguments, format);
	wanted = vsnprintf(text->start + text->length, room, format, arguments);
	va_end(arguments);
	if (wanted < 0) {
		text->start[text->length] = '\0';
		return;
	}
	if ((size_t)wanted >= room) {
		text->cut = true;
		text->length = text->size - 1;
	} else {
		text->length += (size_t)wanted;
	}
}

void
text_add_printable(struct text *text, const void *bytes, size_t length)
{
	char *added = text->start + text->length, *end;

	text_add_bytes(text, bytes, length);
	end = text->start + text->length;
	for (; added < end; added++)
		if (*added < 0x20 || *added > 0x7e)
			*added = '?';
}

void
text_add_number(struct text *text, uint32_t number)
{
	char digits[10];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	text_add_bytes(text, digits + at, sizeof digits - at);
}

bool
text_read_number(const char **cursor, uint32_t max, uint32_t *number)
{
	const char *digit = *cursor;
	uint64_t value = 0;

	if (*digit < '0' || *digit > '9')
		return false;
	if (digit[0] == '0' && digit[1] >= '0' && digit[1] <= '9')
		return false;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
		if (value > max)
			return false;
	}
	*cursor = digit;
	*number = (uint32_t)value;
	return true;
}

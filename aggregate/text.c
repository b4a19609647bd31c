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
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < length; i++) {
		char c = byte[i] >= 0x20 && byte[i] <= 0x7e ? (char)byte[i] : '?';

		text_add_bytes(text, &c, 1);
	}
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

/*
 * text - build a bounded string that is always terminated
 *
 * The caller owns the buffer. What does not fit is left out and `cut` is set; nothing ever
 * fails. Text from outside goes through text_add_printable before it meets a log, a reply or a
 * terminal.
 */
#ifndef AGGREGATE_TEXT_H
#define AGGREGATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *start;
	size_t size;   /* of the buffer, at least 1 */
	size_t length; /* < size; start[length] is NUL */
	bool cut;      /* something did not fit */
};

void text_init(struct text *text, char *buffer, size_t size);
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_number(struct text *text, uint32_t number); /* decimal */
void text_add_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes outside 0x20..0x7e become '?'. */
void text_add_printable(struct text *text, const void *bytes, size_t length);

/*
 * Read a decimal number of 0..max at *cursor and step over it. False, with *cursor unmoved, if
 * there is no digit, a leading zero before another digit, or more than max.
 */
bool text_read_number(const char **cursor, uint32_t max, uint32_t *number);

#endif

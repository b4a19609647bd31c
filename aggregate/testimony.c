#include "aggregate/testimony.h"

#include <string.h>

#include "aggregate/subject.h"

void
testimony_add(struct text *text, const struct testimony *testimony)
{
	char printed[NAME_TEXT_MAX + 2 + EVIDENCE_ANSWERS_MAX * 16];
	struct text one;

	text_init(&one, printed, sizeof printed);
	text_add_format(&one, "%s%s=", text->length > 0 ? " " : "", testimony->list);
	if (testimony->state != TESTIMONY_ANSWERS)
		text_add(&one, testimony->state == TESTIMONY_CLEAR ? "clear" : "unknown");
	for (uint32_t i = 0; testimony->state == TESTIMONY_ANSWERS && i < testimony->answers.count;
	     i++) {
		uint32_t a = testimony->answers.address[i];

		text_add_format(&one, "%s%u.%u.%u.%u", i > 0 ? "," : "", a >> 24, a >> 16 & 255,
		    a >> 8 & 255, a & 255);
	}
	if (!one.cut && one.length < text->size - text->length)
		text_add(text, printed);
}

static bool
read_answers(const char *word, size_t length, struct answers *answers)
{
	answers->count = 0;
	while (length > 0) {
		const char *comma = memchr(word, ',', length);
		size_t each = comma == NULL ? length : (size_t)(comma - word);
		struct subject subject;
		char address[16] = "";

		if (each >= sizeof address)
			return false;
		memcpy(address, word, each);
		if (!subject_parse(address, &subject) || subject.family != SUBJECT_IPV4 ||
		    !answers_add(answers, (uint32_t)subject.octet[0] << 24 |
					      (uint32_t)subject.octet[1] << 16 |
					      (uint32_t)subject.octet[2] << 8 | subject.octet[3]))
			return false;
		each += comma != NULL;
		word += each;
		length -= each;
	}
	return answers->count > 0;
}

static bool
is_word(const char *word, size_t length, const char *what)
{
	return strlen(what) == length && memcmp(word, what, length) == 0;
}

bool
testimony_next(const char **cursor, struct testimony *testimony)
{
	const char *start = *cursor, *equals, *value;
	size_t length = strcspn(start, " "), name, rest;

	equals = memchr(start, '=', length);
	name = equals == NULL ? 0 : (size_t)(equals - start);
	if (name == 0 || name > NAME_TEXT_MAX)
		return false;
	memcpy(testimony->list, start, name);
	testimony->list[name] = '\0';
	value = equals + 1;
	rest = length - name - 1;
	testimony->state = TESTIMONY_ANSWERS;
	if (is_word(value, rest, "clear"))
		testimony->state = TESTIMONY_CLEAR;
	else if (is_word(value, rest, "unknown"))
		testimony->state = TESTIMONY_UNKNOWN;
	else if (!read_answers(value, rest, &testimony->answers))
		return false;
	*cursor = start + length + (start[length] == ' ');
	return true;
}

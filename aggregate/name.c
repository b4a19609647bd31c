#include "aggregate/name.h"

#include <string.h>

#define KEY_LABEL 20

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
allowed(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
name_fold(const char *text, char folded[NAME_TEXT_MAX + 1])
{
	size_t length = strlen(text), label = 0;

	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > NAME_TEXT_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = fold(text[i]);

		label = c == '.' ? 0 : label + 1;
		if (label > 63 || (c != '.' && !allowed(c)))
			return false;
		if (c == '.' && (i == 0 || text[i - 1] == '.' || i == length - 1))
			return false;
		folded[i] = c;
	}
	folded[length] = '\0';
	return true;
}

size_t
name_to_wire(const char *folded, uint8_t wire[NAME_WIRE_MAX])
{
	size_t at = 0;

	while (*folded != '\0') {
		size_t label = strcspn(folded, ".");

		wire[at++] = (uint8_t)label;
		memcpy(wire + at, folded, label);
		at += label;
		folded += label;
		if (*folded == '.')
			folded++;
	}
	wire[at++] = 0;
	return at;
}

bool
name_is_under(const char *name, const char *ancestor)
{
	size_t length = strlen(name), tail = strlen(ancestor);

	if (length < tail || strcmp(name + length - tail, ancestor) != 0)
		return false;
	return length == tail || name[length - tail - 1] == '.';
}

const char *
name_behind_key(const char *name)
{
	size_t length = strcspn(name, "."),
	       alphanumeric = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789"),
	       letters = strcspn(name, "0123456789");

	if (length < KEY_LABEL || alphanumeric != length || letters >= length ||
	    strchr(name, '.') == strrchr(name, '.'))
		return NULL;
	return name + length + 1;
}

bool
name_same(const uint8_t *name, const uint8_t *lower, size_t length)
{
	for (size_t at = 0; at < length; at += 8) {
		size_t here = length - at < 8 ? length - at : 8;
		uint64_t one = 0, other = 0;

		memcpy(&one, name + at, here);
		memcpy(&other, lower + at, here);
		if (name_fold_eight(one) != other)
			return false;
	}
	return true;
}

/*
 * Lines of an import: exchange_read in the format that the first byte chooses; and what was read
 * must come out of the export and in again as it was.
 */
#include "aggregate/exchange.h"
#include "tests/fuzz/fuzz.h"

struct taken {
	unsigned count;
	struct exception_entry entry;
};

static bool
take(void *context, const struct exception_entry *entry)
{
	struct taken *taken = context;

	fuzz_check(entry->prefix.length <= (entry->prefix.base.family == SUBJECT_IPV4 ? 32u : 128u),
	    "a prefix that is too long");
	fuzz_check(
	    prefix_covers(&entry->prefix, &entry->prefix.base), "a prefix that is not in itself");
	fuzz_check(entry->action <= EXCEPTION_FORGET, "an action that there is not");
	fuzz_check(strlen(entry->zone) <= NAME_TEXT_MAX, "a zone that is too long");
	taken->entry = *entry;
	taken->count++;
	return taken->count < 600;
}

static bool
is_same(const struct exception_entry *a, const struct exception_entry *b)
{
	return subject_equal(&a->prefix.base, &b->prefix.base) &&
	       a->prefix.length == b->prefix.length && a->action == b->action &&
	       a->score == b->score && a->until == b->until && a->added == b->added &&
	       strcmp(a->zone, b->zone) == 0 && strcmp(a->author, b->author) == 0 &&
	       strcmp(a->reason, b->reason) == 0;
}

static void
check_round(const struct exception_entry *entry)
{
	static const struct exception_entry none;
	char line[EXCHANGE_LINE_MAX * 2], said[400];
	struct text text, error;
	struct taken again = {0};

	text_init(&text, line, sizeof line);
	text_init(&error, said, sizeof said);
	exchange_print(EXCHANGE_TALLY, entry, &text);
	fuzz_check(text.length > 0 && text.length < EXCHANGE_LINE_MAX, "a line that can't be read");
	for (size_t i = 0; i < text.length; i++)
		fuzz_check(line[i] >= ' ' && line[i] < 127, "a byte that is not printable");
	fuzz_check(exchange_read(EXCHANGE_TALLY, line, &none, take, &again, &error), said);
	fuzz_check(
	    again.count == 1 && is_same(entry, &again.entry), "an entry that changes in print");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct exception_entry given = {
	    .action = EXCEPTION_BLOCK, .zone = "bl.example", .author = "who", .added = 1700000000};
	char line[EXCHANGE_LINE_MAX], said[400];
	struct taken taken = {0};
	struct text error;

	if (length < 1 || length > sizeof line || memchr(bytes + 1, '\0', length - 1) != NULL)
		return 0;
	memcpy(line, bytes + 1, length - 1);
	line[length - 1] = '\0';
	text_init(&error, said, sizeof said);
	if (!exchange_read(
		(enum exchange_format)(bytes[0] & 3), line, &given, take, &taken, &error))
		return 0;
	if (taken.count > 0)
		check_round(&taken.entry);
	return 0;
}

/*
 * One site in postscreen's syntax: a site that is understood, written out again, means the same;
 * one that is not gets a sentence.
 */
#include "aggregate/site.h"
#include "tests/fuzz/fuzz.h"

static void
write_octet(const uint64_t octet[4], struct text *text)
{
	const char *separator = "[";

	for (unsigned d = 0; d < 256; d++)
		if (octet[d / 64] >> d % 64 & 1) {
			text_add_format(text, "%s%u", separator, d);
			separator = ";";
		}
	text_add(text, "]");
}

static void
write_site(const struct site *site, struct text *text)
{
	text_add(text, site->list);
	for (unsigned i = 0; site->filtered && i < 4; i++) {
		text_add(text, i == 0 ? "=" : ".");
		write_octet(site->filter.octet[i], text);
	}
	text_add_format(text, "*%d%s", site->weight, site->neutral ? "!" : "");
}

static void
check_site(const struct site *site)
{
	char again[5000], said[300];
	struct text text, error;
	struct site copy;

	fuzz_check(site->weight >= -SITE_WEIGHT_MAX && site->weight <= SITE_WEIGHT_MAX,
	    "a weight out of bounds");
	fuzz_check(!site->neutral || site->weight == 0, "a neutral site with a weight");
	text_init(&text, again, sizeof again);
	text_init(&error, said, sizeof said);
	write_site(site, &text);
	fuzz_check(!text.cut, "a site that can't be written");
	fuzz_check(site_parse(again, &copy, &error), "a site that is not understood again");
	fuzz_check(
	    strcmp(copy.list, site->list) == 0 && copy.weight == site->weight &&
		copy.neutral == site->neutral && copy.filtered == site->filtered &&
		(!site->filtered || memcmp(&copy.filter, &site->filter, sizeof copy.filter) == 0),
	    "a site that means something else when written out");
}

static void
check_error(const struct text *error)
{
	fuzz_check(error->length > 0, "a mistake without a sentence");
	for (size_t i = 0; i < error->length; i++)
		fuzz_check(error->start[i] >= 0x20 && error->start[i] <= 0x7e,
		    "a sentence that is not printable");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *string = malloc(length + 1), said[300];
	struct text error;
	struct site site;
	struct pattern pattern;

	fuzz_check(string != NULL, "no memory");
	memcpy(string, bytes, length);
	string[length] = '\0';
	text_init(&error, said, sizeof said);
	if (site_parse(string, &site, &error))
		check_site(&site);
	else
		check_error(&error);
	text_init(&error, said, sizeof said);
	if (!pattern_parse(string, &pattern, &error))
		check_error(&error);
	free(string);
	return 0;
}

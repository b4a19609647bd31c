/*
 * Keys and values of the store's file, as if their checksums were right: what is unpacked must be
 * an entry in bounds, and packed again the same bytes.
 */
#include "aggregate/store.c"
#include "tests/fuzz/fuzz.h"

static void
check_key(const uint8_t *bytes, size_t length)
{
	struct exception_entry entry = {0};
	struct bytes packed;

	if (!unpack_key(bytes, length, &entry))
		return;
	fuzz_check(entry.prefix.length <= (entry.prefix.base.family == SUBJECT_IPV4 ? 32u : 128u),
	    "a prefix that is too long");
	if (strlen(entry.zone) != length - 18)
		return; /* a NUL in the zone: it names no zone, and matches none */
	pack_key(entry.zone, &entry.prefix, &packed);
	fuzz_check(
	    packed.length == length && memcmp(packed.byte, bytes, length) == 0, "another key");
}

static void
check_value(const uint8_t *bytes, size_t length)
{
	struct exception_entry entry = {0};
	struct bytes packed;

	if (!unpack_value(bytes, length, &entry))
		return;
	fuzz_check(entry.action <= EXCEPTION_FORGET, "an action that there is not");
	fuzz_check(strlen(entry.author) <= EXCEPTION_AUTHOR_MAX, "an author that is too long");
	fuzz_check(strlen(entry.reason) <= EXCEPTION_REASON_MAX, "a reason that is too long");
	if (14 + 2 + strlen(entry.author) + strlen(entry.reason) != length)
		return; /* a NUL in a string ends it */
	pack_value(&entry, &packed);
	fuzz_check(
	    packed.length == length && memcmp(packed.byte, bytes, length) == 0, "another value");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	check_key(bytes, length);
	check_value(bytes, length);
	return 0;
}

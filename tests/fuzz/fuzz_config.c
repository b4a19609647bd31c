/*
 * A configuration file: either a configuration whose numbers are in their bounds, or mistakes, one
 * printable line each. The file lies in a directory of its own, so that it can include only itself.
 */
#include <fcntl.h>
#include <unistd.h>

#include "aggregate/config.h"
#include "tests/fuzz/fuzz.h"

/*
 * libconfuse forgets the words of an include() in which it meets a syntax error: some bytes for
 * each refused file. It is asked by the sanitizer; without one nobody calls it.
 */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfuse\n";
}

static void
check_zone(const struct policy *policy, const struct policy_zone *zone)
{
	size_t offset;

	fuzz_check(zone->grades > 0 && zone->lists > 0 && zone->sites >= zone->lists,
	    "a zone without grades or sites");
	fuzz_check(zone->max_ttl >= 1 && zone->max_ttl <= 86400 && zone->negative_ttl >= 1 &&
		       zone->negative_ttl <= 86400,
	    "a TTL of a zone out of bounds");
	for (size_t i = 0; i < zone->grades; i++)
		fuzz_check(zone->grade[i].address >> 24 == 127 &&
			       (i == 0 || zone->grade[i - 1].score < zone->grade[i].score),
		    "grades that are not in order");
	for (size_t i = 0; i < zone->lists; i++)
		fuzz_check(zone->list[i].low <= 0 && zone->list[i].high >= 0, "no interval");
	fuzz_check(policy_zone_of_name(policy, zone->wire, zone->wire_length, &offset) == zone &&
		       offset == 0,
	    "a zone that is not found");
}

static void
check_list(const struct policy_list *list)
{
	fuzz_check(list->min_ttl >= 1 && list->min_ttl <= list->max_ttl &&
		       list->max_ttl <= 604800 && list->timeout_ms >= 1,
	    "an option of a list out of bounds");
	fuzz_check(!list->used || list->families != 0, "a list of no family");
}

static void
check_config(const struct config *config)
{
	const struct policy *policy = config->policy;

	fuzz_check(config->listens > 0 && policy->zones > 0, "nothing to listen on or to answer");
	for (size_t i = 0; i < policy->zones; i++)
		check_zone(policy, policy->zone[i]);
	for (size_t i = 0; i < policy->lists; i++)
		check_list(policy->list[i]);
}

static void
check_mistakes(const struct mistakes *mistakes)
{
	unsigned lines = 0;

	fuzz_check(mistakes->count > 0, "no configuration, and no mistake");
	for (size_t i = 0; i < mistakes->length; i++) {
		unsigned char c = (unsigned char)mistakes->text[i];

		fuzz_check(c == '\n' || (c >= 0x20 && c <= 0x7e), "a mistake not printable");
		lines += c == '\n';
	}
	fuzz_check(lines > 0 && lines <= mistakes->count + mistakes->warnings + 1,
	    "a mistake of several lines");
}

static char directory[] = "/tmp/fuzz_config.XXXXXX", path[sizeof directory + 20];

static void
remove_directory(void)
{
	(void)unlink(path);
	(void)rmdir(directory);
}

static void
write_file(const uint8_t *bytes, size_t length)
{
	int fd;

	if (path[0] == '\0') {
		fuzz_check(mkdtemp(directory) != NULL, "no directory");
		(void)snprintf(path, sizeof path, "%s/tallyd.conf", directory);
		atexit(remove_directory);
	}
	(void)unlink(path); /* ext4 writes one to disk that is cut and filled again */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	fuzz_check(fd >= 0, "no file");
	fuzz_check(write(fd, bytes, length) == (ssize_t)length, "no room");
	close(fd);
}

/* A path elsewhere would make what happens depend on the machine. */
static int
leads_elsewhere(const uint8_t *bytes, size_t length)
{
	return memmem(bytes, length, "include", 7) != NULL &&
	       (memchr(bytes, '/', length) != NULL || memchr(bytes, '\\', length) != NULL ||
		   memchr(bytes, '$', length) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct mistakes mistakes = {0};
	struct evidence_book *book;
	struct config *config;

	if (leads_elsewhere(bytes, length))
		return 0;
	book = evidence_book_open();
	fuzz_check(book != NULL, "no memory");
	write_file(bytes, length);
	config = config_read(path, book, &mistakes);
	if (config != NULL) {
		fuzz_check(mistakes.count == 0, "a configuration with mistakes");
		fuzz_check((mistakes.text != NULL) == (mistakes.warnings > 0),
		    "a warning that is not told");
		check_config(config);
	} else {
		check_mistakes(&mistakes);
	}
	config_close(config);
	mistakes_free(&mistakes);
	evidence_book_close(book);
	return 0;
}

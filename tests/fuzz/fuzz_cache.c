/*
 * Operations on the cache, four bytes each, against a model that is a plain array: so few subjects
 * that nothing has to be pushed out, so what was put is found, and exactly that.
 */
#include "aggregate/cache.h"
#include "tests/fuzz/fuzz.h"

#define SUBJECTS 16
#define LISTS 30 /* three lines of an IPv4 subject, four of an IPv6 one */
#define STALE 7200

struct model {
	struct evidence evidence[SUBJECTS][LISTS];
};

static struct subject
make_subject(unsigned number)
{
	struct subject subject = {.family = number & 1 ? SUBJECT_IPV6 : SUBJECT_IPV4};

	subject.octet[0] = 198;
	subject.octet[3] = (uint8_t)number;
	return subject;
}

/* What must be found of a list, when it may have expired `stale` seconds ago. */
static uint16_t
known(const struct evidence *evidence, uint32_t now, uint32_t stale)
{
	if (evidence->said == EVIDENCE_NONE || evidence->expires + stale <= now)
		return EVIDENCE_NONE;
	return evidence->said;
}

static void
check_find(struct cache *cache, const struct model *model, unsigned subject, uint32_t now)
{
	struct subject who = make_subject(subject);
	struct evidence found[LISTS];

	cache_find(cache, &who, LISTS, now, found);
	for (unsigned list = 0; list < LISTS; list++) {
		const struct evidence *wanted = &model->evidence[subject][list];

		fuzz_check(
		    found[list].said == known(wanted, now, 0), "other evidence than was put");
		if (found[list].said != EVIDENCE_NONE)
			fuzz_check(
			    found[list].expires == wanted->expires, "it expires at another time");
	}
}

static void
check_old(struct cache *cache, const struct model *model, unsigned subject, uint32_t now)
{
	struct subject who = make_subject(subject);
	struct evidence found[LISTS];

	cache_find_old(cache, &who, LISTS, now, STALE, found);
	for (unsigned list = 0; list < LISTS; list++)
		if (found[list].said != EVIDENCE_NONE) {
			const struct evidence *wanted = &model->evidence[subject][list];

			fuzz_check(
			    found[list].said == wanted->said, "other old evidence than was put");
			fuzz_check(evidence_is_answer(found[list].said), "an old failure");
			fuzz_check(wanted->expires <= now && wanted->expires + STALE >= now,
			    "not old, or too old");
		}
}

/* What is known to be clear at a glance is. */
static void
check_clear(struct cache *cache, const struct model *model, unsigned subject, unsigned list,
    unsigned count, uint32_t until)
{
	struct subject who = make_subject(subject);
	struct cache_spot spot = cache_aim(cache, &who, LISTS);
	uint64_t lists[CACHE_BITS] = {0};
	bool clear = true;

	for (unsigned i = 0; i < count; i++) {
		const struct evidence *wanted = &model->evidence[subject][(list + i) % LISTS];

		bits_set(lists, (list + i) % LISTS);
		clear = clear && wanted->said == EVIDENCE_CLEAR && wanted->expires >= until;
	}
	cache_approach(cache, &who, LISTS, &spot);
	fuzz_check(!cache_is_clear_at(cache, &who, &spot, lists, LISTS, until) || clear,
	    "it is not clear");
}

static void
put(struct cache *cache, struct model *model, const uint8_t *step, uint32_t now)
{
	unsigned subject = step[1] % SUBJECTS, list = step[2] % LISTS;
	struct subject who = make_subject(subject);
	struct evidence *kept = &model->evidence[subject][list];
	struct evidence new = {.said = (uint16_t)(1 + step[3] % 40),
	    .expires = now + 1 + (step[1] / SUBJECTS) * 397u + step[3]};

	if (evidence_is_answer(new.said) || step[0] & 0x80) {
		cache_put(cache, &who, list, now, new);
		*kept = new;
		return;
	}
	if (cache_put_failure(cache, &who, list, now, new, STALE))
		*kept = new;
	else
		fuzz_check(evidence_is_answer(kept->said) && kept->expires + STALE >= now,
		    "a failure gave way to nothing");
}

static void
drop(struct cache *cache, struct model *model, const uint8_t *step)
{
	unsigned subject = step[1] % SUBJECTS;
	struct subject who = make_subject(subject);

	if (step[2] == 0xff) {
		for (size_t at = 0; !cache_clear(cache, 0, &at, 1000);)
			;
		memset(model, 0, sizeof *model);
	} else {
		cache_drop(cache, &who);
		memset(model->evidence[subject], 0, sizeof model->evidence[subject]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const uint64_t key[2] = {1, 2};
	static struct cache *cache;
	static uint32_t now = 1000;
	static struct model model;

	if (cache == NULL)
		cache = cache_open(1, 1, key);
	fuzz_check(cache != NULL, "no memory");
	for (unsigned i = 0; i < SUBJECTS; i++) {
		struct subject who = make_subject(i);

		cache_drop(cache, &who);
	}
	memset(&model, 0, sizeof model);
	for (; length >= 4; length -= 4, bytes += 4) {
		switch (bytes[0] & 7) {
		case 0:
			now += bytes[1] * 13u;
			break;
		case 1:
			drop(cache, &model, bytes);
			break;
		case 2:
			check_old(cache, &model, bytes[1] % SUBJECTS, now);
			break;
		default:
			put(cache, &model, bytes, now);
		}
		check_find(cache, &model, bytes[1] % SUBJECTS, now);
		check_clear(cache, &model, bytes[1] % SUBJECTS, bytes[2] % LISTS, 1 + bytes[3] % 16,
		    now + 1 + (bytes[0] & 0x78) * 4);
	}
	now = now > 1u << 30 ? 1000 : now;
	return 0;
}

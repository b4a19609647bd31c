/*
 * A reader of the cache beside its writer, in every order that C11's memory model allows, whatever
 * this machine's processor does: the cache's atomic loads and stores are taken over by a model.
 *
 * The writer goes first and alone; each of its stores is noted. Then the reader runs, again and
 * again: where it may read one of several stores, the model tries each of them in turn. It may
 * read a store to the same place that is not older than the last that it knows of or has read. By
 * an acquire (of a load, or of a fence after it) of a store that was released (or stands behind a
 * release fence) it comes to know of all stores before that. So no thread is needed, every order is
 * tried, and each acquire, release and check that the cache could do without would show here.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

/* --- the model ---------------------------------------------------------------------------- */

#define PLACES 40
#define STORES 20 /* to one place */
#define CHOICES 22

struct place_of_stores {
	const volatile void *at;
	unsigned count, read; /* read: the last that the reader has read */
	struct {
		uint64_t value;
		unsigned when, released; /* who acquires it knows of all stores up to `released` */
	} store[STORES];
};

enum ordering { LOAD_ACQUIRE, STORE_RELEASE, FENCE_ACQUIRE, FENCE_RELEASE, ORDERINGS };

static struct {
	enum { PLAIN, WRITER, READER } who;
	struct place_of_stores place[PLACES];
	unsigned places, stores, fenced; /* of the writer; fenced: what its last fence released */
	unsigned known, pending;         /* of the reader; pending: known after its next fence */
	unsigned chosen[CHOICES], of[CHOICES], choices, choice;
	unsigned weak, used; /* bits by enum ordering: have no effect; were there */
} model;

static bool
takes_effect(enum ordering ordering)
{
	model.used |= 1u << ordering;
	return (model.weak >> ordering & 1) == 0;
}

/* 0..of-1, each in turn over the runs; after too many choices the last, so that spinning ends. */
static unsigned
choose(unsigned of)
{
	if (of == 1)
		return 0;
	if (model.choice == CHOICES)
		return of - 1;
	if (model.choice == model.choices)
		model.chosen[model.choices++] = 0;
	model.of[model.choice] = of;
	return model.chosen[model.choice++];
}

/* On to the next run of the reader; false when every choice was made. */
static bool
choose_otherwise(void)
{
	while (
	    model.choices > 0 && model.chosen[model.choices - 1] + 1 == model.of[model.choices - 1])
		model.choices--;
	if (model.choices == 0)
		return false;
	model.chosen[model.choices - 1]++;
	return true;
}

static void
reader_begins(void)
{
	model.who = READER;
	model.known = model.pending = model.choice = 0;
	for (unsigned i = 0; i < model.places; i++)
		model.place[i].read = 0;
}

static struct place_of_stores *
find_stores(const volatile void *at)
{
	for (unsigned i = 0; i < model.places; i++)
		if (model.place[i].at == at)
			return &model.place[i];
	return NULL;
}

/* The store to read: never one that says the same as the one before it and releases more. */
static unsigned
choose_store(const struct place_of_stores *place)
{
	unsigned may[STORES], count = 0, first = place->read;

	while (first + 1 < place->count && place->store[first + 1].when <= model.known)
		first++;
	for (unsigned i = first; i < place->count; i++)
		if (i == first || place->store[i].value != place->store[i - 1].value)
			may[count++] = i;
	return may[choose(count)];
}

static uint64_t
model_load(const volatile void *at, uint64_t now, memory_order order)
{
	struct place_of_stores *place = find_stores(at);
	unsigned released;

	if (model.who != READER || place == NULL)
		return now;
	place->read = choose_store(place);
	released = place->store[place->read].released;
	if (released > model.pending)
		model.pending = released;
	if (order == memory_order_acquire && takes_effect(LOAD_ACQUIRE) && released > model.known)
		model.known = released;
	return place->store[place->read].value;
}

static void
model_store(const volatile void *at, uint64_t before, uint64_t value, memory_order order)
{
	struct place_of_stores *place = find_stores(at);

	if (model.who != WRITER)
		return;
	if (place == NULL) {
		assert_true(model.places < PLACES);
		place = &model.place[model.places++];
		*place =
		    (struct place_of_stores){.at = at, .count = 1, .store = {{.value = before}}};
	}
	assert_true(place->count < STORES);
	place->store[place->count].value = value;
	place->store[place->count].when = ++model.stores;
	place->store[place->count++].released =
	    order == memory_order_release && takes_effect(STORE_RELEASE) ? model.stores
									 : model.fenced;
}

static void
model_fence(memory_order order)
{
	if (order == memory_order_acquire && takes_effect(FENCE_ACQUIRE))
		model.known = model.pending > model.known ? model.pending : model.known;
	if (order == memory_order_release && takes_effect(FENCE_RELEASE))
		model.fenced = model.stores;
}

static inline uint64_t
load_u64(const _Atomic uint64_t *at, memory_order order)
{
	return model_load(at, *at, order);
}

static inline void
store_u64(_Atomic uint64_t *at, uint64_t value, memory_order order)
{
	model_store(at, *at, value, order);
	*at = value;
}

/* which lines were read lately is not part of what is read */
static inline uint16_t
load_u16(const _Atomic uint16_t *at, memory_order order)
{
	(void)order;
	return *at;
}

static inline void
store_u16(_Atomic uint16_t *at, uint32_t value, memory_order order)
{
	(void)order;
	*at = (uint16_t)value;
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_thread_fence
/* clang-format off */
#define atomic_load_explicit(at, order) _Generic((at), \
	_Atomic uint64_t *: load_u64, const _Atomic uint64_t *: load_u64, \
	_Atomic uint16_t *: load_u16)(at, order)
#define atomic_store_explicit(at, value, order) _Generic((at), \
	_Atomic uint64_t *: store_u64, _Atomic uint16_t *: store_u16)(at, value, order)
/* clang-format on */
#define atomic_thread_fence(order) model_fence(order)

#include "aggregate/cache_sets.c"
#include "aggregate/line.c"

#include "aggregate/cache.c"

/* --- what a writer does, and what a reader may see of it ---------------------------------- */

#define LISTS 12
#define ONE_SET 512 /* with as many writers 1 MiB has one set for each */
#define SET 5

struct seen {
	struct evidence evidence[LISTS];
};

struct scene {
	struct cache *cache;
	struct subject subject;              /* that the reader looks for */
	struct seen before, after;           /* what is known of it */
	unsigned older, newer, torn, misses; /* how often the reader saw what */
};

static struct seen
look(const struct scene *scene)
{
	struct seen seen;

	cache_find(scene->cache, &scene->subject, LISTS, 0, seen.evidence);
	return seen;
}

static bool
same(const struct seen *one, const struct seen *two)
{
	for (unsigned i = 0; i < LISTS; i++)
		if (one->evidence[i].said != two->evidence[i].said ||
		    (one->evidence[i].said != EVIDENCE_NONE &&
			one->evidence[i].expires != two->evidence[i].expires))
			return false;
	return true;
}

static void
put(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now, uint16_t said,
    uint32_t expires)
{
	cache_put(cache, subject, list, now, (struct evidence){.said = said, .expires = expires});
}

/* The next subject, by its last four octets, whose line is in the set. */
static void
next_in_set(const struct cache *cache, struct subject *subject)
{
	uint8_t *last = subject->octet + (subject->family == SUBJECT_IPV4 ? 0 : 12);

	do {
		for (unsigned i = 4; i-- > 0 && ++last[i] == 0;)
			continue;
	} while (cache_writer(cache, subject) != SET);
}

/* The set is full of lines with all words in use; that of the subject expires first. */
static void
open_scene(struct scene *scene, unsigned weak)
{
	static const uint64_t key[2] = {1, 2};
	struct subject subject = {.family = SUBJECT_IPV4, .octet = {10}};

	memset(scene, 0, sizeof *scene);
	memset(&model, 0, sizeof model);
	model.weak = weak;
	scene->cache = cache_open(1, ONE_SET, key);
	assert_non_null(scene->cache);
	for (unsigned way = 0; way < CACHE_WAYS; way++) {
		next_in_set(scene->cache, &subject);
		if (way == 3)
			scene->subject = subject;
		for (unsigned list = 0; list < LISTS; list++)
			put(scene->cache, &subject, list, 0, (uint16_t)(20 + list),
			    way == 3 ? 1000 + list : 2000);
	}
}

/* The writer puts the evidence of one list; the reader looks, before and after and beside that. */
static void
play(struct scene *scene, const struct subject *subject, uint32_t now, uint32_t expires)
{
	scene->before = look(scene);
	model.who = WRITER;
	put(scene->cache, subject, 1, now, 99, expires);
	model.who = PLAIN;
	scene->after = look(scene);
	do {
		struct seen seen, nothing = {0};

		reader_begins();
		seen = look(scene);
		if (same(&seen, &scene->before))
			scene->older++;
		else if (same(&seen, &scene->after))
			scene->newer++;
		else if (same(&seen, &nothing))
			scene->misses++;
		else
			scene->torn++;
	} while (scene->torn == 0 && choose_otherwise());
	model.who = PLAIN;
	cache_close(scene->cache);
}

/* The subject's line counts anew: its base and all its words change. */
static void
count_anew(struct scene *scene, unsigned weak)
{
	open_scene(scene, weak);
	play(scene, &scene->subject, 100, 100 + LINE_SPAN);
}

/* Another subject takes the line over: the reader looks for the one that is pushed out, */
static void
push_out(struct scene *scene, unsigned weak)
{
	struct subject other;

	open_scene(scene, weak);
	other = scene->subject;
	other.octet[0] = 172;
	next_in_set(scene->cache, &other);
	play(scene, &other, 1500, 3000);
}

/* or for the one that comes, */
static void
push_in(struct scene *scene, unsigned weak)
{
	struct subject other;

	open_scene(scene, weak);
	scene->subject.octet[0] = 172;
	next_in_set(scene->cache, &scene->subject);
	other = scene->subject;
	play(scene, &other, 1500, 3000);
}

/* or for one whose address is the first words of the other's. */
static void
push_out_by_ipv6(struct scene *scene, unsigned weak)
{
	struct subject other;

	open_scene(scene, weak);
	other = scene->subject;
	other.family = SUBJECT_IPV6;
	next_in_set(scene->cache, &other);
	play(scene, &other, 1500, 3000);
}

/* Does a glance tell that all these lists say "not listed" until then? */
static bool
glance(struct cache *cache, const struct subject *subject, uint64_t lists, uint32_t until)
{
	const uint64_t all[CACHE_BITS] = {lists};
	struct cache_spot spot = cache_aim(cache, subject, LISTS);

	cache_approach(cache, subject, LISTS, &spot);
	return cache_is_clear_at(cache, subject, &spot, all, LISTS, until);
}

/* How often, beside the writer, it tells so until then, which was never true. */
static unsigned
glance_in_vain(struct cache *cache, const struct subject *subject, uint64_t lists, uint32_t until)
{
	unsigned torn = 0;

	do {
		reader_begins();
		torn += glance(cache, subject, lists, until);
	} while (torn == 0 && choose_otherwise());
	model.who = PLAIN;
	return torn;
}

/* A line counts anew, with lists that are clear until 1000: the old sum must not count from 900. */
static unsigned
glance_at_count_anew(unsigned weak)
{
	struct scene scene;
	unsigned torn;

	open_scene(&scene, weak);
	for (unsigned list = 0; list < LISTS; list++)
		put(scene.cache, &scene.subject, list, 0, EVIDENCE_CLEAR, 1000);
	model.who = WRITER;
	put(scene.cache, &scene.subject, 1, 900, EVIDENCE_CLEAR, 900 + LINE_SPAN);
	torn = glance_in_vain(scene.cache, &scene.subject, 0xfff, 1001);
	assert_true(glance(scene.cache, &scene.subject, 0xfff, 950));
	cache_close(scene.cache);
	return torn;
}

/* A line of IPv6 becomes that of another, which is clear: the one that was pushed out never was. */
static unsigned
glance_at_push_out(unsigned weak)
{
	struct scene scene;
	struct subject other;
	unsigned torn;

	open_scene(&scene, weak);
	other = scene.subject;
	other.family = SUBJECT_IPV6;
	next_in_set(scene.cache, &other);
	put(scene.cache, &other, 1, 1500, 99, 1600);
	scene.subject = other;
	next_in_set(scene.cache, &other);
	model.who = WRITER;
	put(scene.cache, &other, 1, 1700, EVIDENCE_CLEAR, 1999);
	torn = glance_in_vain(scene.cache, &scene.subject, 1u << 1, 1700);
	assert_true(glance(scene.cache, &other, 1u << 1, 1900));
	cache_close(scene.cache);
	return torn;
}

static void (*const scenes[])(struct scene *scene, unsigned weak) = {
    count_anew, push_out, push_in, push_out_by_ipv6};

static void
a_line_is_read_whole_or_not_at_all_in_every_order_of_loads_and_stores(void **state)
{
	struct scene scene;

	(void)state;
	for (size_t i = 0; i < COUNT(scenes); i++) {
		scenes[i](&scene, 0);
		assert_int_equal(scene.torn, 0);
		assert_true(scene.older > 0 && scene.newer > 0);
	}
	assert_int_equal(glance_at_count_anew(0) + glance_at_push_out(0), 0);
}

/* Else the model would be blind to it, or the cache could do without. */
static void
without_any_one_of_its_acquires_and_releases_a_line_is_torn(void **state)
{
	struct scene scene;

	(void)state;
	for (unsigned ordering = 0; ordering < ORDERINGS; ordering++) {
		unsigned torn = 0;

		for (size_t i = 0; i < COUNT(scenes); i++) {
			scenes[i](&scene, 1u << ordering);
			assert_true(model.used >> ordering & 1);
			torn += scene.torn;
		}
		assert_true(torn > 0);
		assert_true(
		    glance_at_count_anew(1u << ordering) + glance_at_push_out(1u << ordering) > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest orders[] = {
	    cmocka_unit_test(a_line_is_read_whole_or_not_at_all_in_every_order_of_loads_and_stores),
	    cmocka_unit_test(without_any_one_of_its_acquires_and_releases_a_line_is_torn),
	};

	return cmocka_run_group_tests_name("the orders of the cache", orders, NULL, NULL);
}

/*
 * Invariants: used + deleted <= slots * 3 / 4, so a probe always meets a free slot. The filter has
 * the bits of each entry, and of those that were taken out since the table was built. A scope's
 * in_use[family][n] is the number of its entries with prefix length n, and bit n of
 * lengths[family] tells whether there are any.
 */
#include "aggregate/exception.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bits.h"
#include "aggregate/bytes.h"
#include "aggregate/fetch.h"

#define SLOTS_MIN 64
#define SCOPES_MAX 65535

enum slot_state { SLOT_FREE, SLOT_DELETED, SLOT_USED };

struct slot {
	uint8_t octet[16];
	uint32_t until;
	int16_t score;
	uint16_t scope;
	uint8_t length;
	uint8_t family : 1, action : 2, state : 2;
};

struct scope {
	char name[NAME_TEXT_MAX + 1];
	uint32_t in_use[2][129];
	uint64_t lengths[2][BITS_WORDS(129)];
};

#define FILTER_SLOTS 4 /* for each word of the filter */

struct exceptions {
	struct slot *slot;
	uint64_t *filter; /* a Bloom filter: most subjects have no exception, and it is small */
	size_t slots, used, deleted;
	struct scope *scope;
	size_t scopes;
};

/* Free slots, in place of those there are. False, and nothing changes, without memory. */
static bool
make_slots(struct exceptions *table, size_t slots)
{
	struct slot *slot = calloc(slots, sizeof *slot);
	uint64_t *filter = calloc(slots / FILTER_SLOTS, sizeof *filter);

	if (slot == NULL || filter == NULL) {
		free(slot);
		free(filter);
		return false;
	}
	table->slot = slot;
	table->filter = filter;
	table->slots = slots;
	return true;
}

struct exceptions *
exceptions_open(void)
{
	struct exceptions *table = calloc(1, sizeof *table);

	if (table == NULL)
		return NULL;
	if (make_slots(table, SLOTS_MIN))
		return table;
	free(table);
	return NULL;
}

void
exceptions_close(struct exceptions *table)
{
	if (table == NULL)
		return;
	free(table->slot);
	free(table->filter);
	free(table->scope);
	free(table);
}

struct exceptions *
exceptions_copy(const struct exceptions *table)
{
	struct exceptions *copy = calloc(1, sizeof *copy);

	if (copy == NULL)
		return NULL;
	*copy = *table;
	copy->slot = malloc(table->slots * sizeof *copy->slot);
	copy->filter = malloc(table->slots / FILTER_SLOTS * sizeof *copy->filter);
	copy->scope = malloc((table->scopes + 1) * sizeof *copy->scope);
	if (copy->slot == NULL || copy->filter == NULL || copy->scope == NULL) {
		exceptions_close(copy);
		return NULL;
	}
	memcpy(copy->slot, table->slot, table->slots * sizeof *copy->slot);
	memcpy(copy->filter, table->filter, table->slots / FILTER_SLOTS * sizeof *copy->filter);
	if (table->scopes > 0)
		memcpy(copy->scope, table->scope, table->scopes * sizeof *copy->scope);
	return copy;
}

/* The table is the operator's own: nobody aims at it, so the hash may be a simple one. */
static inline uint64_t
hash_prefix(const uint64_t half[2], enum subject_family family, unsigned length, unsigned scope)
{
	uint64_t what = scope << 9 | length << 1 | (family == SUBJECT_IPV6);

	return bytes_mix(bytes_mix(what, half[0]), half[1]);
}

static inline uint64_t
hash_key(const struct slot *key)
{
	uint64_t half[2];

	memcpy(half, key->octet, sizeof half);
	return hash_prefix(
	    half, key->family ? SUBJECT_IPV6 : SUBJECT_IPV4, key->length, key->scope);
}

/* Which of `count` things a hash stands for. */
static inline size_t
one_of(size_t count, uint64_t hash)
{
	return (size_t)((hash >> 32) * count >> 32);
}

static inline uint64_t *
filter_word(const struct exceptions *table, uint64_t hash)
{
	return &table->filter[one_of(table->slots / FILTER_SLOTS, hash)];
}

/* Two bits of the filter's word, by the half of the hash that does not choose the word. */
static inline uint64_t
filter_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

static inline bool
same_key(const struct slot *a, const struct slot *b)
{
	return a->length == b->length && a->scope == b->scope && a->family == b->family &&
	       memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

static inline bool
filter_has(const struct exceptions *table, uint64_t hash)
{
	uint64_t bits = filter_bits(hash);

	return (*filter_word(table, hash) & bits) == bits;
}

/* The slot that holds the key of this hash, or the first free one of its probe. */
static struct slot *
probe(const struct exceptions *table, const struct slot *key, uint64_t hash)
{
	size_t at = one_of(table->slots, hash);

	for (;;) {
		struct slot *slot = &table->slot[at];

		if (slot->state == SLOT_FREE || (slot->state == SLOT_USED && same_key(slot, key)))
			return slot;
		if (++at == table->slots)
			at = 0;
	}
}

/* Put an entry, which may be there or not, in its slot. */
static void
put(struct exceptions *table, const struct slot *entry)
{
	uint64_t hash = hash_key(entry);

	*probe(table, entry, hash) = *entry;
	*filter_word(table, hash) |= filter_bits(hash);
}

/* A table with room for one more; deleted slots are left behind. */
static bool
make_room(struct exceptions *table)
{
	const struct exceptions old = *table;

	if ((old.used + old.deleted + 1) * 4 <= old.slots * 3)
		return true;
	if (!make_slots(table, (old.used + 1) * 2 > old.slots ? old.slots * 3 / 2 : old.slots))
		return false;
	table->deleted = 0;
	for (size_t i = 0; i < old.slots; i++)
		if (old.slot[i].state == SLOT_USED)
			put(table, &old.slot[i]);
	free(old.slot);
	free(old.filter);
	return true;
}

static int
find_scope(const struct exceptions *table, const char *zone)
{
	for (size_t i = 0; i < table->scopes; i++)
		if (strcmp(table->scope[i].name, zone) == 0)
			return (int)i;
	return -1;
}

static int
find_or_add_scope(struct exceptions *table, const char *zone)
{
	int found = find_scope(table, zone);
	struct scope *larger;

	if (found >= 0 || table->scopes == SCOPES_MAX)
		return found;
	larger = realloc(table->scope, (table->scopes + 2) * sizeof *larger);
	if (larger == NULL)
		return -1;
	table->scope = larger;
	memset(&larger[table->scopes], 0, sizeof *larger);
	memcpy(larger[table->scopes].name, zone, strlen(zone) + 1);
	return (int)table->scopes++;
}

static void
fill_key(const struct prefix *prefix, int scope, struct slot *key)
{
	memset(key, 0, sizeof *key);
	memcpy(key->octet, prefix->base.octet, sizeof key->octet);
	key->length = (uint8_t)prefix->length;
	key->family = prefix->base.family == SUBJECT_IPV6;
	key->scope = (uint16_t)scope;
}

static void
take_out(struct exceptions *table, const struct exception_entry *entry)
{
	int scope = find_scope(table, entry->zone);
	struct slot key, *slot;

	if (scope < 0)
		return;
	fill_key(&entry->prefix, scope, &key);
	slot = probe(table, &key, hash_key(&key));
	if (slot->state != SLOT_USED)
		return;
	slot->state = SLOT_DELETED;
	table->used--;
	table->deleted++;
	if (--table->scope[scope].in_use[key.family][key.length] == 0)
		bits_clear(table->scope[scope].lengths[key.family], key.length);
}

bool
exceptions_apply(struct exceptions *table, const struct exception_entry *entry)
{
	struct slot key;
	int scope;

	if (entry->action == EXCEPTION_FORGET) {
		take_out(table, entry);
		return true;
	}
	scope = find_or_add_scope(table, entry->zone);
	if (scope < 0 || !make_room(table))
		return false;
	fill_key(&entry->prefix, scope, &key);
	if (probe(table, &key, hash_key(&key))->state == SLOT_FREE) {
		table->used++;
		table->scope[scope].in_use[key.family][key.length]++;
		bits_set(table->scope[scope].lengths[key.family], key.length);
	}
	key.state = SLOT_USED;
	key.action = (unsigned)entry->action & 3u;
	key.score = (int16_t)entry->score;
	key.until = entry->until;
	put(table, &key);
	return true;
}

size_t
exceptions_count(const struct exceptions *table)
{
	return table->used;
}

size_t
exceptions_bytes(const struct exceptions *table)
{
	return table->slots * sizeof *table->slot +
	       table->slots / FILTER_SLOTS * sizeof *table->filter +
	       table->scopes * sizeof *table->scope;
}

const char *
exceptions_zone(const struct exceptions *table, size_t n, size_t *entries)
{
	*entries = 0;
	if (n >= table->scopes)
		return NULL;
	for (unsigned family = 0; family < 2; family++)
		for (unsigned length = 0; length <= 128; length++)
			*entries += table->scope[n].in_use[family][length];
	return table->scope[n].name;
}

static void
add_scope(const struct exceptions *table, const char *zone, struct exception_scopes *scopes)
{
	int scope = find_scope(table, zone);

	if (scope >= 0 && scopes->count < EXCEPTION_SCOPES_MAX)
		scopes->scope[scopes->count++] = (uint16_t)scope;
}

void
exceptions_scopes(const struct exceptions *table, const char *zone, const char *const *above,
    size_t above_count, struct exception_scopes *scopes)
{
	scopes->count = 0;
	add_scope(table, zone, scopes);
	for (size_t i = 0; i < above_count; i++)
		add_scope(table, above[i], scopes);
	add_scope(table, "", scopes);
}

/* The first bits of an address, as many as a prefix length says, and zeros. */
static inline void
take_front(
    const struct subject *subject, enum subject_family family, unsigned length, uint64_t half[2])
{
	memcpy(half, subject->octet, 2 * sizeof half[0]);
	if (length < 64)
		half[0] &= htobe64(~(UINT64_MAX >> length));
	if (family == SUBJECT_IPV4 || length <= 64)
		half[1] = 0;
	else if (length < 128)
		half[1] &= htobe64(~(UINT64_MAX >> (length - 64)));
}

/* The entry of the prefix of this length that covers the subject, if it has not expired. */
__attribute__((noinline)) static bool
find_prefix(const struct exceptions *table, unsigned scope, const struct subject *subject,
    unsigned length, uint32_t now, struct exception *found)
{
	struct prefix prefix = {.base.family = subject->family, .length = length};
	uint64_t half[2];
	const struct slot *slot;
	struct slot key;

	take_front(subject, subject->family, length, half);
	memcpy(prefix.base.octet, half, sizeof half);
	fill_key(&prefix, (int)scope, &key);
	slot = probe(table, &key, hash_key(&key));
	if (slot->state != SLOT_USED || (slot->until != 0 && slot->until <= now))
		return false;
	*found = (struct exception){.action = (enum exception_action)slot->action,
	    .score = slot->score,
	    .until = slot->until,
	    .prefix = prefix,
	    .zone = table->scope[scope].name};
	return true;
}

/* The prefix lengths of a family, as bits, in words of which each is looked through in turn. */
static inline unsigned
length_words(enum subject_family family)
{
	return family == SUBJECT_IPV6 ? BITS_WORDS(129) : BITS_WORDS(33);
}

/* The longest of these lengths, 64 * word + i for each bit i of *left, which goes from *left. */
static inline unsigned
take_longest(uint64_t *left, unsigned word)
{
	unsigned bit = 63u - (unsigned)__builtin_clzll(*left);

	*left ^= UINT64_C(1) << bit;
	return 64 * word + bit;
}

static inline uint64_t
hash_covering(
    const struct subject *subject, enum subject_family family, unsigned length, unsigned scope)
{
	uint64_t half[2];

	take_front(subject, family, length, half);
	return hash_prefix(half, family, length, scope);
}

/* The family is known where this is compiled for one. Only lengths in use are looked at. */
static inline void
aim_at_scope(const struct exceptions *table, unsigned scope, const struct subject *subject,
    enum subject_family family)
{
	const uint64_t *lengths = table->scope[scope].lengths[family == SUBJECT_IPV6];
	unsigned word = length_words(family);

	while (word-- > 0)
		for (uint64_t left = lengths[word]; left != 0;)
			fetch_memory(filter_word(table,
			    hash_covering(subject, family, take_longest(&left, word), scope)));
}

static inline bool
find_in_scope(const struct exceptions *table, unsigned scope, const struct subject *subject,
    enum subject_family family, uint32_t now, struct exception *found)
{
	const uint64_t *lengths = table->scope[scope].lengths[family == SUBJECT_IPV6];
	unsigned word = length_words(family);

	while (word-- > 0)
		for (uint64_t left = lengths[word]; left != 0;) {
			unsigned length = take_longest(&left, word);

			if (filter_has(table, hash_covering(subject, family, length, scope)) &&
			    find_prefix(table, scope, subject, length, now, found))
				return true;
		}
	return false;
}

__attribute__((noinline)) void
exceptions_aim(const struct exceptions *table, const struct exception_scopes *scopes,
    const struct subject *subject)
{
	for (size_t i = 0; i < scopes->count; i++)
		if (subject->family == SUBJECT_IPV4)
			aim_at_scope(table, scopes->scope[i], subject, SUBJECT_IPV4);
		else
			aim_at_scope(table, scopes->scope[i], subject, SUBJECT_IPV6);
}

__attribute__((noinline)) bool
exceptions_find(const struct exceptions *table, const struct exception_scopes *scopes,
    const struct subject *subject, uint32_t now, struct exception *found)
{
	for (size_t i = 0; i < scopes->count; i++)
		if (subject->family == SUBJECT_IPV4
			? find_in_scope(table, scopes->scope[i], subject, SUBJECT_IPV4, now, found)
			: find_in_scope(table, scopes->scope[i], subject, SUBJECT_IPV6, now, found))
			return true;
	return false;
}

const char *
exception_word(enum exception_action action)
{
	static const char *const word[] = {"allow", "block", "score", "forget"};

	return word[action];
}

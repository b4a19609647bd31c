/*
 * Invariants: used + deleted <= slots * 3 / 4, so a probe always meets a free slot. A scope's
 * in_use[family][n] is the number of its entries with prefix length n, and bit n of
 * lengths[family] tells whether there are any.
 */
#include "aggregate/exception.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bits.h"

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

struct exceptions {
	struct slot *slot;
	size_t slots, used, deleted;
	struct scope *scope;
	size_t scopes;
};

struct exceptions *
exceptions_open(void)
{
	struct exceptions *table = calloc(1, sizeof *table);

	if (table == NULL)
		return NULL;
	table->slots = SLOTS_MIN;
	table->slot = calloc(table->slots, sizeof *table->slot);
	if (table->slot == NULL) {
		free(table);
		return NULL;
	}
	return table;
}

void
exceptions_close(struct exceptions *table)
{
	if (table == NULL)
		return;
	free(table->slot);
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
	copy->scope = malloc((table->scopes + 1) * sizeof *copy->scope);
	if (copy->slot == NULL || copy->scope == NULL) {
		exceptions_close(copy);
		return NULL;
	}
	memcpy(copy->slot, table->slot, table->slots * sizeof *copy->slot);
	if (table->scopes > 0)
		memcpy(copy->scope, table->scope, table->scopes * sizeof *copy->scope);
	return copy;
}

/* The table is the operator's own: nobody aims at it, a fixed key will do. */
static inline size_t
first_slot(const struct exceptions *table, const struct slot *key)
{
	static const uint64_t mix[2] = {0x8f14e45fceea167au, 0x6512bd43d9caa6e0u};
	struct subject subject = {.family = key->family ? SUBJECT_IPV6 : SUBJECT_IPV4};
	uint64_t hash;

	memcpy(subject.octet, key->octet, sizeof subject.octet);
	hash = subject_hash(&subject, (unsigned)key->scope << 8 | key->length, mix);
	return (size_t)((hash >> 32) * table->slots >> 32);
}

static inline bool
same_key(const struct slot *a, const struct slot *b)
{
	return a->length == b->length && a->scope == b->scope && a->family == b->family &&
	       memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

/* The slot that holds the key, or the first free one of its probe. */
static struct slot *
probe(const struct exceptions *table, const struct slot *key)
{
	size_t at = first_slot(table, key);

	for (;;) {
		struct slot *slot = &table->slot[at];

		if (slot->state == SLOT_FREE || (slot->state == SLOT_USED && same_key(slot, key)))
			return slot;
		if (++at == table->slots)
			at = 0;
	}
}

/* A table with room for one more; deleted slots are left behind. */
static bool
make_room(struct exceptions *table)
{
	struct slot *old = table->slot;
	size_t slots = table->slots;

	if ((table->used + table->deleted + 1) * 4 <= slots * 3)
		return true;
	if ((table->used + 1) * 2 > slots)
		table->slots = slots * 3 / 2;
	table->slot = calloc(table->slots, sizeof *table->slot);
	if (table->slot == NULL) {
		table->slot = old;
		table->slots = slots;
		return false;
	}
	table->deleted = 0;
	for (size_t i = 0; i < slots; i++)
		if (old[i].state == SLOT_USED)
			*probe(table, &old[i]) = old[i];
	free(old);
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
	slot = probe(table, &key);
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
	struct slot key, *slot;
	int scope;

	if (entry->action == EXCEPTION_FORGET) {
		take_out(table, entry);
		return true;
	}
	scope = find_or_add_scope(table, entry->zone);
	if (scope < 0 || !make_room(table))
		return false;
	fill_key(&entry->prefix, scope, &key);
	slot = probe(table, &key);
	if (slot->state == SLOT_FREE) {
		table->used++;
		table->scope[scope].in_use[key.family][key.length]++;
		bits_set(table->scope[scope].lengths[key.family], key.length);
	}
	*slot = key;
	slot->state = SLOT_USED;
	slot->action = (unsigned)entry->action & 3u;
	slot->score = (int16_t)entry->score;
	slot->until = entry->until;
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
	return table->slots * sizeof *table->slot + table->scopes * sizeof *table->scope;
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

/* Clear the bits of an address beyond a prefix length. */
static void
mask(uint8_t octet[16], unsigned length)
{
	if (length % 8 != 0)
		octet[length / 8] &= (uint8_t)(0xff00u >> length % 8);
	memset(octet + (length + 7) / 8, 0, 16 - (length + 7) / 8);
}

/* The entry of this prefix that has not expired. */
static bool
find_prefix(const struct exceptions *table, unsigned scope, const struct prefix *prefix,
    uint32_t now, struct exception *found)
{
	struct slot key;
	const struct slot *slot;

	fill_key(prefix, (int)scope, &key);
	slot = probe(table, &key);
	if (slot->state != SLOT_USED || (slot->until != 0 && slot->until <= now))
		return false;
	*found = (struct exception){.action = (enum exception_action)slot->action,
	    .score = slot->score,
	    .until = slot->until,
	    .prefix = *prefix,
	    .zone = table->scope[scope].name};
	return true;
}

/* Only the lengths that are in use are looked for, the longest first. */
static bool
find_in_scope(const struct exceptions *table, unsigned scope, const struct subject *subject,
    uint32_t now, struct exception *found)
{
	const uint64_t *lengths = table->scope[scope].lengths[subject->family == SUBJECT_IPV6];
	struct prefix prefix = {.base = *subject};

	for (unsigned word = BITS_WORDS(129); word-- > 0;) {
		for (uint64_t left = lengths[word]; left != 0;) {
			unsigned bit = 63u - (unsigned)__builtin_clzll(left);

			left &= ~(UINT64_C(1) << bit);
			prefix.length = 64 * word + bit;
			mask(prefix.base.octet, prefix.length);
			if (find_prefix(table, scope, &prefix, now, found))
				return true;
		}
	}
	return false;
}

bool
exceptions_find(const struct exceptions *table, const struct exception_scopes *scopes,
    const struct subject *subject, uint32_t now, struct exception *found)
{
	for (size_t i = 0; i < scopes->count; i++)
		if (find_in_scope(table, scopes->scope[i], subject, now, found))
			return true;
	return false;
}

const char *
exception_word(enum exception_action action)
{
	static const char *const word[] = {"allow", "block", "score", "forget"};

	return word[action];
}

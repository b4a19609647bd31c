/*
 * One table, "recommendations": serial, big-endian -> version, kind, lists that listed, family,
 * address (16 bytes), when, reporter, who, testimony (its length in two bytes before it).
 */
#include "aggregate/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bytes.h"

#define PRUNED_AT_ONCE 512

static const struct tables_plan plan = {.file = LEDGER_FILE,
    .first_bytes = TABLES_FIRST_BYTES,
    .most_bytes = TABLES_MOST_BYTES,
    .table = {"recommendations"},
    .tables = 1,
    .remedy = "the file is damaged: move it away, and learning begins anew",
    .relief = "it is full and can't grow: move it away, and learning begins anew"};

struct ledger {
	struct tables *tables;
	uint64_t serial; /* of the last one */
};

struct ledger *
ledger_open(const char *directory, enum store_mode mode)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);

	if (ledger == NULL)
		return NULL;
	ledger->tables = tables_open(directory, &plan, mode);
	if (ledger->tables == NULL) {
		free(ledger);
		return NULL;
	}
	ledger->serial = tables_last(ledger->tables, 0);
	return ledger;
}

void
ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	tables_close(ledger->tables);
	free(ledger);
}

const char *
ledger_error(const struct ledger *ledger)
{
	return ledger == NULL ? "out of memory" : tables_error(ledger->tables);
}

bool
ledger_add(struct ledger *ledger, const struct recommendation *recommendation)
{
	size_t length = strlen(recommendation->testimony);
	struct bytes value;

	bytes_init(&value);
	bytes_add_u8(&value, 1);
	bytes_add_u8(&value, recommendation->kind);
	bytes_add_u8(&value, recommendation->listed);
	bytes_add_u8(&value, recommendation->subject.family);
	bytes_add(&value, recommendation->subject.octet, 16);
	bytes_add_u32(&value, recommendation->when);
	bytes_add_string(&value, recommendation->by);
	bytes_add_string(&value, recommendation->who);
	bytes_add_u8(&value, (unsigned)(length >> 8));
	bytes_add_u8(&value, (unsigned)length & 255);
	bytes_add(&value, recommendation->testimony, length);
	return tables_append(ledger->tables, 0, ++ledger->serial, value.byte, value.length);
}

static bool
unpack(const uint8_t *byte, size_t length, struct recommendation *recommendation)
{
	const uint8_t *end = byte + length, *at;
	size_t testimony;

	if (length < 28 || byte[0] != 1 || byte[1] > TRUST_WITHDRAW || byte[3] > SUBJECT_IPV6)
		return false;
	recommendation->kind = (enum trust_kind)byte[1];
	recommendation->listed = byte[2];
	recommendation->subject.family = (enum subject_family)byte[3];
	memcpy(recommendation->subject.octet, byte + 4, 16);
	recommendation->when = bytes_u32(byte + 20);
	at = bytes_read_string(byte + 24, end, recommendation->by, TRUST_REPORTER_MAX);
	at = bytes_read_string(at, end, recommendation->who, LEDGER_WHO_MAX);
	if (at == NULL || end - at < 2)
		return false;
	testimony = (size_t)at[0] << 8 | at[1];
	if (testimony > TESTIMONY_MAX || (size_t)(end - at) != testimony + 2)
		return false;
	memcpy(recommendation->testimony, at + 2, testimony);
	recommendation->testimony[testimony] = '\0';
	return true;
}

/* A visit under way. */
struct tour {
	struct ledger *ledger;
	ledger_visit *visit;
	void *context;
};

static bool
visit_one(void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length)
{
	struct recommendation recommendation;
	struct tour *tour = context;

	if (key_length != 8 || !unpack(value, length, &recommendation))
		return tables_damaged(tour->ledger->tables);
	return tour->visit(tour->context, bytes_u64(key), &recommendation);
}

bool
ledger_each(struct ledger *ledger, ledger_visit *visit, void *context)
{
	struct tour tour = {.ledger = ledger, .visit = visit, .context = context};

	return ledger != NULL && tables_each(ledger->tables, 0, NULL, 0, visit_one, &tour);
}

uint64_t
ledger_count(struct ledger *ledger)
{
	return ledger == NULL ? 0 : tables_count(ledger->tables, 0);
}

/* The serials of the oldest that are out of bounds. */
struct pruning {
	uint64_t serial[PRUNED_AT_ONCE];
	size_t count;
	uint64_t too_many;
	uint32_t oldest; /* what was said before is too old */
};

static bool
note_outdated(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct pruning *pruning = context;

	if (pruning->count == PRUNED_AT_ONCE ||
	    (pruning->count >= pruning->too_many && recommendation->when >= pruning->oldest))
		return false;
	pruning->serial[pruning->count++] = serial;
	return true;
}

bool
ledger_prune(struct ledger *ledger, uint32_t now)
{
	struct pruning pruning;

	do {
		uint64_t count = ledger_count(ledger);

		pruning.count = 0;
		pruning.too_many = count > LEDGER_MAX ? count - LEDGER_MAX : 0;
		pruning.oldest = now > LEDGER_DAYS * TRUST_DAY ? now - LEDGER_DAYS * TRUST_DAY : 0;
		if (!ledger_each(ledger, note_outdated, &pruning))
			return false;
		for (size_t i = 0; i < pruning.count; i++) {
			struct bytes key;

			bytes_init(&key);
			bytes_add_u64(&key, pruning.serial[i]);
			if (!tables_delete(ledger->tables, 0, key.byte, key.length))
				return false;
		}
	} while (pruning.count == PRUNED_AT_ONCE);
	return true;
}

bool
ledger_commit(struct ledger *ledger, bool *again)
{
	bool done;

	*again = false;
	if (ledger == NULL)
		return false;
	done = tables_commit(ledger->tables, again);
	if (*again)
		ledger->serial = tables_last(ledger->tables, 0);
	return done;
}

struct gathering {
	struct trust *trust;
	bool memory;
};

static bool
gather(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct gathering *gathering = context;

	(void)serial;
	gathering->memory =
	    trust_add(gathering->trust, recommendation->kind, &recommendation->subject,
		recommendation->by, recommendation->when, recommendation->listed);
	return gathering->memory;
}

struct trust *
ledger_trust(struct ledger *ledger, uint32_t now)
{
	struct gathering gathering = {.trust = trust_open(), .memory = true};

	if (gathering.trust != NULL && ledger_each(ledger, gather, &gathering) &&
	    gathering.memory && trust_settle(gathering.trust, now))
		return gathering.trust;
	if (ledger_error(ledger) == NULL)
		(void)tables_complain(ledger->tables, "out of memory");
	trust_close(gathering.trust);
	return NULL;
}

const char *
recommendation_word(enum trust_kind kind)
{
	static const char *const word[] = {"spam", "ham", "withdraw"};

	return word[kind];
}

/*
 * evidence - what one list said of one subject, until when
 *
 * The distinct replies that a list gives are few: each set of answers is kept once, in the book,
 * and evidence names it by a small number. The book outlives every configuration, so evidence
 * survives a reload. One thread at a time adds to it; readers take no lock: they hold a `said` that
 * came to them through the cache or a queue, which orders it after the set it names.
 */
#ifndef AGGREGATE_EVIDENCE_H
#define AGGREGATE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#define EVIDENCE_LISTS_MAX 128  /* lists known since start */
#define EVIDENCE_ANSWERS_MAX 64 /* distinct addresses of one reply; more make it malformed */
#define EVIDENCE_SETS_MAX 4080  /* distinct replies of one list: 12 bits with the fixed ones */

/* The values of `said`: below EVIDENCE_ANSWERS a fixed meaning, from it on a set in the book. */
enum evidence_said {
	EVIDENCE_NONE,      /* nothing is known, or it has expired */
	EVIDENCE_CLEAR,     /* NXDOMAIN, or no A record */
	EVIDENCE_TIMEOUT,   /* no reply within the list's timeout */
	EVIDENCE_FAILED,    /* SERVFAIL, REFUSED, unreachable, silent too often to be asked */
	EVIDENCE_MALFORMED, /* a reply that cannot be read */
	EVIDENCE_FOREIGN,   /* an address outside 127.0.0.0/8: parked or hijacked */
	EVIDENCE_OVERLOAD,  /* not asked: too many questions under way */
	EVIDENCE_ABSENT,    /* quarantined: as if no zone named the list */
	EVIDENCE_DIVERSE,   /* more than EVIDENCE_SETS_MAX different replies from one list */
	EVIDENCE_DOWN,      /* not asked: it has failed too often to be waited for */
	EVIDENCE_RATE,      /* not asked: over max-qps */
	EVIDENCE_BUDGET,    /* not asked: over max-per-day */
	EVIDENCE_ANSWERS = 16
};

#define EVIDENCE_FAILURE_TTL 5  /* seconds that a failure is remembered, RFC 9520 3.2 */
#define EVIDENCE_REFUSAL_TTL 60 /* the same for an error code or a foreign address */

struct evidence {
	uint32_t expires; /* in the seconds of the caller's clock; from 2^31 on: never; valid unless
			     NONE */
	uint16_t said;
	uint16_t stale; /* minutes since it expired, rounded up, while it stands in; 0: fresh */
};

/* Did the list answer, be it "not listed" or an error code? */
static inline bool
evidence_is_answer(uint16_t said)
{
	return said == EVIDENCE_CLEAR || said >= EVIDENCE_ANSWERS;
}

/* The addresses of one reply, in ascending order, each once; host byte order. */
struct answers {
	uint32_t count; /* 1..EVIDENCE_ANSWERS_MAX */
	uint32_t address[EVIDENCE_ANSWERS_MAX];
};

struct evidence_book;

struct evidence_book *evidence_book_open(void); /* NULL without memory */
void evidence_book_close(struct evidence_book *book);

/* The number of a list, the same for the life of the book; -1 when the book is full. */
int evidence_list_number(struct evidence_book *book, const char *name);
unsigned evidence_list_count(const struct evidence_book *book);

/* The same for a list that has a number already; -1 when it has none. */
int evidence_list_find(const struct evidence_book *book, const char *name);
const char *evidence_list_name(const struct evidence_book *book, unsigned list);

/*
 * Whose words the evidence of a list is (policy_list.source); 0: nobody's yet. Set by one thread,
 * while no other reads it.
 */
uint64_t evidence_list_source(const struct evidence_book *book, unsigned list);
void evidence_list_take_from(struct evidence_book *book, unsigned list, uint64_t source);

/* Add one address, unless it is there; false, and nothing changes, when the set is full. */
bool answers_add(struct answers *answers, uint32_t address);

/* The `said` that stands for these answers of that list; EVIDENCE_DIVERSE when it has too many. */
uint16_t evidence_intern(struct evidence_book *book, unsigned list, const struct answers *answers);

/* How many sets of answers a list has now: their `said` count from EVIDENCE_ANSWERS on. */
unsigned evidence_set_count(struct evidence_book *book, unsigned list);

/* The set that `said` names (said >= EVIDENCE_ANSWERS). */
const struct answers *evidence_answers(
    const struct evidence_book *book, unsigned list, uint16_t said);

/*
 * How long evidence is known can only be told from what it has left: the book remembers for each
 * list and `said` the lifetime that was given last. Any thread.
 */
void evidence_note_lifetime(
    struct evidence_book *book, unsigned list, uint16_t said, uint32_t lifetime);

uint32_t evidence_lifetime(const struct evidence_book *book, unsigned list, uint16_t said);

/* Seconds; exact as long as the list gives this answer the same lifetime each time. */
uint32_t evidence_age(
    const struct evidence_book *book, unsigned list, const struct evidence *evidence, uint32_t now);

/* A short reason for the log and the operator: "timeout", "clear", "answers". */
const char *evidence_word(uint16_t said);

#endif

/*
 * health_round - the tests that are put to a list at one moment, and what came of them; pure
 *
 * A round has the test points that hold for the list and a canary; of a list of both families it
 * has one of IPv6 beside that, for a list may lie in one family alone. A list need not have names
 * for IPv6 addresses, so that canary may fail: it can accuse, and no more. A round of a surprise
 * has two canaries, and no test points.
 *
 * Time is an argument, in milliseconds on a clock that never goes back.
 */
#ifndef RESOLVER_HEALTH_ROUND_H
#define RESOLVER_HEALTH_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "resolver/canary.h"

#define HEALTH_ROUND_MS 5000 /* what has not been answered by then has failed */
#define HEALTH_ROUND_TESTS 4

enum health_heard { HEALTH_CLEAR, HEALTH_LISTED, HEALTH_FAILED };

/* Why a list is set aside; of several reasons the first counts. */
enum health_why {
	HEALTH_WELL,
	HEALTH_LISTS_ALL,     /* a canary came out as listed */
	HEALTH_LISTS_CLEAR,   /* 127.0.0.1 did */
	HEALTH_LISTS_NOTHING, /* 127.0.0.2 did not */
	HEALTH_ABSURD         /* its hit rate; no round finds that */
};

enum health_round_kind {
	HEALTH_ROUND_NONE,
	HEALTH_ROUND_REGULAR,
	HEALTH_ROUND_AGAIN, /* after a single bad answer */
	HEALTH_ROUND_SURPRISE
};

/* What an answer was to the round. */
enum health_outcome {
	HEALTH_OUTCOME_NONE, /* of another round, or a second answer to one test */
	HEALTH_OUTCOME_GOOD,
	HEALTH_OUTCOME_BAD,
	HEALTH_OUTCOME_FAILED
};

/* All 0 before the first round, but for `hold` and `families`, which the owner sets. */
struct health_round {
	unsigned hold;               /* enum policy_test: which tests hold for the list */
	unsigned families;           /* that it knows, as in struct policy_list */
	enum health_round_kind kind; /* NONE: none is under way */
	uint32_t id;                 /* the ids of its tests begin with it */
	struct health_test {
		enum policy_test kind;
		struct subject subject;
		bool answered, may_fail;
	} test[HEALTH_ROUND_TESTS];
	unsigned tests, unasked; /* how many, and bit i: test i was not handed out yet */
	unsigned waiting;        /* tests without an answer */
	unsigned needed, good;   /* of those that may not fail */
	unsigned bad;
	int64_t due_ms;
	enum health_why suspicion; /* of the bad answers of this round and the one it repeats */
	struct subject suspect;    /* that gave it away; valid unless HEALTH_WELL */
};

/* False, and no round begins, when there is nothing that may be asked. */
bool health_round_begin(struct health_round *round, struct canaries *canaries,
    enum health_round_kind kind, int64_t now_ms);

/* A test that was not handed out yet, each once; false when there is none. */
bool health_round_next(struct health_round *round, uint32_t *id, struct subject *subject);

enum health_outcome health_round_heard(
    struct health_round *round, uint32_t id, enum health_heard heard);

/* Has every test an answer, or is it clear already that the list lies? */
bool health_round_is_decided(const struct health_round *round);

/* Was every answer that is needed given, and none bad? */
bool health_round_is_good(const struct health_round *round);

/* It is over, or called off: what is not answered yet comes too late. */
void health_round_end(struct health_round *round);

#endif

/*
 * health - test points, canaries and hit rate of each list: one that lies is set aside
 *
 * A list is tested by questions whose answers are known: 127.0.0.2 must be listed and 127.0.0.1
 * must not be (RFC 5782 5), nor may a canary, an address of the documentation ranges chosen by
 * chance, so that a list can't know it beforehand. Allow lists are held to the same. The questions
 * of one moment are a round:
 *
 *   state      counts  leaves it by
 *   NEW        (1)     the end of its first round: WELL or LYING
 *   WELL       yes     two bad answers: LYING; an absurd hit rate: SUSPENDED
 *   LYING      no      3 good rounds in a row, or release: WELL
 *   SUSPENDED  no      its time, or release: WELL; two bad answers: LYING
 *
 * (1) At the start, when clients wait for the first rounds, though not for long. A list that comes
 * later, while clients are answered, counts from the end of its first round on.
 *
 * One bad answer is never believed, it may be forged: the round is repeated at once with another
 * canary. A test that fails (timeout, SERVFAIL, error code) says nothing about lying: it neither
 * quarantines nor releases.
 *
 * Between the rounds each answer to a client's question is held against the list's own habit.
 * When so many listings in a row would be a rare chance, canaries are asked at once. A list that
 * lists nearly everybody, against its habit, with clean canaries, while what the other lists say
 * shows that the clients are the same as ever, is suspended.
 *
 * Any thread. Time is an argument, in milliseconds on a clock that never goes back. No I/O: the
 * caller asks what health_next says and tells what he heard.
 */
#ifndef RESOLVER_HEALTH_H
#define RESOLVER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "aggregate/text.h"
#include "resolver/health_round.h"

#define HEALTH_EVERY_MS 600000     /* between the rounds of a list that is well, give or take */
#define HEALTH_RETRY_MS 30000      /* after a round that was not good; doubled each time */
#define HEALTH_RETRY_MAX_MS 900000 /* up to here */
#define HEALTH_GOOD_ROUNDS 3       /* in a row release a list */
#define HEALTH_SUSPEND_MS 900000   /* doubled each time, up to 16 times as long */
#define HEALTH_WINDOW 256          /* answers that the hit rate is judged by */

struct health;

/* A test to be put to a list; `id` comes back with the answer. */
struct health_question {
	unsigned list; /* number */
	uint32_t id;
	struct subject subject;
};

struct health_report {
	bool held;     /* by hand */
	bool untested; /* it came while clients are answered, and its first round is not over */
	enum health_why why;
	struct subject subject;         /* that gave it away; not valid for HEALTH_ABSURD */
	unsigned listed, habit_percent; /* of the last HEALTH_WINDOW answers; valid for it */
	int64_t tested_ms;              /* when an answer to a test came last; -1: never */
	uint64_t good, bad, failed;     /* answers to tests */
};

/*
 * `key` is random: the canaries come from it. `changed` is called, by whatever thread, when
 * health_distrusts or health_started would say something else. NULL without memory. Lists go by
 * their numbers in the evidence book.
 */
struct health *health_open(const uint64_t key[2], void (*changed)(void *owner), void *owner);
void health_close(struct health *health);

/*
 * The lists in use, each tested anew at once. What is known of those that stay is kept, unless
 * health_expect was told that they have moved.
 */
void health_policy(struct health *health, int64_t now_ms, const struct policy *policy);

/*
 * Before a policy is in force: the lists that it brings are distrusted until their first round is
 * over, and so are those that have `moved` (bits, by number), which are other lists from then on.
 * The policy that is in force, and nothing moved, takes that back.
 */
void health_expect(struct health *health, const struct policy *policy,
    const uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)]);

/* By hand: set aside, asked and tested no more, until it is held no more. */
void health_hold(struct health *health, int64_t now_ms, unsigned number, bool held);

/* By hand: believe it again, until the next round says otherwise. */
void health_release(struct health *health, int64_t now_ms, unsigned number);

/* A list answered a client's question. */
void health_saw(struct health *health, int64_t now_ms, unsigned number, bool listed);

/* The next test that is due; false when there is none. Each is handed out once. */
bool health_next(struct health *health, int64_t now_ms, struct health_question *question);

/* The answer to a test. One that comes too late does nothing. */
void health_heard(
    struct health *health, int64_t now_ms, unsigned number, uint32_t id, enum health_heard heard);

/* When health_next has something to do. */
int64_t health_due_ms(struct health *health);

/* Has every list been tested once, or failed to answer? */
bool health_started(struct health *health);

/* Is the list set aside? Costs nothing. */
bool health_distrusts(const struct health *health, unsigned list);

void health_describe(struct health *health, unsigned number, struct health_report *report);

/* Why the list is set aside, in words; nothing when it is not. */
void health_explain(const struct health_report *report, struct text *text);

#endif

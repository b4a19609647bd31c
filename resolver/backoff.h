/*
 * backoff - when a list that fails may be asked again; pure
 *
 * After BACKOFF_FAILURES failures in a row a list is down: nobody waits for it any more. While it
 * is down one question in the background, a trial, is let through from time to time; the first
 * good answer ends it. Forged answers alone can't hold a list down: a trial is an ordinary
 * question from a random port.
 *
 *   state    failures             leaves it by
 *   up       < BACKOFF_FAILURES   as many failures in a row
 *   down     BACKOFF_FAILURES     a good answer; waits until again_ms, then lets a trial through
 *   trying   the same, a trial    a good answer, or one failure more: twice the wait
 *            is out
 *
 * Times are milliseconds on a clock that never goes back.
 */
#ifndef RESOLVER_BACKOFF_H
#define RESOLVER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FAILURES 5
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 8000 /* with libunbound's own 15 s: used again within 30 s */

struct backoff {
	unsigned failures; /* in a row, 0..BACKOFF_FAILURES */
	bool trying;
	int64_t again_ms, wait_ms; /* valid when down */
};

enum backoff_word { BACKOFF_ASK, BACKOFF_SKIP, BACKOFF_TRY };

/* May the list be asked now? BACKOFF_TRY: let one trial through, for which nobody waits. */
enum backoff_word backoff_ask(struct backoff *backoff, int64_t now_ms);

/* True when the list is up again, or down, by this. */
bool backoff_good(struct backoff *backoff);
bool backoff_bad(struct backoff *backoff, int64_t now_ms);

#endif

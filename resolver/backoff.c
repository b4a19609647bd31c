#include "resolver/backoff.h"

enum backoff_word
backoff_ask(struct backoff *backoff, int64_t now_ms)
{
	if (backoff->failures < BACKOFF_FAILURES)
		return BACKOFF_ASK;
	if (backoff->trying || now_ms < backoff->again_ms)
		return BACKOFF_SKIP;
	backoff->trying = true;
	return BACKOFF_TRY;
}

bool
backoff_good(struct backoff *backoff)
{
	bool was_down = backoff->failures == BACKOFF_FAILURES;

	*backoff = (struct backoff){0};
	return was_down;
}

bool
backoff_bad(struct backoff *backoff, int64_t now_ms)
{
	bool goes_down = backoff->failures == BACKOFF_FAILURES - 1;

	if (backoff->failures < BACKOFF_FAILURES) {
		backoff->failures++;
		backoff->wait_ms = BACKOFF_FIRST_MS;
	} else if (backoff->trying) {
		backoff->wait_ms *= 2;
		if (backoff->wait_ms > BACKOFF_MAX_MS)
			backoff->wait_ms = BACKOFF_MAX_MS;
	} else {
		return false; /* one of those that were under way when it went down */
	}
	backoff->trying = false;
	backoff->again_ms = now_ms + backoff->wait_ms;
	return goes_down;
}

#include "resolver/quarantine.h"

#include <string.h>

#include "resolver/log.h"

/*
 * The evidence of a list that is set aside is dropped, and not kept any more. A list comes back
 * only when all of the old is gone.
 */
static bool
is_out(const struct daemon *daemon, unsigned list)
{
	bool out = health_distrusts(daemon->health, list);

	for (unsigned i = 0; i < daemon->threads; i++)
		if (daemon->shard[i] != NULL)
			out = out || shard_forgets(daemon->shard[i], list);
	return out;
}

static void
find_out(const struct daemon *daemon, uint64_t out[VIEW_BITS])
{
	memset(out, 0, VIEW_BITS * sizeof *out);
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (is_out(daemon, i))
			bits_set(out, i);
}

void
quarantine_review(struct daemon *daemon)
{
	const struct policy *policy = daemon->config->policy;

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (policy->numbered[i] != NULL)
			health_hold(daemon->health, loop_now_ms(daemon->loop), i,
			    held_has(&daemon->held, policy->numbered[i]->name));
	find_out(daemon, daemon->quarantined);
}

void
quarantine_load(struct daemon *daemon)
{
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	if (!held_read(&daemon->held, daemon->config->state_dir, &error))
		log_error("quarantine: no list is held by hand any more: %s", said);
	quarantine_review(daemon);
}

static void
forget_list(struct daemon *daemon, unsigned list)
{
	for (unsigned i = 0; i < daemon->threads; i++)
		if (daemon->shard[i] != NULL)
			shard_forget(daemon->shard[i], list);
}

void
quarantine_forget_moved(struct daemon *daemon, const uint64_t moved[VIEW_BITS])
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (bits_has(moved, i))
			forget_list(daemon, i);
}

/* Set aside for good reason, or only because it is new or what it said before is being dropped? */
static bool
is_condemned(const struct daemon *daemon, unsigned list)
{
	struct health_report report;

	if (!bits_has(daemon->quarantined, list) || bits_has(daemon->condemned, list))
		return bits_has(daemon->quarantined, list);
	health_describe(daemon->health, list, &report);
	return report.held || report.why != HEALTH_WELL;
}

static void
log_health(struct daemon *daemon, unsigned list, bool out)
{
	const struct policy_list *described = daemon->config->policy->numbered[list];
	struct health_report report;
	char said[200] = "by hand";
	struct text why;

	if (described == NULL)
		return; /* a reload took it away */
	health_describe(daemon->health, list, &report);
	if (!report.held) {
		text_init(&why, said, sizeof said);
		health_explain(&report, &why);
	}
	if (out)
		log_warning("list quarantined list=%s why=\"%s\"", described->name, said);
	else
		log_info("list released list=%s", described->name);
}

/* What the view says is said in the log, and done to the cache. */
static void
follow_view(struct daemon *daemon)
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		bool out = is_condemned(daemon, i);

		if (out == bits_has(daemon->condemned, i))
			continue;
		log_health(daemon, i, out);
		if (out) {
			bits_set(daemon->condemned, i);
			forget_list(daemon, i);
		} else {
			bits_clear(daemon->condemned, i);
		}
	}
}

void
quarantine_take(struct daemon *daemon)
{
	uint64_t before[VIEW_BITS];

	memcpy(before, daemon->quarantined, sizeof before);
	find_out(daemon, daemon->quarantined);
	if (memcmp(before, daemon->quarantined, sizeof before) != 0 &&
	    !daemon_change_view(daemon)) {
		memcpy(
		    daemon->quarantined, before, sizeof before); /* the next glance tries again */
		return;
	}
	follow_view(daemon);
}

bool
quarantine_hold(
    struct daemon *daemon, const struct policy_list *list, bool held, struct text *error)
{
	int64_t now_ms = loop_now_ms(daemon->loop);

	if (!held)
		held_remove(&daemon->held, list->name);
	else if (!held_add(&daemon->held, list->name))
		text_add(error, "too many lists are held");
	health_hold(daemon->health, now_ms, list->number, held);
	if (!held)
		health_release(daemon->health, now_ms, list->number);
	quarantine_take(daemon);
	shard_test(daemon->shard[0]);
	return error->length == 0 && held_write(&daemon->held, daemon->config->state_dir, error);
}

#include "resolver/reload.h"

#include <stdio.h>
#include <string.h>

#include "resolver/log.h"
#include "resolver/notify.h"
#include "resolver/quarantine.h"

/* Options that only a start can change. */
static void
warn_of_fixed(const struct config *old, const struct config *new)
{
	if (old->threads != new->threads)
		log_warning("threads changes at the next start only");
	if (old->cache_mib != new->cache_mib)
		log_warning("cache-mib changes at the next start only");
	if (strcmp(old->user, new->user) != 0)
		log_warning("user changes at the next start only");
	if (strcmp(old->state_dir, new->state_dir) != 0)
		log_warning("state-dir changes at the next start only");
	if (strcmp(old->control, new->control) != 0)
		log_warning("control changes at the next start only");
	if (!policy_same_servers(old->listen, old->listens, new->listen, new->listens))
		log_warning("listen changes at the next start only");
}

/* What is learned from the same recommendations under the configuration that is new. */
static void
learn_again(struct daemon *daemon, const struct learned *before)
{
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	learned_again(&daemon->learned, before, daemon->config, loop_wall(daemon->loop), &error);
	if (error.length > 0)
		log_error("recommendations: all weights are the operator's: %s", said);
}

bool
reload_config(struct daemon *daemon)
{
	struct mistakes mistakes = {0};
	struct config *old = daemon->config, *new;
	struct learned learned = daemon->learned;
	static const uint64_t none[VIEW_BITS];
	uint64_t moved[VIEW_BITS];

	notify_reloading();
	new = config_read(daemon->file, daemon->book, &mistakes);
	if (mistakes.text != NULL)
		(void)fputs(mistakes.text, stderr);
	mistakes_free(&mistakes);
	if (new != NULL) {
		warn_of_fixed(old, new);
		memcpy(new->state_dir, old->state_dir, sizeof new->state_dir);
		daemon->config = new;
		learn_again(daemon, &learned);
		policy_find_moved(new->policy, daemon->book, moved);
		health_expect(daemon->health, new->policy, moved);
		quarantine_review(daemon);
		if (!daemon_change_view(daemon)) {
			learned_close(&daemon->learned, new, &learned);
			daemon->learned = learned;
			daemon->config = old;
			health_expect(daemon->health, old->policy, none);
			config_close(new);
			new = NULL;
		}
	}
	notify_ready();
	if (new == NULL) {
		log_error("reload refused; the running configuration stays in force");
		return false;
	}
	learned_close(&learned, old, &daemon->learned);
	config_close(old);
	quarantine_forget_moved(daemon, moved);
	daemon_note_sources(daemon);
	health_policy(daemon->health, loop_now_ms(daemon->loop), daemon->config->policy);
	shard_test(daemon->shard[0]);
	log_open(daemon->verbose ? LOG_LEVEL_DEBUG : (enum log_level) new->log_level);
	daemon_warn_of_strays(daemon);
	log_info("reloaded zones=%zu lists=%zu", new->policy->zones, policy_used(new->policy));
	return true;
}

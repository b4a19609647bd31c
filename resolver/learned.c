#include "resolver/learned.h"

#include "aggregate/earned.h"
#include "resolver/reader.h"

bool
learned_load(struct learned *learned, const struct config *config, uint32_t now, struct text *error)
{
	struct reader_learned read = {.renown = renown_open()};
	struct policy *policy = NULL;
	size_t moved;

	if (read.renown == NULL) {
		text_add(error, "out of memory");
		return false;
	}
	if (!reader_load_learned(config->state_dir, config->policy, now, &read, error)) {
		renown_close(read.renown);
		return false;
	}
	moved = read.earned.weights;
	if (moved > 0)
		policy = earned_policy(config->policy, &read.earned);
	earned_free(&read.earned);
	if (moved > 0 && policy == NULL) {
		renown_close(read.renown);
		text_add(error, "out of memory");
		return false;
	}
	*learned = (struct learned){.renown = read.renown,
	    .policy = policy,
	    .moved = moved,
	    .recommendations = read.recommendations};
	return true;
}

void
learned_again(struct learned *learned, const struct learned *from, const struct config *config,
    uint32_t now, struct text *error)
{
	*learned =
	    (struct learned){.renown = from->renown, .recommendations = from->recommendations};
	if (earned_any(config->policy))
		(void)learned_load(learned, config, now, error);
}

void
learned_close(struct learned *learned, const struct config *config, const struct learned *kept)
{
	if (kept == NULL || kept->renown != learned->renown)
		renown_close(learned->renown);
	if (learned->policy != NULL)
		earned_close(learned->policy, config->policy);
	*learned = (struct learned){0};
}

/*
 * learned - what the daemon takes from the recommendations: whom they list, what lists have earned
 *
 * Immutable once loaded; views refer to it.
 */
#ifndef RESOLVER_LEARNED_H
#define RESOLVER_LEARNED_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/config.h"
#include "aggregate/renown.h"
#include "aggregate/text.h"

struct learned {
	struct renown *renown; /* NULL: nobody */
	struct policy *policy; /* with earned weights; NULL: none has moved */
	size_t moved;          /* weights */
	uint64_t recommendations;
};

/* Read what is on disk now. False, with a sentence in `error`, and `learned` as it was. */
bool learned_load(
    struct learned *learned, const struct config *config, uint32_t now, struct text *error);

/*
 * The same under another configuration, of which only the weights depend; without an `error` they
 * are its own. `from` keeps what it has, and the two have the renown in common, maybe.
 */
void learned_again(struct learned *learned, const struct learned *from, const struct config *config,
    uint32_t now, struct text *error);

/* What `kept` does not have; `config` is the one it was loaded for. */
void learned_close(
    struct learned *learned, const struct config *config, const struct learned *kept);

#endif

/*
 * suggest - which weights and which threshold would have served the recommended subjects best
 *
 * A case is what lists said of a subject that is known to be spam or ham. The weight of a list
 * begins as the logarithm of how much likelier it lists spam than ham (for an allow list: less),
 * taken at the cautious end of its uncertainty, scaled to small whole numbers as postscreen uses
 * them. As lists copy from one another, that counts too much of what they agree on: the weights
 * are then moved one by one, and the threshold with them, as long as the loss goes down.
 *
 * loss = misses + SUGGEST_FALSE * false positives.
 */
#ifndef AGGREGATE_SUGGEST_H
#define AGGREGATE_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUGGEST_LISTS_MAX 32
#define SUGGEST_WEIGHT_MAX 8
#define SUGGEST_LEAST 30 /* cases of spam, and of ham, to suggest anything */
#define SUGGEST_HITS 5   /* of a list, to give it a weight */
#define SUGGEST_FALSE 20 /* misses that are as bad as one false positive */
#define SUGGEST_FOLDS 5

/* What bit i of listed and of known says is about list i. */
struct suggest_case {
	bool spam;
	uint32_t listed, known; /* listed is a part of known; what is not known counts 0 */
};

struct suggest_policy {
	int32_t weight[SUGGEST_LISTS_MAX];
	int32_t threshold; /* listed from it on; at least 1 */
};

struct suggest_errors {
	uint32_t spam, ham; /* cases */
	uint32_t misses, false_positives;
};

/* Is this too little to learn from? A sentence, or NULL. */
const char *suggest_refusal(const struct suggest_case *cases, size_t count);

/* The best policy found for all the cases. `lists` 1..SUGGEST_LISTS_MAX. False without memory. */
bool suggest_policy(
    const struct suggest_case *cases, size_t count, unsigned lists, struct suggest_policy *policy);

/* How a policy does on cases. */
void suggest_try(const struct suggest_case *cases, size_t count, unsigned lists,
    const struct suggest_policy *policy, struct suggest_errors *errors);

/*
 * What a suggested policy does on cases that it was not made from: each fifth by one made from the
 * others. False without memory.
 */
bool suggest_validate(
    const struct suggest_case *cases, size_t count, unsigned lists, struct suggest_errors *errors);

double suggest_loss(const struct suggest_errors *errors);

#endif

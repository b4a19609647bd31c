/*
 * context - the only door to libunbound: its contexts, set up one at a time
 *
 * The contexts of one thread, used by no other: the current one, which questions go to, and
 * former ones, each deleted when its last question has ended. What libunbound keeps in variables
 * of the whole process (timing, bounds on TTLs, EDNS size) is set here, alike for all.
 */
#ifndef RESOLVER_CONTEXT_H
#define RESOLVER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "resolver/loop.h"

struct context;

struct context_option {
	const char *name, *value; /* as in unbound.conf(5), the name with its colon */
};

/* What a context is to be like. */
struct context_plan {
	const struct context_option *option; /* besides those that are alike for all */
	size_t options;
	bool fresh;       /* no answer may come out of libunbound's cache, but delegations */
	unsigned sockets; /* for questions under way; one that finds none waits, unseen by us */
	const struct policy_server *forward;
	size_t forwards;                       /* 0: full recursion */
	const struct policy_list *const *list; /* EVIDENCE_LISTS_MAX, with servers of their own */
	const char *trust_anchor;              /* a file, or NULL */
	const char *const *without;            /* built-in zones to be left out, to NULL */
};

struct contexts {
	struct loop *loop;
	struct ub_event_base *base;
	struct context *current; /* NULL: none */
	struct context *former;
	struct loop_timer reaper;
	bool fresh;                      /* of the current plan */
	bool kept;                       /* what came within ub_resolve_event had been kept */
	struct context_question *asking; /* within ub_resolve_event, or NULL */
};

/* False without memory; contexts_close is right in any case. The loop outlives it. */
bool contexts_open(struct contexts *contexts, struct loop *loop);

/* Questions under way come back as failed in this call. */
void contexts_close(struct contexts *contexts);

/*
 * Begin a new context; NULL: have none. False, with the reason logged and the current one kept,
 * when libunbound refuses. Not while another thread runs its first.
 */
bool contexts_change(struct contexts *contexts, const struct context_plan *plan);

enum context_security { CONTEXT_INSECURE, CONTEXT_BOGUS, CONTEXT_SECURE };

/* A packet that libunbound made, valid in the callback alone. */
struct context_answer {
	const uint8_t *packet; /* NULL: it failed */
	size_t length;
	enum context_security security; /* of DNSSEC */
	const char *why_bogus;          /* or NULL */
};

/* A question; its owner keeps it until it is answered, which is once, maybe within context_ask. */
struct context_question {
	struct contexts *contexts;
	struct context *context;
	void (*answered)(struct context_question *question, const struct context_answer *answer);
};

/* Only with a current context. `name` is in presentation format, with a root dot or without. */
void context_ask(
    struct contexts *contexts, struct context_question *question, const char *name, uint16_t type);

#endif

/*
 * Invariants: a question is in the free list, or libunbound has it and calls back once, when it
 * becomes free. Its client has its reply by then or at the deadline, whichever is first; after
 * the deadline libunbound goes on, for its cache.
 *
 * A loop through another resolver ends here: our own question that comes back to us has the name
 * and type of one under way, and libunbound asks nobody for it a second time.
 */
#include "resolver/recurse.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/answer.h"
#include "resolver/context.h"
#include "resolver/listen.h"
#include "resolver/log.h"
#include "resolver/relay.h"
#include "resolver/worker.h"

#define QUESTIONS 512
#define QUEUED 1024       /* questions on their way to us */
#define DEADLINE_MS 10000 /* the C library has asked twice by then, and gives up */
#define LOG_MS 60000

struct waiting {
	struct context_question question; /* first: libunbound's answer comes to it */
	struct waiting *next;             /* of the free ones */
	struct recurse *recurse;
	struct loop_timer deadline;
	struct miss miss;
	bool under_way; /* at libunbound */
	bool replied;
};

/* The file of the trust anchor as it was read; all 0: there was none. */
struct anchor {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct recurse {
	const struct view *view;
	struct worker worker;
	struct queue *queue;
	struct contexts contexts;
	struct anchor anchor;
	bool behind; /* the view wants what libunbound refused */
	struct waiting *waiting, *free_waiting;
	struct stats stats;
	struct log_limit bogus, full;
	_Atomic unsigned in_flight;
	uint8_t reply[RELAY_SIZE_MAX];
};

/* --- libunbound ------------------------------------------------------------------------------ */

static struct anchor
stamp_anchor(const struct config *config)
{
	struct stat status;

	if (config->trust_anchor[0] == '\0' || stat(config->trust_anchor, &status) != 0 ||
	    !S_ISREG(status.st_mode) || access(config->trust_anchor, R_OK) != 0)
		return (struct anchor){0};
	return (struct anchor){
	    .inode = status.st_ino, .size = status.st_size, .changed = status.st_mtim};
}

static bool
same_anchor(const struct anchor *a, const struct anchor *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Does some line say DS or DNSKEY? libunbound, given a file of nonsense, can't be undone. */
static bool
holds_key(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, ";")] = '\0';
		found = strstr(line, "DS") != NULL || strstr(line, "DNSKEY") != NULL;
	}
	if (file != NULL)
		(void)fclose(file);
	if (!found)
		log_error("trust-anchor=%s: no DS or DNSKEY record in it", path);
	return found;
}

static bool
forwards_to_this_host(const struct policy *policy)
{
	struct prefix loopback[2];
	struct subject server;

	prefix_parse("127.0.0.0/8", &loopback[0]);
	prefix_parse("::1", &loopback[1]);
	for (size_t i = 0; i < policy->forwards; i++)
		if (subject_parse(policy->forward[i].address, &server) &&
		    (prefix_covers(&loopback[0], &server) || prefix_covers(&loopback[1], &server)))
			return true;
	return false;
}

/*
 * Caches of libunbound's own: here nobody else keeps the answers. Names go out no longer than
 * each server must know (RFC 9156). No delegation leads to programs of this host, us among them.
 */
static bool
open_context(struct recurse *recurse, const struct config *config, const struct anchor *anchor)
{
	const struct context_option option[] = {
	    {"module-config:", "validator iterator"},
	    {"qname-minimisation:", "yes"},
	    {"msg-cache-size:", "4m"},
	    {"rrset-cache-size:", "8m"},
	    {"key-cache-size:", "1m"},
	    {"neg-cache-size:", "1m"},
	    {"do-not-query-localhost:", forwards_to_this_host(config->policy) ? "no" : "yes"},
	};
	const struct context_plan plan = {.option = option,
	    .options = sizeof option / sizeof option[0],
	    .sockets = RECURSE_SOCKETS,
	    .forward = config->policy->forward,
	    .forwards = config->policy->forwards,
	    .trust_anchor = anchor->inode == 0 ? NULL : config->trust_anchor};

	if ((plan.trust_anchor != NULL && !holds_key(plan.trust_anchor)) ||
	    !contexts_change(&recurse->contexts, &plan))
		return false;
	if (anchor->inode != 0)
		log_info("recursion trust-anchor=%s", config->trust_anchor);
	else if (config->trust_anchor[0] == '\0')
		log_info("recursion without DNSSEC: trust-anchor is empty");
	else
		log_warning("recursion without DNSSEC, no answer is called authentic: cannot "
			    "read trust-anchor=%s (package dns-root-data has it)",
		    config->trust_anchor);
	return true;
}

/* Have the libunbound that this view wants; its caches are kept where nothing has changed. */
static bool
follow_view(struct recurse *recurse, const struct view *view)
{
	const struct config *old = recurse->view->config, *new = view->config;
	struct anchor anchor = stamp_anchor(new);
	bool good = true;

	if (!new->policy->recursion)
		good = contexts_change(&recurse->contexts, NULL);
	else if (recurse->behind || recurse->contexts.current == NULL ||
		 !same_anchor(&anchor, &recurse->anchor) ||
		 strcmp(old->trust_anchor, new->trust_anchor) != 0 ||
		 !policy_same_servers(old->policy->forward, old->policy->forwards,
		     new->policy->forward, new->policy->forwards))
		good = open_context(recurse, new, &anchor);
	recurse->view = view;
	recurse->behind = !good;
	if (good)
		recurse->anchor = anchor;
	return good;
}

/* --- replies --------------------------------------------------------------------------------- */

static void
reply(struct recurse *recurse, const struct miss *miss, size_t length)
{
	listen_reply(&miss->client, recurse->reply, length);
}

/* What answer_write makes of it: SERVFAIL, or what the question was refused with. */
static void
reply_without(struct recurse *recurse, const struct miss *miss, enum wire_extended extended)
{
	struct question question = miss->question;
	size_t length;

	question.name = miss->name;
	if (question.about == QUESTION_ELSEWHERE)
		question.extended = extended;
	length = answer_write(&question, recurse->view->policy, recurse->reply,
	    miss->client.fd < 0 ? ANSWER_SIZE_MAX : question.udp_size);
	if (length > 0)
		reply(recurse, miss, length);
}

static void
fail(struct recurse *recurse, const struct miss *miss, enum wire_extended extended)
{
	stats_add(&recurse->stats,
	    extended == WIRE_EDE_DNSSEC_BOGUS ? STATS_OTHER_BOGUS : STATS_OTHER_FAILED);
	reply_without(recurse, miss, extended);
}

static void
log_bogus(struct recurse *recurse, const struct miss *miss, const char *why)
{
	char name[RELAY_NAME_MAX];

	if (!log_allowed(&recurse->bogus, loop_now_ms(recurse->worker.loop), LOG_MS))
		return;
	relay_name(&miss->question, name);
	log_warning("bogus name=%s type=%u why=\"%s\" more=%u", name, miss->question.type,
	    why == NULL ? "" : why, recurse->bogus.suppressed);
	recurse->bogus.suppressed = 0;
}

/* RFC 4035 3.2.2: whoever sets CD judges for himself. */
static void
reply_with(struct recurse *recurse, struct miss *miss, const struct context_answer *answer)
{
	bool secure = answer->security == CONTEXT_SECURE;
	size_t length = 0;

	if (answer->security == CONTEXT_BOGUS) {
		log_bogus(recurse, miss, answer->why_bogus);
		if ((miss->question.flags & WIRE_CD) == 0) {
			fail(recurse, miss, WIRE_EDE_DNSSEC_BOGUS);
			return;
		}
	}
	if (answer->packet != NULL)
		length = relay_write(&miss->question, answer->packet, answer->length, secure,
		    recurse->reply, miss->client.fd < 0 ? RELAY_SIZE_MAX : miss->question.udp_size);
	if (length == 0) {
		fail(recurse, miss, WIRE_EDE_NO_REACHABLE);
		return;
	}
	stats_add(&recurse->stats, STATS_OTHER_ANSWERED);
	if (secure)
		stats_add(&recurse->stats, STATS_OTHER_SECURE);
	reply(recurse, miss, length);
}

/* --- questions ------------------------------------------------------------------------------- */

static void
on_answer(struct context_question *question, const struct context_answer *answer)
{
	struct waiting *waiting = (struct waiting *)(void *)question;
	struct recurse *recurse = waiting->recurse;

	loop_timer_clear(recurse->worker.loop, &waiting->deadline);
	if (!waiting->replied)
		reply_with(recurse, &waiting->miss, answer);
	waiting->under_way = false;
	waiting->next = recurse->free_waiting;
	recurse->free_waiting = waiting;
	recurse->in_flight--;
}

static void
on_deadline(struct loop_timer *timer)
{
	struct waiting *waiting =
	    (struct waiting *)(void *)((char *)timer - offsetof(struct waiting, deadline));

	waiting->replied = true;
	fail(waiting->recurse, &waiting->miss, WIRE_EDE_NO_REACHABLE);
}

static void
log_full(struct recurse *recurse)
{
	if (!log_allowed(&recurse->full, loop_now_ms(recurse->worker.loop), LOG_MS))
		return;
	log_warning("recursion: %u questions are under way; others get SERVFAIL more=%u", QUESTIONS,
	    recurse->full.suppressed);
	recurse->full.suppressed = 0;
}

static void
ask(struct recurse *recurse, const struct miss *miss)
{
	struct waiting *waiting = recurse->free_waiting;
	char name[RELAY_NAME_MAX];

	if (waiting == NULL || recurse->contexts.current == NULL) {
		if (waiting == NULL)
			log_full(recurse);
		fail(recurse, miss, WIRE_EDE_NONE);
		return;
	}
	recurse->free_waiting = waiting->next;
	recurse->in_flight++;
	waiting->miss = *miss;
	waiting->miss.question.name = waiting->miss.name;
	waiting->replied = false;
	waiting->under_way = true;
	relay_name(&waiting->miss.question, name);
	context_ask(
	    &recurse->contexts, &waiting->question, name, relay_type(&waiting->miss.question));
	if (waiting->under_way)
		(void)loop_timer_set(recurse->worker.loop, &waiting->deadline,
		    loop_now_ms(recurse->worker.loop) + DEADLINE_MS);
	else
		stats_add(&recurse->stats, STATS_OTHER_HITS);
}

/*
 * The question comes from a listener that may have read another configuration: one with another
 * opinion of recursion, or without a zone that there is now. The latter is for a shard, and fails.
 */
static void
take(struct recurse *recurse, struct miss *miss)
{
	miss->question.name = miss->name;
	miss->question.about = QUESTION_NOTHING;
	question_place(&miss->question, recurse->view->policy);
	if (miss->question.about == QUESTION_ELSEWHERE) {
		ask(recurse, miss);
	} else if (miss->question.about == QUESTION_ERROR) {
		stats_add(&recurse->stats, STATS_REFUSED);
		reply_without(recurse, miss, WIRE_EDE_NONE);
	} else {
		miss->question.about = QUESTION_ELSEWHERE;
		fail(recurse, miss, WIRE_EDE_NONE);
	}
}

/* --- the thread ------------------------------------------------------------------------------ */

static void
on_woken(void *owner)
{
	struct recurse *recurse = owner;
	const struct view *next = worker_next(&recurse->worker);
	struct miss miss;

	if (next != NULL) {
		if (!follow_view(recurse, next))
			log_error("other names are resolved as before the reload, if at all");
		worker_done(&recurse->worker);
	}
	while (queue_pop(recurse->queue, &miss))
		take(recurse, &miss);
}

static void
free_recurse(struct recurse *recurse)
{
	contexts_close(&recurse->contexts); /* what is under way fails: the last replies go out */
	queue_close(recurse->queue);
	worker_close(&recurse->worker);
	free(recurse->waiting);
	free(recurse);
}

static void
link_waiting(struct recurse *recurse)
{
	for (unsigned i = QUESTIONS; i-- > 0;) {
		struct waiting *waiting = &recurse->waiting[i];

		waiting->question.answered = on_answer;
		waiting->deadline.expired = on_deadline;
		waiting->recurse = recurse;
		waiting->next = recurse->free_waiting;
		recurse->free_waiting = waiting;
	}
}

struct recurse *
recurse_open(const struct view *view)
{
	struct recurse *recurse = calloc(1, sizeof *recurse);

	if (recurse == NULL) {
		log_error("cannot resolve other names: out of memory");
		return NULL;
	}
	recurse->view = view;
	recurse->queue = queue_open(QUEUED, sizeof(struct miss));
	recurse->waiting = calloc(QUESTIONS, sizeof *recurse->waiting);
	if (!worker_open(&recurse->worker, on_woken, recurse) || recurse->queue == NULL ||
	    recurse->waiting == NULL || !contexts_open(&recurse->contexts, recurse->worker.loop)) {
		log_error("cannot resolve other names: %s", strerror(errno));
		free_recurse(recurse);
		return NULL;
	}
	if (!follow_view(recurse, view)) {
		free_recurse(recurse);
		return NULL;
	}
	link_waiting(recurse);
	return recurse;
}

bool
recurse_start(struct recurse *recurse)
{
	return worker_start(&recurse->worker);
}

bool
recurse_take(struct recurse *recurse, const struct miss *miss)
{
	return worker_send(&recurse->worker, recurse->queue, miss);
}

void
recurse_view(struct recurse *recurse, const struct view *view)
{
	worker_view(&recurse->worker, view);
}

bool
recurse_alive(struct recurse *recurse)
{
	return loop_comes_round(recurse->worker.loop);
}

void
recurse_stop(struct recurse *recurse)
{
	if (recurse == NULL)
		return;
	worker_stop(&recurse->worker);
	free_recurse(recurse);
}

const struct stats *
recurse_stats(const struct recurse *recurse)
{
	return &recurse->stats;
}

unsigned
recurse_in_flight(const struct recurse *recurse)
{
	return atomic_load_explicit(&recurse->in_flight, memory_order_relaxed);
}

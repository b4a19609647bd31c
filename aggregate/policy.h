/*
 * policy - zones, sites, grades, compiled from the configuration, immutable once built
 *
 * The configuration fills a policy through the functions below, then compile_policy makes it
 * ready for verdicts; from then on it is only read, by every thread. policy_close frees it.
 * Functions that add return NULL or false without memory.
 */
#ifndef AGGREGATE_POLICY_H
#define AGGREGATE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/name.h"
#include "aggregate/site.h"
#include "aggregate/subject.h"

#define POLICY_LIST_SITES_MAX 16 /* sites of one list in one zone */
#define POLICY_TEXT_MAX 1024     /* bytes of a zone's text before its macros are replaced */
#define POLICY_ADDRESSES_MAX 16  /* listen addresses; servers of a list; forwarders */

#define POLICY_MEMO 16      /* sets of answers of a list whose weight is remembered */
#define POLICY_WORDS_MAX 60 /* bytes that explain an error code */

/* Where to ask: a numeric address and a port. */
struct policy_server {
	char address[46];
	uint16_t port;
};

enum policy_ask { POLICY_ALWAYS, POLICY_UNDECIDED };

/*
 * What an answer means: refuse, or trust. For a list nothing depends on it but a warning.
 * POLICY_LOCAL, for zones: what local.trust lists, for others; exceptions have no part in it.
 */
enum policy_kind { POLICY_BLOCK, POLICY_ALLOW, POLICY_LOCAL };

/* What is asked of a list to see whether it is well, RFC 5782 5. */
enum policy_test {
	POLICY_TEST_LISTED = 1, /* 127.0.0.2 must be listed */
	POLICY_TEST_CLEAR = 2,  /* 127.0.0.1 must not be */
	POLICY_TEST_CANARY = 4, /* nor must an address that nobody can have */
	POLICY_TEST_ALL = 7
};

struct policy_list {
	bool lacking;                  /* as in struct policy */
	char name[NAME_TEXT_MAX + 1];  /* what people see */
	char query[NAME_TEXT_MAX + 1]; /* the zone that is asked; may hold a secret key */
	struct policy_server server[POLICY_ADDRESSES_MAX];
	size_t servers;    /* 0: find the servers by recursion */
	unsigned families; /* bit (1 << SUBJECT_IPV4) and so on */
	struct pattern *listed, *errors;
	size_t listed_count, errors_count;
	char (*error_words)[POLICY_WORDS_MAX + 1]; /* of errors[i], "" without */
	enum policy_kind kind;                     /* not POLICY_LOCAL */
	enum policy_ask ask;
	unsigned timeout_ms;
	uint32_t max_qps, max_per_day;     /* 0: no limit */
	uint32_t min_ttl, max_ttl;         /* 1 <= min_ttl <= max_ttl */
	unsigned tests;                    /* bits of enum policy_test */
	const struct policy_list *part_of; /* the list that contains this one, or NULL; no loops */
	bool used;                         /* some zone has a site of it */
	bool local;                        /* it is local.trust: nobody is asked */
	uint16_t local_said; /* what it says of those it lists; valid when local and numbered */
	unsigned number;     /* in the evidence book; valid when used and numbered */
	uint64_t source;     /* hash of where it is asked, not 0; valid like number */
};

struct policy_site {
	bool filtered;
	struct pattern filter;
	int32_t weight;
};

/* One list of a zone with its sites, which stand together in zone->site. */
struct policy_zone_list {
	const struct policy_list *list;
	size_t first_site, sites;
	uint32_t neutral, negative; /* bit i: its site i is neutral; has a negative weight */
	/* made by compile_policy */
	unsigned number, families; /* of the list: what every question needs, close by */
	_Atomic uint32_t *memo; /* POLICY_MEMO: what match_weigh_said has worked out, 0: not yet */
	size_t whole; /* zone->list[whole]: the outermost of the zone that contains it, or itself */
	int32_t low, high; /* extremes of any reply that cancels nothing; low <= 0 <= high */
	int32_t lowest;    /* the least of any reply when positive weights do not count */
	bool may_cancel;   /* some reply matches a neutral site */
	uint64_t mark;     /* hash of the list's name, the same in every process */
};

/* The lists of a zone that are asked for subjects of one family. */
struct policy_asked {
	unsigned lists;   /* how many */
	unsigned numbers; /* theirs are below this; a multiple of POLICY_STRIDE */
	int32_t is_asked[EVIDENCE_LISTS_MAX]; /* by number: -1 or 0 */
};

#define POLICY_STRIDE                                                                              \
	4 /* so many lists are looked at in one step; EVIDENCE_LISTS_MAX is a multiple */

struct policy_grade {
	int32_t score; /* from this score on, 1 or more */
	uint32_t address;
};

enum policy_failure { POLICY_PASS, POLICY_DEFER, POLICY_ANSWER };

struct policy_zone {
	bool lacking; /* as in struct policy */
	char name[NAME_TEXT_MAX + 1];
	uint8_t wire[NAME_WIRE_MAX]; /* the name in wire form */
	size_t wire_length;
	enum policy_kind kind;
	int32_t threshold; /* what %t shows; the grades decide */
	enum policy_failure on_failure;
	uint32_t failure_address; /* valid for POLICY_ANSWER */
	char text[POLICY_TEXT_MAX + 1];
	uint32_t max_ttl, negative_ttl;
	bool adapt;                 /* lists earn their weights: see earned.h */
	uint32_t adapt_band;        /* percent of the operator's weight, either way */
	struct policy_grade *grade; /* ascending scores, at least one */
	size_t grades;
	struct policy_zone_list *list; /* in the order in which `sites` names them first */
	size_t lists;
	bool undecided; /* some list is asked only while the others have not decided */
	struct policy_asked asked[2]; /* by family; made by compile_policy, like the next two */
	unsigned numbers;             /* of all its lists, as in struct policy_asked */
	uint8_t place[EVIDENCE_LISTS_MAX]; /* by number, for its lists: where in `list` */
	struct policy_site *site;
	size_t sites;
	struct prefix *allow; /* who may ask it; allows 0: whoever may ask anything */
	size_t allows;
	size_t index;  /* policy->zone[index] is this one */
	uint64_t mark; /* hash of its name, the same in every process; made by compile_policy */
	bool joint; /* its lists may void one another's weights: see share.h; made by compile_policy
		     */
};

struct policy {
	bool lacking; /* memory ran out: something was not added, and it can't be compiled */
	struct policy_list **list;
	size_t lists;
	struct policy_zone **zone;
	size_t zones;
	uint8_t hostmaster[NAME_WIRE_MAX]; /* SOA rname; length 0: hostmaster.<zone> */
	size_t hostmaster_length;
	struct subject address[POLICY_ADDRESSES_MAX]; /* of ns.<zone> */
	size_t addresses;
	unsigned deadline_ms;
	uint32_t max_stale; /* seconds */
	bool log_verdicts;
	bool recursion; /* resolve names outside the zones too */
	struct policy_server forward[POLICY_ADDRESSES_MAX];
	size_t forwards; /* 0: full recursion */
	/* made by compile_policy */
	uint64_t length[BITS_WORDS(NAME_WIRE_MAX + 1)]; /* bit n: some zone's name has n bytes */
	size_t longest;                                 /* the highest of them */
	uint16_t *table; /* zone index + 1 by hash of the name, 0 free; table_size a power of 2 */
	size_t table_size;
	const struct policy_list *local; /* the list that is local, if a zone names it, or NULL */
	const struct policy_list *numbered[EVIDENCE_LISTS_MAX]; /* by evidence number, or NULL */
};

struct policy *policy_open(void);
void policy_close(struct policy *policy);

/* Find a list by its folded name, or add it with the defaults of an undescribed list. */
struct policy_list *policy_list_find(const struct policy *policy, const char *name);
struct policy_list *policy_list_add(struct policy *policy, const char *name);
bool policy_list_add_listed(struct policy_list *list, const struct pattern *pattern);
/* `words`, at most POLICY_WORDS_MAX bytes, say what the code means; "" for no more than that. */
bool policy_list_add_error(
    struct policy_list *list, const struct pattern *pattern, const char *words);

/*
 * Does the list refuse us in this reply, by its own error codes? What the first of them means, and
 * (unless NULL) which it is; NULL when none is there.
 */
const char *policy_refusal(
    const struct policy_list *list, const struct answers *answers, uint32_t *address);

/* The zone of this folded name; only after compile_policy. */
struct policy_zone *policy_zone_find(const struct policy *policy, const char *name);

struct policy_zone *policy_zone_add(struct policy *policy, const char *name);
bool policy_zone_add_allow(struct policy_zone *zone, const struct prefix *prefix);
bool policy_zone_add_grade(struct policy_zone *zone, int32_t score, uint32_t address);

/* False also when the list has POLICY_LIST_SITES_MAX sites in this zone already. */
bool policy_zone_add_site(
    struct policy_zone *zone, struct policy_list *list, const struct site *site);

/* Site i of a list of the zone, as one would write it. */
void policy_site_print(const struct policy_zone *zone, const struct policy_zone_list *entry,
    size_t i, struct text *text);

/*
 * The place in zone->list of the outermost list that contains the one at this place and that the
 * zone names; its own place when there is none.
 */
size_t policy_whole(const struct policy_zone *zone, size_t place);

/* Index the zones by their names: the last step of compile_policy. False without memory. */
bool policy_index(struct policy *policy);

/* The zone of this very name (wire form, any case, `length` bytes with the root label), or NULL. */
const struct policy_zone *policy_zone_named(
    const struct policy *policy, const uint8_t *name, size_t length);

/*
 * The longest zone that `name` (wire form, any case, `length` bytes with the root label) is
 * equal to or below; *offset is where the zone's name begins in it. NULL: outside all zones.
 */
const struct policy_zone *policy_zone_of_name(
    const struct policy *policy, const uint8_t *name, size_t length, size_t *offset);

/* How many lists are named by some zone. */
size_t policy_used(const struct policy *policy);

bool policy_same_servers(
    const struct policy_server *a, size_t count_a, const struct policy_server *b, size_t count_b);

/* A hash of what the list's evidence depends on: the zone that is asked, and the servers. Not 0. */
uint64_t policy_source(const struct policy_list *list);

/* The lists, by number, that it asks elsewhere than where their evidence comes from. */
void policy_find_moved(const struct policy *policy, const struct evidence_book *book,
    uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)]);

/* Would both ask the same servers for the same lists? */
bool policy_same_upstream(const struct policy *a, const struct policy *b);

#endif

/*
 * findings - what doctor has seen: the servers it asked, and what is wrong, in words or as JSON
 */
#ifndef RESOLVER_FINDINGS_H
#define RESOLVER_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "resolver/tool.h"

enum finding_level { FINDING_NOTE, FINDING_WARNING, FINDING_PROBLEM, FINDING_LEVELS };

struct finding {
	enum finding_level level;
	const char *what;  /* one word for programs, static */
	char server[80];   /* which one, or "" */
	char text[1500];   /* sentences */
	char for_whom[40]; /* whose configuration the lines belong to; valid with lines */
	char lines[1500];  /* to add there, each ended; "": none */
};

struct findings {
	struct tool_table servers;
	struct finding *finding;
	size_t count;
	unsigned level[FINDING_LEVELS]; /* how many of each */
	bool lost;                      /* one did not fit into memory */
};

void findings_begin(struct findings *findings);

/* A row of the table of servers: who it is, where it is named, what it makes of our zones. */
void findings_add_server(struct findings *findings, const char *server, const char *who,
    const char *named_in, const char *says);

/* A new finding without text, to be filled in; never NULL, but perhaps not kept. */
struct finding *findings_add(struct findings *findings, enum finding_level level, const char *what);

/* Its text, to be added to. */
struct text finding_text(struct finding *finding);

/* No problem; warnings and notes may be there. */
bool findings_well(const struct findings *findings);

void findings_print(struct findings *findings, bool json); /* and frees */

#endif

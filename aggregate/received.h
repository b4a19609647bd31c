/*
 * received - which client handed a message to us, by the Received lines of our own hosts
 *
 * Lines are read from the top, where the last host wrote. A line counts when it is `by` one of the
 * trusted names; the client it names is the answer, unless that is itself trusted (a relay of
 * ours, or the loopback): then the next line is that relay's. Everything below the first line that
 * is not ours may be forged and is not looked at.
 *
 * Within a line the client chooses its HELO name, its reverse name and the name in its
 * certificate. Postfix, Sendmail, OpenSMTPD and qmail write the address last on the line's first
 * physical line; Exim writes it before the HELO name.
 */
#ifndef AGGREGATE_RECEIVED_H
#define AGGREGATE_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/name.h"
#include "aggregate/subject.h"
#include "aggregate/text.h"

#define RECEIVED_TRUSTED_MAX 32
#define RECEIVED_HEADER_MAX 65536 /* bytes of a message that are looked at */

/* Our own hosts: the names they call themselves, and the addresses they send from. */
struct received_trusted {
	char name[RECEIVED_TRUSTED_MAX][NAME_TEXT_MAX + 1]; /* folded */
	size_t names;
	struct prefix prefix[RECEIVED_TRUSTED_MAX];
	size_t prefixes;
};

/* A name or a prefix; false when it is neither, or there are too many. */
bool received_trust(struct received_trusted *trusted, const char *word);

/*
 * The client of this message (its beginning will do). False, with a sentence in `error`, when no
 * line of ours names one.
 */
bool received_client(const char *message, size_t length, const struct received_trusted *trusted,
    struct subject *client, struct text *error);

/* The message within: the first part of type message/rfc822; NULL when there is none. */
const char *received_attached(const char *message, size_t length, size_t *attached_length);

#endif

#include "aggregate/received.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* One Received line. */
struct trace {
	char first[1024]; /* its first physical line, without the name of the header */
	char whole[4096]; /* unfolded, spaces made one, lower case, a space at both ends */
};

bool
received_trust(struct received_trusted *trusted, const char *word)
{
	if (trusted->prefixes < RECEIVED_TRUSTED_MAX &&
	    prefix_parse(word, &trusted->prefix[trusted->prefixes])) {
		trusted->prefixes++;
		return true;
	}
	if (trusted->names < RECEIVED_TRUSTED_MAX &&
	    name_fold(word, trusted->name[trusted->names])) {
		trusted->names++;
		return true;
	}
	return false;
}

static bool
is_trusted_client(const struct received_trusted *trusted, const struct subject *client)
{
	if (client->family == SUBJECT_IPV4 && client->octet[0] == 127)
		return true;
	for (size_t i = 0; i < trusted->prefixes; i++)
		if (prefix_covers(&trusted->prefix[i], client))
			return true;
	return subject_place(client) == SUBJECT_SPECIAL && client->family == SUBJECT_IPV6 &&
	       client->octet[0] == 0; /* ::1 */
}

/* Where the physical line that begins at `at` ends: at its newline, or at `end`. */
static const char *
line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline == NULL ? end : newline;
}

static const char *
after_line(const char *at, const char *end)
{
	const char *stop = line_end(at, end);

	return stop < end ? stop + 1 : end;
}

static bool
is_blank_line(const char *at, const char *end)
{
	const char *stop = line_end(at, end);

	return stop == at || (stop == at + 1 && *at == '\r');
}

static bool
begins(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - at) >= length && strncasecmp(at, word, length) == 0;
}

/* Spaces and tabs become one space, bytes that do not print '?'. */
static void
add_folded(struct text *text, const char *at, const char *stop)
{
	for (; at < stop; at++) {
		char c = *at == '\t' || *at == '\r' ? ' ' : *at;

		if (c == ' ' && text->length > 0 && text->start[text->length - 1] == ' ')
			continue;
		text_add_printable(text, &c, 1);
	}
}

/* The header line at `at`, with its continuations, into a trace; returns where the next begins. */
static const char *
read_trace(const char *at, const char *end, struct trace *trace)
{
	struct text first, whole;
	const char *stop = line_end(at, end);

	text_init(&first, trace->first, sizeof trace->first);
	text_init(&whole, trace->whole, sizeof trace->whole);
	at += strlen("Received:");
	text_add(&first, " ");
	add_folded(&first, at, stop);
	text_add(&whole, " ");
	add_folded(&whole, at, stop);
	at = stop < end ? stop + 1 : end;
	while (at < end && (*at == ' ' || *at == '\t')) {
		stop = line_end(at, end);
		text_add(&whole, " ");
		add_folded(&whole, at, stop);
		at = stop < end ? stop + 1 : end;
	}
	text_add(&whole, " ");
	for (char *c = trace->whole; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return at;
}

/* Where the last " by NAME" of a trusted name begins, before anything of the recipient's; or NULL.
 */
static const char *
find_by(const char *line, const struct received_trusted *trusted)
{
	const char *recipient = strstr(line, " for "), *last = NULL;

	for (const char *by = strstr(line, " by "); by != NULL; by = strstr(by + 1, " by ")) {
		const char *name = by + 4;
		size_t length = strcspn(name, " ;");

		if (recipient != NULL && by > recipient)
			break;
		while (length > 0 && name[length - 1] == '.')
			length--;
		for (size_t i = 0; i < trusted->names; i++)
			if (strlen(trusted->name[i]) == length &&
			    strncasecmp(trusted->name[i], name, length) == 0)
				last = by;
	}
	return last;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "(192.0.2.1)": the text between, read. */
static bool
read_address(const char *start, size_t length, struct subject *subject)
{
	char address[64];

	if (length > 5 && strncasecmp(start, "IPv6:", 5) == 0) {
		start += 5;
		length -= 5;
	}
	if (length == 0 || length >= sizeof address)
		return false;
	memcpy(address, start, length);
	address[length] = '\0';
	return subject_parse(address, subject);
}

/* The last address in brackets or parentheses; what is between others is a name. */
static bool
last_address(const char *line, struct subject *subject)
{
	bool found = false;

	for (const char *open = strpbrk(line, "[("); open != NULL; open = strpbrk(open + 1, "[(")) {
		size_t length = strcspn(open + 1, "])[( ");

		if ((open[length + 1] == ']' || open[length + 1] == ')') &&
		    read_address(open + 1, length, subject))
			found = true;
	}
	return found;
}

/* Exim: "from [192.0.2.1] (helo=x)" or "from name ([192.0.2.1] helo=x)", a port behind the bracket.
 */
static bool
exim_address(const char *line, struct subject *subject)
{
	const char *at = line + strspn(line, " ");
	size_t length;

	if (strncasecmp(at, "from ", 5) != 0)
		return false;
	at += 5;
	if (*at != '[') {
		at += strcspn(at, " ");
		if (strncmp(at, " ([", 3) != 0)
			return false;
		at += 2;
	}
	length = strcspn(at + 1, "] ");
	return at[length + 1] == ']' && read_address(at + 1, length, subject);
}

/* Was it Exim that wrote what stands after `by` and before the recipient? */
static bool
is_exim(const char *by)
{
	const char *exim = strstr(by, "(exim "), *recipient = strstr(by, " for ");

	return exim != NULL && (recipient == NULL || exim < recipient);
}

/* The client that a line of ours names; false: none, a hop within the host. */
static bool
client_of(struct trace *trace, const char *by, struct subject *client)
{
	size_t first = strlen(trace->first), at = (size_t)(by - trace->whole);

	if (is_exim(by))
		return exim_address(trace->first, client);
	/* all in one physical line, with which the whole begins: the client stands before it */
	if (at < first)
		trace->first[at] = '\0';
	return last_address(trace->first, client);
}

bool
received_client(const char *message, size_t length, const struct received_trusted *trusted,
    struct subject *client, struct text *error)
{
	const char *at = message, *end = message + length, *by;
	struct trace trace;

	if (length > RECEIVED_HEADER_MAX)
		end = message + RECEIVED_HEADER_MAX;
	while (at < end && !is_blank_line(at, end)) {
		if (!begins(at, end, "Received:")) {
			at = after_line(at, end);
			continue;
		}
		at = read_trace(at, end, &trace);
		by = find_by(trace.whole, trusted);
		if (by == NULL) {
			text_add(error, "a Received line that no trusted host wrote comes first");
			return false;
		}
		if (client_of(&trace, by, client) && !is_trusted_client(trusted, client))
			return true;
	}
	text_add(error, "no Received line of a trusted host names a client");
	return false;
}

const char *
received_attached(const char *message, size_t length, size_t *attached_length)
{
	const char *end = message + length;
	bool within = false; /* the headers of such a part */

	for (const char *at = message; at < end; at = after_line(at, end)) {
		if (begins(at, end, "Content-Type: message/rfc822"))
			within = true;
		if (!within || !is_blank_line(at, end))
			continue;
		at = after_line(at, end);
		*attached_length = (size_t)(end - at);
		return at;
	}
	return NULL;
}

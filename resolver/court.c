#include "resolver/court.h"

#include <stdio.h>

#define LABEL_SHOWN 0.05 /* trust that it takes to call a subject spam or ham here */

void
court_close(struct court *court)
{
	trust_close(court->trust);
	ledger_close(court->ledger);
	config_close(court->config);
	evidence_book_close(court->book);
}

bool
court_open(const struct tool *tool, bool quiet, struct court *court)
{
	struct mistakes mistakes = {0};

	*court = (struct court){.book = evidence_book_open()};
	if (court->book != NULL)
		court->config = config_read(tool->file, court->book, &mistakes);
	if (court->config == NULL && !quiet)
		(void)fputs(
		    mistakes.text == NULL ? "tallyctl: out of memory\n" : mistakes.text, stderr);
	mistakes_free(&mistakes);
	court->ledger = ledger_open(tool->state_dir, STORE_READ);
	if (court->config != NULL && ledger_error(court->ledger) == NULL)
		court->trust = ledger_trust(court->ledger, tool->now);
	if (court->trust != NULL)
		return true;
	if (!quiet && ledger_error(court->ledger) != NULL)
		(void)tool_fail("%s", ledger_error(court->ledger));
	court_close(court);
	return false;
}

const struct policy_zone *
court_zone(const struct tool *tool, const struct policy *policy)
{
	const char *name = tool->line.option[COMMAND_ZONE];
	char folded[NAME_TEXT_MAX + 1];
	const struct policy_zone *zone = policy->zone[0];

	if (name != NULL)
		zone = name_fold(name, folded) ? policy_zone_find(policy, folded) : NULL;
	if (zone == NULL)
		(void)tool_fail("--zone \"%s\": %s has no such zone", name, tool->file);
	return zone;
}

bool
court_hears(const struct recommendation *recommendation)
{
	return recommendation->testimony[0] != '\0' && recommendation->kind != TRUST_WITHDRAW;
}

int
court_label(const struct court *court, const struct subject *subject)
{
	const struct trust_subject *found = trust_find(court->trust, subject);

	return found == NULL ? 0 : reputation_label(&found->reputation, LABEL_SHOWN);
}

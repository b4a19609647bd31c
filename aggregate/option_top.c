#include "aggregate/option.h"

#include <string.h>

static void
apply_listen(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;
	struct policy_server server;

	(void)option;
	config->listens = option_servers(given, config->listen);
	if (given->value->words == 0)
		option_mistake(given, 0, "expected at least one address");
	for (size_t i = 0; i < given->value->words; i++)
		if (option_server(option_word(given, i), &server) == NULL &&
		    (strcmp(server.address, "0.0.0.0") == 0 || strcmp(server.address, "::") == 0))
			option_mistake(given, i,
			    "name each address: a reply must leave from the "
			    "address that was asked");
}

static void
apply_forward(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->policy->forwards = option_servers(given, config->policy->forward);
}

static void
apply_allow(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->allows = 0;
	for (size_t i = 0; i < given->value->words; i++) {
		if (config->allows == CONFIG_ALLOW_MAX)
			option_mistake(given, i, "more than %d prefixes", CONFIG_ALLOW_MAX);
		else if (!prefix_parse(option_word(given, i), &config->allow[config->allows]))
			option_mistake(given, i, OPTION_PREFIX_EXPECTED);
		else
			config->allows++;
	}
}

/* "hostmaster@example.org", or the same as a domain name; RFC 1035 8: the part before @ is a label.
 */
static void
apply_hostmaster(const struct option_given *given, const struct option *option)
{
	struct policy *policy = ((struct config *)given->object)->policy;
	const char *text = option_word(given, 0), *at = strchr(text, '@');
	size_t local = at == NULL ? 0 : (size_t)(at - text);
	char folded[NAME_TEXT_MAX + 1];
	uint8_t *wire = policy->hostmaster;

	(void)option;
	if (text[0] == '\0')
		return;
	if ((at != NULL && (local == 0 || local > 63)) ||
	    !name_fold(at == NULL ? text : at + 1, folded) ||
	    strlen(folded) + local > NAME_TEXT_MAX - 1) {
		option_mistake(given, 0, "expected a mail address");
		return;
	}
	if (at != NULL) {
		*wire++ = (uint8_t)local;
		memcpy(wire, text, local);
		wire += local;
	}
	policy->hostmaster_length =
	    (size_t)(wire - policy->hostmaster) + name_to_wire(folded, wire);
}

/* A number of the whole configuration that the policy keeps. */
static void
apply_to_policy(const struct option_given *given, const struct option *option, size_t offset)
{
	struct option row = *option;
	struct option_given policy = *given;

	policy.object = ((struct config *)given->object)->policy;
	row.offset = offset;
	option_number(&policy, &row);
}

static void
apply_deadline(const struct option_given *given, const struct option *option)
{
	apply_to_policy(given, option, offsetof(struct policy, deadline_ms));
}

static void
apply_max_stale(const struct option_given *given, const struct option *option)
{
	apply_to_policy(given, option, offsetof(struct policy, max_stale));
}

static void
apply_trusted(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	memset(&config->trusted, 0, sizeof config->trusted);
	for (size_t i = 0; i < given->value->words; i++)
		if (!received_trust(&config->trusted, option_word(given, i)))
			option_mistake(given, i,
			    "expected a host's name, an address or a prefix, no more than %d each",
			    RECEIVED_TRUSTED_MAX);
}

static void
apply_without_exceptions(const struct option_given *given, const struct option *option)
{
	(void)option;
	((struct config *)given->object)->without_exceptions = option_truth(given) == 1;
}

static void
apply_recursion(const struct option_given *given, const struct option *option)
{
	(void)option;
	((struct config *)given->object)->policy->recursion = option_truth(given) == 1;
}

static void
apply_log_verdicts(const struct option_given *given, const struct option *option)
{
	int value = option_truth(given);

	(void)option;
	((struct config *)given->object)->policy->log_verdicts = value == 1;
}

const struct option option_top[] = {
    {"listen", true, apply_listen, 0, 0, 0, NULL},
    {"allow", true, apply_allow, 0, 0, 0, NULL},
    {"control", false, option_path, offsetof(struct config, control), 0, CONFIG_PATH_MAX, NULL},
    {"state-dir", false, option_path, offsetof(struct config, state_dir), 1, CONFIG_PATH_MAX, NULL},
    {"without-exceptions", false, apply_without_exceptions, 0, 0, 0, NULL},
    {"user", false, option_string, offsetof(struct config, user), 0, CONFIG_USER_MAX, NULL},
    {"trusted-hosts", true, apply_trusted, 0, 0, 0, NULL},
    {"threads", false, option_number, offsetof(struct config, threads), 0, 64, NULL},
    {"cache-mib", false, option_number, offsetof(struct config, cache_mib), 1, 65536, NULL},
    {"deadline-ms", false, apply_deadline, 0, 50, 60000, NULL},
    {"max-stale", false, apply_max_stale, 0, 0, 604800, NULL},
    {"forward", true, apply_forward, 0, 0, 0, NULL},
    {"recursion", false, apply_recursion, 0, 0, 0, NULL},
    {"trust-anchor", false, option_path, offsetof(struct config, trust_anchor), 0, CONFIG_PATH_MAX,
	NULL},
    {"hostmaster", false, apply_hostmaster, 0, 0, 0, NULL},
    {"log-level", false, option_choice, offsetof(struct config, log_level), 0, 0,
	"error warning info debug"},
    {"log-verdicts", false, apply_log_verdicts, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};

#include "resolver/advice.h"

#include <string.h>

/* In the lines: %z the zone, %s the address, %p a port other than 53 in the resolver's syntax. */
struct lines {
	enum advice_kind kind;
	unsigned obstacles; /* bit (1 << OBSTACLE_...) and so on */
	const char *lines;
};

#define BIT(obstacle) (1u << (obstacle))
#define ASKS (BIT(OBSTACLE_ELSEWHERE) | BIT(OBSTACLE_REFUSES) | BIT(OBSTACLE_DIFFERS))
#define SIGNS (BIT(OBSTACLE_VALIDATES) | BIT(OBSTACLE_DNSSEC))

static const struct lines all_lines[] = {
    {ADVICE_UNBOUND, ASKS | BIT(OBSTACLE_FAILS),
	"server:\n"
	"    do-not-query-localhost: no\n"
	"    domain-insecure: \"%z.\"\n"
	"    private-domain: \"%z.\"\n"
	"    local-zone: \"%z.\" transparent\n"
	"forward-zone:\n"
	"    name: \"%z.\"\n"
	"    forward-addr: %s%p\n"
	"    forward-no-cache: yes\n"},
    {ADVICE_UNBOUND, SIGNS, "server:\n    domain-insecure: \"%z.\"\n"},
    {ADVICE_UNBOUND, BIT(OBSTACLE_REBIND), "server:\n    private-domain: \"%z.\"\n"},
    {ADVICE_UNBOUND, BIT(OBSTACLE_TTL), "server:\n    cache-min-ttl: 0\n"},
    {ADVICE_UNBOUND, BIT(OBSTACLE_PORT), "server:\n    interface: 127.0.0.1\n"},
    {ADVICE_BIND, ASKS | BIT(OBSTACLE_FAILS),
	"options { validate-except { \"%z\"; }; };\n"
	"zone \"%z\" { type forward; forward only; forwarders { %s%p; }; };\n"},
    {ADVICE_BIND, SIGNS, "options { validate-except { \"%z\"; }; };\n"},
    {ADVICE_BIND, BIT(OBSTACLE_REBIND),
	"options { deny-answer-addresses { 127.0.0.0/8; } except-from { \"%z\"; }; };\n"},
    {ADVICE_BIND, BIT(OBSTACLE_TTL), "options { min-cache-ttl 0; min-ncache-ttl 0; };\n"},
    {ADVICE_DNSMASQ, ASKS | BIT(OBSTACLE_FAILS),
	"server=/%z/%s%p\nbind-interfaces\nrebind-domain-ok=/%z/\n"},
    {ADVICE_DNSMASQ, BIT(OBSTACLE_REBIND), "rebind-domain-ok=/%z/\n"},
    {ADVICE_DNSMASQ, BIT(OBSTACLE_PORT), "bind-interfaces\n"},
    {ADVICE_DNSMASQ, BIT(OBSTACLE_TTL), "min-cache-ttl=0\n"},
    {ADVICE_PDNS, ASKS | BIT(OBSTACLE_FAILS),
	"forward-zones-recurse=%z=%s%p\n"
	"# and in the lua-config-file:\n"
	"addNTA(\"%z\", \"tallyd on this host\")\n"},
    {ADVICE_PDNS, SIGNS, "addNTA(\"%z\", \"tallyd on this host\")\n"},
    {ADVICE_PDNS, BIT(OBSTACLE_TTL), "minimum-ttl-override=1\n"},
    {ADVICE_KNOT, ASKS | SIGNS | BIT(OBSTACLE_FAILS) | BIT(OBSTACLE_REBIND),
	"tally = policy.todnames({'%z'})\n"
	"policy.add(policy.suffix(policy.FLAGS({'ALLOW_LOCAL'}), tally))\n"
	"policy.add(policy.suffix(policy.STUB('%s%p'), tally))\n"},
    {ADVICE_KNOT, BIT(OBSTACLE_TTL), "cache.min_ttl(0)\n"},
    {ADVICE_RESOLVED, ASKS | SIGNS | BIT(OBSTACLE_FAILS),
	"[Resolve]\nDNS=%s%p\nDomains=~%z\nDNSSEC=no\n"},
};

static const struct {
	const char *name, *process, *version; /* the last two as they begin; NULL: none */
	const char *port;                     /* how a port is written behind an address */
} kinds[ADVICE_KINDS] = {
    [ADVICE_UNKNOWN] = {"an unknown resolver", NULL, NULL, "@"},
    [ADVICE_TALLYD] = {"tallyd", "tallyd", "tally ", "@"},
    [ADVICE_UNBOUND] = {"unbound", "unbound", "unbound", "@"},
    [ADVICE_BIND] = {"BIND", "named", "9.", " port "},
    [ADVICE_DNSMASQ] = {"dnsmasq", "dnsmasq", "dnsmasq", "#"},
    [ADVICE_PDNS] = {"PowerDNS Recursor", "pdns_recursor", "PowerDNS Recursor", ":"},
    [ADVICE_KNOT] = {"Knot Resolver", "kresd", "Knot Resolver", "@"},
    [ADVICE_RESOLVED] = {"systemd-resolved", "systemd-resolve", NULL, ":"},
};

static bool
begins(const char *string, const char *beginning)
{
	return beginning != NULL && strncmp(string, beginning, strlen(beginning)) == 0;
}

enum advice_kind
advice_of_process(const char *name)
{
	for (unsigned i = 0; i < ADVICE_KINDS; i++)
		if (begins(name, kinds[i].process))
			return (enum advice_kind)i;
	return ADVICE_UNKNOWN;
}

enum advice_kind
advice_of_version(const char *version)
{
	for (unsigned i = 0; i < ADVICE_KINDS; i++)
		if (begins(version, kinds[i].version))
			return (enum advice_kind)i;
	return ADVICE_UNKNOWN;
}

const char *
advice_name(enum advice_kind kind)
{
	return kinds[kind].name;
}

static void
add_replaced(const struct lines *lines, const char *zone, const struct policy_server *server,
    struct text *text)
{
	for (const char *at = lines->lines; *at != '\0'; at++) {
		if (*at != '%') {
			text_add_bytes(text, at, 1);
			continue;
		}
		at++;
		if (*at == 'z')
			text_add(text, zone);
		else if (*at == 's')
			text_add(text, server->address);
		else if (server->port != 53)
			text_add_format(
			    text, "%s%u", kinds[lines->kind].port, (unsigned)server->port);
	}
}

void
advice_lines(enum advice_kind kind, enum obstacle obstacle, const char *zone,
    const struct policy_server *server, struct text *text)
{
	for (size_t i = 0; i < sizeof all_lines / sizeof all_lines[0]; i++)
		if (all_lines[i].kind == kind && (all_lines[i].obstacles & BIT(obstacle)) != 0)
			add_replaced(&all_lines[i], zone, server, text);
}

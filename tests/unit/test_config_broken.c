/*
 * Broken configurations, one a row, each with all the mistakes that one run must name. A mistake
 * is "LINE: part of its text" for tallyd.conf, "other.conf:LINE: part" for the included file, and
 * ": part" for one without a line.
 */
#include "aggregate/config.h"

#include <sys/stat.h>

#include "tests/unit/files.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_SEEN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_SEEN 1
#endif
#ifdef LEAKS_ARE_SEEN
#include <sanitizer/lsan_interface.h>
#endif

struct broken {
	const char *name;
	const char *text, *other; /* of tallyd.conf and other.conf; NULL: no such file */
	const char *mistakes[14];
};

#define SITES "\tsites = {\"a.example\"}\n"
#define ZONE "zone \"bl.example\" {\n" SITES "}\n"
/* the options are on line 1, 2 and 3 */
#define TOP(options) options "\n" ZONE
#define LIST(options) "list \"a.example\" {\n\t" options "\n}\n" ZONE
#define IN_ZONE(options) "zone \"bl.example\" {\n" SITES "\t" options "\n}\n"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X180 X60 X60 X60
#define X250 X180 X60 X10
#define X1025 X250 X250 X250 X250 X10 X10 "xxxxx"

#define NO_OPTION "there is no such option here"
#define NO_SERVER "expected a numeric address, or address@port"
#define NO_PORT "expected a port of 1 to 65535 after \"@\""

static struct broken broken[] = {
    /* names that nobody knows */
    {"an unknown option at the top", TOP("colour = red"), NULL, {"1: \"colour\": " NO_OPTION}},
    {"an unknown option of a list", LIST("colour = red"), NULL, {"2: \"colour\": " NO_OPTION}},
    {"an unknown option of a zone", IN_ZONE("colour = red"), NULL, {"3: \"colour\": " NO_OPTION}},
    {"an option of a zone in a list", LIST("threshold = 3"), NULL,
	{"2: \"threshold\": " NO_OPTION ", but in a zone"}},
    {"an option of a list in a zone", IN_ZONE("timeout-ms = 3"), NULL,
	{"3: \"timeout-ms\": " NO_OPTION ", but in a list"}},
    {"options of sections at the top, and the reverse",
	TOP("threshold = 3\nmax-ttl = 3\nlist \"x.example\" { cache-mib = 3 }"), NULL,
	{"1: \"threshold\": " NO_OPTION ", but in a zone",
	    "2: \"max-ttl\": " NO_OPTION ", but in a list or a zone",
	    "3: \"cache-mib\": " NO_OPTION ", but outside of sections"}},
    {"an option in capitals", TOP("Threads = 3"), NULL, {"1: \"Threads\": " NO_OPTION}},
    {"an option in quotes that nobody knows", TOP("\"colour\" = 1"), NULL,
	{"1: \"colour\": " NO_OPTION}},
    {"an unknown section", TOP("colours \"warm\" {\n\tred = 1\n\tlike = {\"a\", \"b\"}\n}"), NULL,
	{"1: \"colours\": " NO_OPTION}},
    {"an unknown section without a title", TOP("colours {\n\tred = {}\n}\nthreads = 65"), NULL,
	{"1: \"colours\": " NO_OPTION, "4: threads"}},
    {"an unknown call", TOP("colour(\"red\", \"green\")\nthreads = 65"), NULL,
	{"1: \"colour\": " NO_OPTION, "2: threads"}},
    {"unknown options everywhere and other mistakes are found in one run",
	"one = 1\nthreads = 65\ntwo = {\"a\",\n\"b\"}\nlist \"a.example\" {\n\tthree = 3\n"
	"\tmin-ttl = 0\n}\nfour += {\"x\"}\nzone \"bl.example\" {\n\tfive = \"5\"\n"
	"\tsites = {\"a.example\"}\n\tthreshold = 0\n\tsix = {}\n}\nseven = seven\n",
	NULL,
	{"1: \"one\": ", "2: threads = \"65\"",
	    "3: \"two\": ", "6: \"three\": ", "7: min-ttl = \"0\"", "9: \"four\": ", "9: \"+=\": ",
	    "11: \"five\": ", "13: threshold = \"0\"", "14: \"six\": ", "16: \"seven\": "}},
    {"an unknown option whose value is its name", TOP("colour = \"colour\"\nthreads = 65"), NULL,
	{"1: \"colour\": " NO_OPTION, "2: threads"}},
    {"an unknown option among known ones with its name for a value",
	TOP("user = \"colour\" colour = 1 listen = {\"colour\"}"), NULL,
	{"1: \"colour\": " NO_OPTION, "1: listen = \"colour\": " NO_SERVER}},
    {"an unknown option given twice on a line", TOP("colour = 1 colour = 2\nthreads = 65"), NULL,
	{"1: \"colour\": " NO_OPTION, "2: threads"}},
    {"an unknown option whose value is a path", TOP("colour = a/b/c\nthreads = 65"), NULL,
	{"1: \"colour\": " NO_OPTION, "2: threads"}},
    {"two unknown options on a line", TOP("colour = {\"1\"} shade = 2\nthreads = 65"), NULL,
	{"1: \"colour\": " NO_OPTION, "1: \"shade\": " NO_OPTION, "2: threads"}},
    {"an unknown option whose value is on the next line", TOP("colour =\n\t\"red\"\nthreads = 65"),
	NULL, {"1: \"colour\": " NO_OPTION, "3: threads"}},
    {"semicolons between options", TOP("threads = 1;\nuser = \"x\";"), NULL,
	{"1: threads = \"1;\"", "2: \";\": " NO_OPTION}},

    /* lines */
    {"mistakes behind comments of all kinds keep their lines",
	"# one\n// two\n/* three\n * four\n */ /* five */\n## six ##\nthreads = 65 # seven\n"
	"cache-mib = 0 // eight\nuser = /* nine\nten */ \"" X60
	"\"\ncolour = 1 /* eleven */\n" ZONE,
	NULL,
	{"7: threads = \"65\"", "8: cache-mib = \"0\"", "10: user = \"xxx",
	    "11: \"colour\": " NO_OPTION}},
    {"mistakes behind comments inside braces keep their lines",
	"listen = { # one\n\t\"127.0.0.2\", // two\n\t\"bad\" /* three\n\tfour */\n}\n"
	"zone \"bl.example\" {\n\tsites = {\n\t\t\"a.example\", # eight\n\t\t\"b..example\" # "
	"nine\n"
	"\t} # ten\n\tthreshold = 0\n}\n",
	NULL, {"3: listen = \"bad\"", "9: sites = \"b..example\"", "11: threshold = \"0\""}},
    {"mistakes behind a block comment of several lines keep their lines",
	"/* one\n\nthree */ threads = 65 /*\n*/ cache-mib = 0\n/*\n\n*/\nlisten = {\n", NULL,
	{"8: "}},
    {"an escaped quote before what looks like a comment",
	"user = \"a \\\" # b\"\nthreads = 65\ncolour = \"\\\\\" # \"\n" ZONE, NULL,
	{"2: threads", "3: \"colour\": " NO_OPTION}},
    {"a list and a zone of one name are told apart",
	"list \"bl.example\" {\n\tmin-ttl = 5\n}\n\nzone \"bl.example\" {\n\tthreshold = 2\n}\n"
	"list \"cl.example\" {\n\tmax-ttl = 5\n}\n",
	NULL, {"5: zone \"bl.example\": no sites", "8: list \"cl.example\": min-ttl 60"}},
    {"empty lists of words have lines of their own",
	"zone \"al.example\" {\n\tkind = \"block\"\n\tsites = {}\n}\nzone \"bl.example\" {\n"
	"\ttext = \"sites\"\n\n\tsites = {\n}\n}\nlisten = {}\n",
	NULL, {"3: sites = \"\"", "8: sites = \"\"", "11: listen = \"\""}},
    {"a string over several lines and one with a hash",
	"user = \"a\nb # no comment\"\nlog-level = \"/* no */ // comment\"\nthreads = 65\n" ZONE,
	NULL, {"3: log-level = \"/* no */ // comment\"", "4: threads"}},
    {"each word of a list has its own line",
	"listen = {\"127.0.0.2\",\n\t\"one\",\n\n\t\"127.0.0.3@0\", \"two\"}\n" ZONE, NULL,
	{"2: listen = \"one\"", "4: listen = \"127.0.0.3@0\"", "4: listen = \"two\""}},
    {"lines that end in carriage return and line feed", "# one\r\nthreads = 65\r\n" ZONE, NULL,
	{"2: threads = \"65\""}},

    /* numbers */
    {"a number above its range", TOP("threads = 65"), NULL,
	{"1: threads = \"65\": expected a number of 0 to 64"}},
    {"a number below its range", TOP("cache-mib = 0"), NULL,
	{"1: cache-mib = \"0\": expected a number of 1 to 65536"}},
    {"a number with a leading zero", TOP("threads = 08"), NULL, {"1: threads = \"08\""}},
    {"a negative number", TOP("threads = -1"), NULL, {"1: threads = \"-1\""}},
    {"a hexadecimal number", TOP("threads = 0x1"), NULL, {"1: threads = \"0x1\""}},
    {"a fraction", TOP("threads = 1.5"), NULL, {"1: threads = \"1.5\""}},
    {"a number with a unit", TOP("deadline-ms = 100ms"), NULL, {"1: deadline-ms = \"100ms\""}},
    {"an empty number", TOP("threads = \"\""), NULL, {"1: threads = \"\": expected a number"}},
    {"a number with a space", TOP("threads = \" 1\""), NULL, {"1: threads = \" 1\""}},
    {"a number beyond 64 bits", TOP("threads = 18446744073709551617"), NULL, {"1: threads"}},
    {"a word for a number", TOP("cache-mib = true"), NULL, {"1: cache-mib = \"true\""}},
    {"ranges of the numbers at the top",
	TOP("cache-mib = 65537\ndeadline-ms = 49\nmax-stale = 604801"), NULL,
	{"1: cache-mib = \"65537\": expected a number of 1 to 65536",
	    "2: deadline-ms = \"49\": expected a number of 50 to 60000",
	    "3: max-stale = \"604801\": expected a number of 0 to 604800"}},
    {"a deadline of more than a minute", TOP("deadline-ms = 60001"), NULL, {"1: deadline-ms"}},
    {"ranges of the numbers of a list",
	LIST("timeout-ms = 49\nmin-ttl = 86401\nmax-ttl = 604801\nmax-qps = 1000001"), NULL,
	{"2: timeout-ms = \"49\": expected a number of 50 to 60000",
	    "3: min-ttl = \"86401\": expected a number of 1 to 86400",
	    "4: max-ttl = \"604801\": expected a number of 1 to 604800",
	    "5: max-qps = \"1000001\": expected a number of 0 to 1000000"}},
    {"other ends of the numbers of a list", LIST("timeout-ms = 60001\nmin-ttl = 0\nmax-ttl = 0"),
	NULL, {"2: timeout-ms = \"60001\"", "3: min-ttl = \"0\"", "4: max-ttl = \"0\""}},
    {"ranges of the numbers of a zone",
	IN_ZONE("threshold = 1000001\nmax-ttl = 86401\nnegative-ttl = 86401"), NULL,
	{"3: threshold = \"1000001\": expected a number of 1 to 1000000",
	    "4: max-ttl = \"86401\": expected a number of 1 to 86400",
	    "5: negative-ttl = \"86401\": expected a number of 1 to 86400"}},
    {"other ends of the numbers of a zone", IN_ZONE("threshold = 0\nmax-ttl = 0\nnegative-ttl = 0"),
	NULL, {"3: threshold = \"0\"", "4: max-ttl = \"0\"", "5: negative-ttl = \"0\""}},
    {"a negative threshold", IN_ZONE("threshold = -4"), NULL, {"3: threshold = \"-4\""}},
    {"a least ttl above the greatest", LIST("min-ttl = 100\nmax-ttl = 99"), NULL,
	{"1: list \"a.example\": min-ttl 100 is more than max-ttl 99"}},
    {"a greatest ttl below the default of the least", LIST("max-ttl = 59"), NULL,
	{"1: list \"a.example\": min-ttl 60 is more than max-ttl 59"}},

    /* addresses */
    {"no address to listen on", TOP("\nlisten = {}"), NULL,
	{"2: listen = \"\": expected at least one address"}},
    {"an address that is none", TOP("listen = {\"127.0.0.256\"}"), NULL,
	{"1: listen = \"127.0.0.256\": " NO_SERVER}},
    {"a host name to listen on", TOP("listen = {\"localhost\"}"), NULL,
	{"1: listen = \"localhost\": " NO_SERVER}},
    {"a port behind a colon", TOP("listen = {\"127.0.0.2:53\"}"), NULL, {"1: listen"}},
    {"a prefix to listen on", TOP("listen = {\"127.0.0.2/32\"}"), NULL, {"1: listen"}},
    {"an empty address", TOP("listen = {\"\"}"), NULL, {"1: listen = \"\": " NO_SERVER}},
    {"a long address", TOP("listen = {\"" X60 "\"}"), NULL, {"1: listen = \"xxx"}},
    {"a long address that begins well", TOP("listen = {\"127.0.0.2" X60 "\"}"), NULL,
	{"1: " NO_SERVER}},
    {"ports out of range",
	TOP("listen = {\"127.0.0.2@0\", \"127.0.0.2@65536\", \"127.0.0.2@\", \"127.0.0.2@dns\", "
	    "\"127.0.0.2@053\", \"127.0.0.2@53@53\"}"),
	NULL,
	{"1: listen = \"127.0.0.2@0\": " NO_PORT, "1: listen = \"127.0.0.2@65536\": " NO_PORT,
	    "1: listen = \"127.0.0.2@\": " NO_PORT, "1: listen = \"127.0.0.2@dns\": " NO_PORT,
	    "1: listen = \"127.0.0.2@053\": " NO_PORT,
	    "1: listen = \"127.0.0.2@53@53\": " NO_PORT}},
    {"every address at once", TOP("listen = {\"0.0.0.0\", \"127.0.0.2\", \"::@53\", \"0::0@54\"}"),
	NULL,
	{"1: listen = \"0.0.0.0\": name each address", "1: listen = \"::@53\": name each address",
	    "1: listen = \"0::0@54\": name each address"}},
    {"a mistake before the address that is every address", TOP("listen = {\"bogus\", \"0.0.0.0\"}"),
	NULL, {"1: listen = \"bogus\": " NO_SERVER, "1: listen = \"0.0.0.0\": name each address"}},
    {"an address to listen on twice",
	TOP("listen = {\"127.0.0.2\", \"127.0.0.2@53\", \"127.0.0.2@54\", \"::ffff:127.0.0.2\"}"),
	NULL,
	{"1: listen = \"127.0.0.2@53\": given twice",
	    "1: listen = \"::ffff:127.0.0.2\": given twice"}},
    {"more addresses than there is room for",
	TOP("listen = {\"127.0.0.1\", \"127.0.0.2\", \"127.0.0.3\", \"127.0.0.4\", \"127.0.0.5\", "
	    "\"127.0.0.6\", \"127.0.0.7\", \"127.0.0.8\", \"127.0.0.9\", \"127.0.0.10\", "
	    "\"127.0.0.11\", \"127.0.0.12\", \"127.0.0.13\", \"127.0.0.14\", \"127.0.0.15\", "
	    "\"127.0.0.16\", \"127.0.0.17\"}"),
	NULL, {"1: listen = \"127.0.0.17\": more than 16 addresses"}},
    {"prefixes with host bits or without sense",
	TOP("allow = {\"192.0.2.1/24\", \"192.0.2.0/33\", \"2001:db8::1/64\",\n\"example.org\", "
	    "\"\", \"192.0.2.0/24\", \"::/0\"}"),
	NULL,
	{"1: allow = \"192.0.2.1/24\": expected an address or prefix",
	    "1: allow = \"192.0.2.0/33\"", "1: allow = \"2001:db8::1/64\"",
	    "2: allow = \"example.org\"", "2: allow = \"\""}},
    {"resolvers that are none", TOP("forward = {\"dns.example\", \"192.0.2.1@99999\"}"), NULL,
	{"1: forward = \"dns.example\": " NO_SERVER, "1: forward = \"192.0.2.1@99999\": " NO_PORT}},
    {"a resolver twice", TOP("forward = {\"192.0.2.1\", \"192.0.2.1@53\"}"), NULL,
	{"1: forward = \"192.0.2.1@53\": given twice"}},
    {"forwarding to itself",
	TOP("listen = {\"127.0.0.2\", \"127.0.0.3@5353\"}\n"
	    "forward = {\"127.0.0.2\", \"127.0.0.3@5353\", \"127.0.0.3\"}"),
	NULL,
	{"2: forward = \"127.0.0.2\": tallyd itself listens there",
	    "2: forward = \"127.0.0.3@5353\": tallyd itself listens there"}},
    {"forwarding to itself in another spelling", TOP("forward = {\"::ffff:7f00:2\"}"), NULL,
	{"1: forward = \"::ffff:7f00:2\": tallyd itself listens there"}},
    {"forwarding to the address that is the default", TOP("forward = {\"127.0.0.2@53\"}"), NULL,
	{"1: forward = \"127.0.0.2@53\": tallyd itself listens there"}},
    {"asking itself as the server of a list",
	LIST("server = {\"127.0.0.1@53\",\n\"127.0.0.2@53\"}"), NULL,
	{"3: server = \"127.0.0.2@53\": tallyd itself listens there"}},
    {"asking itself as the server of a list in another file", "include(\"other.conf\")\n" ZONE,
	"# one\nlist \"c.example\" {\n\tserver = {\"127.0.0.2\"}\n}\n",
	{"other.conf:3: server = \"127.0.0.2\": tallyd itself listens there"}},
    {"servers of a list that are none", LIST("server = {\"a.example\", \"127.0.0.1@x\"}"), NULL,
	{"2: server = \"a.example\": " NO_SERVER, "2: server = \"127.0.0.1@x\": " NO_PORT}},

    /* other words at the top */
    {"a log level that is none", TOP("log-level = loud"), NULL,
	{"1: log-level = \"loud\": expected one of: error warning info debug"}},
    {"part of a log level", TOP("log-level = \"warn\""), NULL, {"1: log-level = \"warn\""}},
    {"two log levels in one", TOP("log-level = \"info debug\""), NULL, {"1: log-level"}},
    {"an empty log level", TOP("log-level = \"\""), NULL, {"1: log-level = \"\""}},
    {"neither true nor false", TOP("log-verdicts = maybe\nrecursion = 2"), NULL,
	{"1: log-verdicts = \"maybe\": expected true or false",
	    "2: recursion = \"2\": expected true or false"}},
    {"a relative trust anchor", TOP("trust-anchor = \"root.key\""), NULL,
	{"1: trust-anchor = \"root.key\": expected a path that begins with /"}},
    {"a relative control socket", TOP("control = \"control.sock\""), NULL,
	{"1: control = \"control.sock\": expected a path that begins with /"}},
    {"a relative state-dir", TOP("state-dir = \"var/tally\""), NULL,
	{"1: state-dir = \"var/tally\": expected a path that begins with /"}},
    {"an empty state-dir", TOP("state-dir = \"\""), NULL, {"1: state-dir"}},
    {"a long state-dir", TOP("state-dir = \"/" X60 X10 X10 X10 X10 "\""), NULL,
	{"1: longer than 100 characters"}},
    {"a long user", TOP("user = \"" X10 X10 X10 "xxx\""), NULL,
	{"1: user = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": longer than 32 characters"}},
    {"a hostmaster that is none", TOP("hostmaster = \"postmaster@a b.example\""), NULL,
	{"1: hostmaster = \"postmaster@a b.example\": expected a mail address"}},
    {"a hostmaster without a name", TOP("hostmaster = \"@example.org\""), NULL, {"1: hostmaster"}},
    {"a hostmaster without a domain", TOP("hostmaster = \"postmaster@\""), NULL, {"1: hostmaster"}},
    {"a hostmaster with two signs", TOP("hostmaster = \"a@b@example\""), NULL, {"1: hostmaster"}},
    {"a long hostmaster", TOP("hostmaster = \"a@" X250 "\""), NULL, {"1: hostmaster"}},

    /* lists */
    {"lists whose names are none",
	"list \"\" {\n}\nlist \"a..b\" {\n}\nlist \"a b\" {\n}\nlist \"http://a.example\" "
	"{\n}\n" ZONE,
	NULL,
	{"1: list \"\": not a domain name", "3: list \"a..b\": not a domain name",
	    "5: list \"a b\"", "7: list \"http://a.example\""}},
    {"a list whose name leaves no room for an address",
	"list \"" X60 "." X60 "." X60 "." X10 "\" {}\n" ZONE, NULL, {"1: too long a name"}},
    {"a list that is part of itself", "list \"a.example\" {\n\tpart-of = \"A.example.\"\n}\n" ZONE,
	NULL, {"2: part-of = \"A.example.\": a list can't be part of itself"}},
    {"lists that are part of each other",
	"list \"a.example\" {\n\tpart-of = \"b.example\"\n}\n"
	"list \"b.example\" {\n\tpart-of = \"c.example\"\n}\n"
	"list \"c.example\" {\n\tpart-of = \"b.example\"\n}\n" ZONE,
	NULL, {"8: part-of = \"b.example\": a list can't be part of itself"}},
    {"a part of what is no list", "list \"a.example\" {\n\tpart-of = \"b..example\"\n}\n" ZONE,
	NULL, {"2: part-of = \"b..example\": expected the domain name of a list"}},
    {"a wildcard that says more than dead",
	"list \"*.c.example\" {\n\tfamily = {\"ipv4\"}\n}\nlist \"*.d.example\" {\n}\n"
	"list \"*.e.example\" {\n\tdead = \"gone\"\n\tmin-ttl = 9\n}\n" ZONE,
	NULL,
	{"1: list \"*.c.example\": a wildcard can only say dead",
	    "4: list \"*.d.example\": a wildcard", "6: list \"*.e.example\": a wildcard"}},
    {"wildcards that are none",
	"list \"*\" {\n\tdead = \"x\"\n}\nlist \"*.\" {\n\tdead = \"x\"\n}\n"
	"list \"a.*.example\" {\n\tdead = \"x\"\n}\n" ZONE,
	NULL, {"1: list \"*\"", "4: list \"*.\"", "7: list \"a.*.example\""}},
    {"a query that is no name", LIST("query = \"a..example\""), NULL,
	{"2: query: expected a domain name"}},
    {"a query with a variable that is not set", LIST("query = \"${TALLY_NO_SUCH}.a.example\""),
	NULL, {"2: query: expected a domain name: is the variable of the environment in it set?"}},
    {"a query that leaves no room for an address",
	LIST("query = \"" X60 "." X60 "." X60 "." X10 "\""), NULL,
	{"2: an IPv6 address in front of it makes no name"}},
    {"a list of no family", LIST("family = {}"), NULL,
	{"2: family = \"\": expected \"ipv4\", \"ipv6\" or both"}},
    {"families that are none", LIST("family = {\"ipv4\", \"ipv5\", \"IPv6\"}"), NULL,
	{"2: family = \"ipv5\": expected one of: ipv4 ipv6 domain", "2: family = \"IPv6\""}},
    {"a list of domains in a zone", LIST("family = {\"domain\"}"), NULL,
	{"5: sites = \"a.example\": this is a list of domains"}},
    {"a list of domains in two files", ZONE "include(\"other.conf\")\n",
	"list \"A.example.\" {\n\tfamily = {\"domain\"}\n}\n",
	{"2: sites = \"a.example\": this is a list of domains"}},
    {"a list of domains by another name",
	LIST("query = \"key.b.example\"") "include(\"other.conf\")\n",
	"list \"b.example\" {\n\tfamily = {\"domain\"}\n}\n",
	{"5: sites: a list that is asked below b.example, where domains are listed"}},
    {"what is not there yet of a list", LIST("family = {\"ipv4\", \"domain\"}"), NULL,
	{"2: lists of domains are not yet in this version"}},
    {"more than a list can be asked", LIST("max-qps = 1000001\nmax-per-day = 1000000001"), NULL,
	{"2: max-qps = \"1000001\": expected a number of 0 to 1000000",
	    "3: max-per-day = \"1000000001\": expected a number of 0 to 1000000000"}},
    {"an explanation that is too long",
	LIST("errors = {\"127.0.0.255 " X60 "\", \"127.0.0.255  " X60 "x\"}"), NULL,
	{"2: more than 60 characters of explanation"}},
    {"words of a list that are none", LIST("test = maybe\nask = \"sometimes\"\nmax-qps = \"few\""),
	NULL,
	{"2: test = \"maybe\": expected true, false, or some of: 127.0.0.2 127.0.0.1 canary",
	    "3: ask = \"sometimes\": expected one of: always undecided",
	    "4: max-qps = \"few\": expected a number"}},
    {"tests that are none", LIST("test = {\"canary\", \"127.0.0.3\", \"true\"}"), NULL,
	{"2: test = \"127.0.0.3\": expected true, false, or some of:",
	    "2: test = \"true\": expected true, false, or some of:"}},
    {"nothing that is listed", LIST("listed = {}"), NULL,
	{"2: listed = \"\": expected at least one address or pattern"}},
    {"patterns that are none",
	LIST("listed = {\"127.0.0.2\", \"127.0.0\", \"127.0.0.[3..2]\"}\n"
	     "errors = {\"127.0.0.256\", \"\"}"),
	NULL,
	{"2: listed = \"127.0.0\": expected four numbers",
	    "2: listed = \"127.0.0.[3..2]\": range 3..2 runs backwards",
	    "3: errors = \"127.0.0.256\"", "3: errors = \"\": expected a number"}},
    {"patterns outside 127/8",
	LIST("listed = {\"10.0.0.2\"}\nerrors = {\"[0..126].0.0.2\", \"[127;128].0.0.2\"}"), NULL,
	{"2: listed = \"10.0.0.2\": answers of lists are in 127.0.0.0/8",
	    "3: errors = \"[0..126].0.0.2\": answers of lists are"}},
    {"a list twice in one file",
	"list \"c.example\" {\n}\nlist \"c.example\" {\n\tmin-ttl = 9\n}\n"
	"threads = 65\n" ZONE,
	NULL, {"3: \"c.example\": this file has a section of this name already", "6: threads"}},
    {"a list twice on one line",
	"list \"c.example\" {} list \"c.example\" { query = \"c.example\" }\nthreads = 65\n" ZONE,
	NULL, {"1: \"c.example\": this file has a section of this name already", "2: threads"}},

    /* dead lists */
    {"a dead list by its name", "list \"a.example\" {\n\tdead = \"sold in 2015\"\n}\n" ZONE, NULL,
	{"5: sites = \"a.example\": this list is dead (sold in 2015)"}},
    {"a dead list by its name, folded", "list \"A.Example.\" {\n\tdead = \"sold\"\n}\n" ZONE, NULL,
	{"5: sites = \"a.example\": this list is dead (sold)"}},
    {"dead lists by a wildcard",
	"list \"*.dead.example\" {\n\tdead = \"gone\"\n}\nzone \"bl.example\" {\n\tsites = {\n"
	"\t\t\"dead.example*2\",\n\t\t\"x.dead.example=127.0.0.2\",\n\t\t\"y.x.dead.example\",\n"
	"\t\t\"undead.example\",\n\t\t\"dead.example.org\"\n\t}\n}\n",
	NULL,
	{"6: sites = \"dead.example*2\": this list is dead (gone)",
	    "7: sites = \"x.dead.example=127.0.0.2\": this list is dead (gone)",
	    "8: sites = \"y.x.dead.example\": this list is dead (gone)"}},
    {"a dead list of an included file", "include(\"other.conf\")\n" ZONE,
	"list \"a.example\" {\n\tdead = \"gone\"\n}\n",
	{"3: sites = \"a.example\": this list is dead"}},
    {"a list that the operator calls dead",
	"include(\"other.conf\")\nlist \"a.example\" {\n"
	"\tdead = \"I say so\"\n}\n" ZONE,
	"list \"a.example\" {\n\tfamily = {\"ipv4\"}\n}\n",
	{"6: sites = \"a.example\": this list is dead (I say so)"}},
    {"a dead list in a zone that is like another is told once",
	"list \"a.example\" {\n\tdead = \"gone\"\n}\n" ZONE "zone \"cl.example\" {\n"
	"\tlike = \"bl.example\"\n}\n",
	NULL, {"5: sites = \"a.example\": this list is dead"}},

    /* zones */
    {"no zone at all", "threads = 1\n", NULL, {": no zone: there is nothing to answer"}},
    {"an empty file", "", NULL, {": no zone: there is nothing to answer"}},
    {"nothing but a comment", "# nothing\n", NULL, {": no zone: there is nothing to answer"}},
    {"zones whose names are none",
	"zone \"\" {\n" SITES "}\nzone \".\" {\n" SITES "}\nzone \"a b\" {\n" SITES "}\n", NULL,
	{"1: zone \"\": not a domain name", "4: zone \".\": not a domain name", "7: zone \"a b\""}},
    {"a zone whose name leaves no room for an address",
	"zone \"" X60 "." X60 "." X60 "." X10 "\" {\n" SITES "}\n", NULL, {"1: too long"}},
    {"a zone without sites", "\nzone \"bl.example\" {\n\tthreshold = 3\n}\n", NULL,
	{"2: zone \"bl.example\": no sites"}},
    {"a zone with no sites in its braces", "zone \"bl.example\" {\n\n\tsites = {}\n}\n", NULL,
	{"3: sites = \"\": expected at least one site"}},
    {"a zone on one line with no sites in its braces", "\nzone \"bl.example\" { sites = {} }\n",
	NULL, {"2: sites = \"\""}},
    {"sites that are none",
	"zone \"bl.example\" {\n\tsites = {\"a.example=127.0.0.2*\",\n\t\t\"a.example=\",\n"
	"\t\t\"*3\", \"\",\n\t\t\"a.example*10001\", \"a.example\"}\n}\n",
	NULL,
	{"2: sites = \"a.example=127.0.0.2*\": expected a weight",
	    "3: sites = \"a.example=\": expected a number",
	    "4: sites = \"*3\": expected the domain", "4: sites = \"\": expected the domain",
	    "5: sites = \"a.example*10001\": expected a weight"}},
    {"all sites in one string, as Postfix writes them",
	"zone \"bl.example\" {\n\tsites = {\"a.example*2, b.example*3\"}\n}\n", NULL,
	{"2: sites = \"a.example*2, b.example*3\""}},
    {"a site whose list leaves no room for an address",
	"zone \"bl.example\" {\n\tsites = {\"" X60 "." X60 "." X60 "." X10 "\"}\n}\n", NULL,
	{"2: too long: an IPv6 address in front of it makes no name"}},
    {"seventeen sites of one list",
	"zone \"bl.example\" {\n\tsites = {\"a.example\", \"a.example\", \"a.example\", "
	"\"a.example\",\n"
	"\"a.example\", \"a.example\", \"a.example\", \"a.example\",\n"
	"\"a.example\", \"a.example\", \"a.example\", \"a.example\",\n"
	"\"a.example\", \"a.example\", \"a.example\", \"a.example\",\n\"A.example*2\"}\n}\n",
	NULL, {"6: sites = \"A.example*2\": more than 16 sites of one list"}},
    {"a kind that is none", IN_ZONE("kind = \"deny\""), NULL,
	{"3: kind = \"deny\": expected one of: block allow"}},
    {"on-failure that is nothing", IN_ZONE("on-failure = \"fail\""), NULL,
	{"3: on-failure = \"fail\": expected \"pass\", \"defer\" or an address"}},
    {"on-failure with an address that clients take for an error", IN_ZONE("on-failure = 127.0.0.1"),
	NULL,
	{"3: on-failure = \"127.0.0.1\": clients take 127.0.0.1 and 127.255.255.x for errors"}},
    {"on-failure with an address outside 127/8", IN_ZONE("on-failure = 192.0.2.1"), NULL,
	{"3: on-failure = \"192.0.2.1\": expected an address in 127.0.0.0/8"}},
    {"on-failure with an IPv6 address", IN_ZONE("on-failure = \"::1\""), NULL, {"3: on-failure"}},
    {"grades that are none",
	IN_ZONE("answers = {\"4\", \"=127.0.0.2\", \"0=127.0.0.2\", \"-1=127.0.0.2\",\n"
		"\"04=127.0.0.2\", \"4 = 127.0.0.2\", \"1000001=127.0.0.2\", \"127.0.0.2=4\",\n"
		"\"4=127.0.0.2*3\", \"4=\", \"\"}"),
	NULL,
	{"3: answers = \"4\": expected \"score=address\"", "3: answers = \"=127.0.0.2\"",
	    "3: answers = \"0=127.0.0.2\"", "3: answers = \"-1=127.0.0.2\"",
	    "4: answers = \"04=127.0.0.2\"", "4: answers = \"4 = 127.0.0.2\"",
	    "4: answers = \"1000001=127.0.0.2\"", "4: answers = \"127.0.0.2=4\"",
	    "5: answers = \"4=127.0.0.2*3\": expected an address in 127.0.0.0/8",
	    "5: answers = \"4=\"", "5: answers = \"\""}},
    {"grades with addresses that no client may see",
	IN_ZONE("answers = {\"1=127.0.0.1\", \"2=127.255.255.0\", \"3=127.255.255.255\",\n"
		"\"4=126.0.0.2\", \"5=128.0.0.2\", \"6=::1\", \"7=127.255.254.255\"}"),
	NULL,
	{"3: answers = \"1=127.0.0.1\": clients take",
	    "3: answers = \"2=127.255.255.0\": clients take",
	    "3: answers = \"3=127.255.255.255\": clients take",
	    "4: answers = \"4=126.0.0.2\": expected an address in 127.0.0.0/8",
	    "4: answers = \"5=128.0.0.2\": expected", "4: answers = \"6=::1\": expected"}},
    {"one score with two answers", IN_ZONE("answers = {\"4=127.0.0.2\", \"4=127.0.0.3\"}"), NULL,
	{"3: answers = \"4=127.0.0.3\": this score has an answer already"}},
    {"a text with a macro that is none", IN_ZONE("text = \"%a %q\""), NULL,
	{"3: \"%q\" is no macro"}},
    {"a text that ends in a percent sign", IN_ZONE("text = \"100%\""), NULL,
	{"3: text = \"100%\": \"%\" is no macro"}},
    {"a text whose percent signs are odd", IN_ZONE("text = \"%%%\""), NULL, {"3: text"}},
    {"an empty text", IN_ZONE("text = \"\""), NULL, {"3: text = \"\": clients take an empty text"}},
    {"a long text", IN_ZONE("text = \"" X1025 "\""), NULL, {"3: longer than 1024 characters"}},
    {"a zone twice in one file", ZONE "\n" ZONE "threads = 65\n", NULL,
	{"5: \"bl.example\": this file has a section of this name already", "8: threads"}},
    {"a zone twice in another spelling", ZONE "zone \"BL.Example.\" {\n" SITES "}\n", NULL,
	{"4: zone \"BL.Example.\": there is a zone of this name already"}},
    {"a zone twice in two files", "include(\"other.conf\")\n" ZONE, "\n\n" ZONE,
	{"other.conf:3: zone \"bl.example\": there is a zone of this name already"}},
    {"a zone twice, the second with its own title inside",
	ZONE "zone \"bl.example\" { "
	     "like = \"bl.example\" }\nthreads = 65\n",
	NULL, {"4: \"bl.example\": this file has a section of this name already", "5: threads"}},

    /* accounts */
    {"an account that is a number", ZONE "zone \"42.bl.example\" {\n\tlike = \"bl.example\"\n}\n",
	NULL, {"4: zone \"42.bl.example\": \"42\" could be part of a reversed address in zone"}},
    {"accounts that are 0, 255 and hex digits",
	"zone \"0.bl.example\" {\n" SITES "}\nzone \"255.bl.example\" {\n" SITES "}\n"
	"zone \"f.bl.example\" {\n" SITES "}\nzone \"A.bl.example\" {\n" SITES "}\n" ZONE,
	NULL,
	{"1: zone \"0.bl.example\": \"0\" could be", "4: zone \"255.bl.example\": \"255\" could be",
	    "7: zone \"f.bl.example\": \"f\" could be",
	    "10: zone \"A.bl.example\": \"a\" could be"}},
    {"an account below a label that is a number", ZONE "zone \"u1.7.bl.example\" {\n" SITES "}\n",
	NULL, {"4: zone \"u1.7.bl.example\": \"7\" could be part"}},
    {"an account of an account that is a number",
	ZONE "zone \"u1.bl.example\" {\n" SITES "}\nzone \"9.u1.bl.example\" {\n" SITES "}\n", NULL,
	{"7: \"9\" could be part of a reversed address in zone \"bl.example\"",
	    "7: \"9\" could be part of a reversed address in zone \"u1.bl.example\""}},
    {"a zone that is like one that is not there", IN_ZONE("like = \"cl.example\""), NULL,
	{"3: like = \"cl.example\": there is no zone of this name"}},
    {"a zone that is like no name", IN_ZONE("like = \"a..b\""), NULL, {"3: like = \"a..b\""}},
    {"a zone that is like a list", "list \"a.example\" {}\n" IN_ZONE("like = \"a.example\""), NULL,
	{"4: like = \"a.example\": there is no zone of this name"}},
    {"a zone that is like itself", IN_ZONE("like = \"bl.example\""), NULL,
	{"3: like = \"bl.example\": zones that are like each other"}},
    {"zones that are like each other",
	"zone \"a.example\" {\n\tlike = \"b.example\"\n\tsites = {\"x.example\"}\n}\n"
	"zone \"b.example\" {\n\tlike = \"c.example\"\n}\nzone \"c.example\" {\n"
	"\tlike = \"a.example\"\n}\n",
	NULL,
	{"2: like = \"b.example\": zones that are like each other",
	    "6: like = \"c.example\": zones", "9: like = \"a.example\": zones"}},
    {"a mistake that comes through like is told once, where it stands",
	"zone \"u1.bl.example\" {\n\tlike = \"bl.example\"\n}\nzone \"bl.example\" {\n"
	"\tsites = {\"a.example\", \"b..example\"}\n\tthreshold = 0\n\tcolour = 1\n}\n"
	"zone \"u2.bl.example\" {\n\tlike = \"bl.example\"\n}\n",
	NULL, {"5: sites = \"b..example\"", "6: threshold = \"0\"", "7: \"colour\""}},
    {"a zone that asks itself",
	"zone \"bl.example\" {\n\tsites = {\"a.example\", \"bl.example\"}\n}\n", NULL,
	{"2: sites = \"bl.example\": this list would be zone \"bl.example\" itself"}},
    {"a zone that asks a name below itself",
	"zone \"bl.example\" {\n\tsites = {\"a.bl.example\"}\n}\n", NULL,
	{"2: sites = \"a.bl.example\": this list would be zone \"bl.example\" itself"}},
    {"a zone that asks itself by the query of a list",
	"list \"a.example\" {\n\tquery = \"key.BL.example\"\n}\n" ZONE, NULL,
	{"5: sites = \"a.example\": this list would be zone \"bl.example\" itself"}},
    {"a zone that asks itself by the sites of another",
	"zone \"a.example\" {\n\tsites = {\"x.example\", \"b.example\"}\n}\nzone \"b.example\" {\n"
	"\tlike = \"a.example\"\n}\n",
	NULL, {"2: sites = \"b.example\": this list would be zone \"b.example\" itself"}},
    {"a zone that asks another zone of this file",
	"zone \"a.example\" {\n\tsites = {\"b.example\"}\n}\nzone \"b.example\" {\n"
	"\tsites = {\"x.example\"}\n}\n",
	NULL, {"2: sites = \"b.example\": this list would be zone \"b.example\""}},
    {"an account that asks the zone above it",
	ZONE "zone \"u1.bl.example\" {\n\tsites = {\"bl.example\"}\n}\n", NULL,
	{"5: sites = \"bl.example\": this list would be zone \"bl.example\""}},

    /* options given again */
    {"an option twice", TOP("threads = 1\nthreads = 2"), NULL,
	{"1: threads = \"1\": this option is given again below"}},
    {"an option twice with one value", TOP("user = \"a\"\n\n\nuser = \"a\""), NULL,
	{"1: user = \"a\": this option is given again below"}},
    {"a list of words twice", TOP("allow = {\"::1\",\n\"127.0.0.1\"}\nallow = {\"::2\"}"), NULL,
	{"1: allow = \"::1\": this option is given again below",
	    "2: allow = \"127.0.0.1\": this option is given again below"}},
    {"an option of a zone twice", IN_ZONE("threshold = 3\nthreshold = 3"), NULL,
	{"3: threshold = \"3\": this option is given again below"}},
    {"an option of two files", "include(\"other.conf\")\nthreads = 1\n" ZONE, "\nthreads = 1\n",
	{"other.conf:2: \"threads\" is given in "}},

    /* syntax */
    {"a brace that is never closed at the end",
	"threads = 65\n\n"
	"zone \"bl.example\" {\n" SITES,
	NULL, {"3: "}},
    {"a brace that is never closed in the middle",
	"zone \"bl.example\" {\n" SITES "\nzone \"cl.example\" {\n" SITES "}\n", NULL, {"1: "}},
    {"a brace of a list of words that is never closed",
	"zone \"bl.example\" {\n\tsites = {\"a.example\"\n}\n", NULL, {"1: "}},
    {"a brace too many", ZONE "}\n", NULL, {"4: unexpected closing brace"}},
    {"no brace to begin with", "zone \"bl.example\"\n" SITES "}\n", NULL,
	{"2: missing opening brace for section 'zone'"}},
    {"a section without a title", "zone {\n" SITES "}\n", NULL,
	{"1: missing title for section 'zone'"}},
    {"a string that is never closed", ZONE "user = \"tally", NULL, {"4: "}},
    {"a string in single quotes that is never closed", ZONE "user = 'tally\n", NULL, {"4: "}},
    {"a string that the next quote closes", TOP("\nuser = \"tally"), NULL, {"4: "}},
    {"a string that ends in an escaped quote", ZONE "user = \"tally\\\"", NULL, {"4: "}},
    {"a comment that is never closed", ZONE "\n/* tally\n", NULL,
	{"3: a comment or string that begins here or below"}},
    {"a wrong escape", TOP("user = \"\\9\""), NULL, {"1: bad escape sequence '\\9'"}},
    {"a wrong octal number", TOP("\nuser = \"\\777\""), NULL, {"2: invalid octal number '\\777'"}},
    {"a stray token", "{\n" ZONE "}\n", NULL, {"1: unexpected token '{'"}},
    {"a stray word", TOP("threads = 1 2\ncache-mib = 0"), NULL,
	{"1: \"2\": " NO_OPTION, "2: cache-mib"}},
    {"a key behind a colon is not told", LIST("query: \"KEY.a.example\""), NULL,
	{"2: \"query:\": " NO_OPTION,
	    "2: \"...a.example\": a value stands where an option is expected"}},
    {"a key that is given twice is not told",
	LIST("query = \"KEY.a.example\"\nquery = \"KEY.a.example\""), NULL,
	{"2: query: this option is given again below"}},
    {"no equals sign", TOP("threads 1"), NULL, {"1: missing equal sign after option 'threads'"}},
    {"no value", TOP("threads =\nuser = \"x\""), NULL, {"2: unexpected token '='"}},
    {"no comma", TOP("listen = {\"127.0.0.2\" \"127.0.0.3\"}"), NULL,
	{"1: unexpected token '127.0.0.3': is a quote, a comma or a brace missing"}},
    {"sites without quotes", "zone \"bl.example\" {\n\tsites = {a.example*4}\n}\n", NULL,
	{"2: unexpected token '4': is a quote"}},
    {"two commas", TOP("listen = {\"127.0.0.2\",, \"127.0.0.3\"}"), NULL,
	{"1: unexpected token ','"}},
    {"braces around one value", TOP("threads = {1}"), NULL, {"1: unexpected token '{'"}},
    {"adding to an option of one value", TOP("threads += 1"), NULL,
	{"1: \"+=\": name all values behind one \"=\""}},
    {"adding to the default", TOP("allow += {\"192.0.2.0/24\"}"), NULL,
	{"1: \"+=\": name all values behind one \"=\", those of the default too"}},
    {"mistakes before a syntax error are told with it",
	TOP("colour = 1\nshade = 2\nthreads = {1}\ntint = 3"), NULL,
	{"1: \"colour\"", "2: \"shade\"", "3: unexpected token '{'"}},
    {"a syntax error in one file does not hide mistakes of another",
	"include(\"other.conf\")\nthreads = 65\n" ZONE,
	"list \"c.example\" {\n\tmin-ttl = {1}\n}\n",
	{"2: threads = \"65\"", "other.conf:2: unexpected token '{'"}},

    /* files */
    {"no file at all", NULL, NULL, {": cannot read "}},
    {"a byte order mark", "\xef\xbb\xbf" ZONE, NULL, {": it begins with a byte order mark"}},
    {"a byte order mark in an included file", TOP("include(\"other.conf\")"), "\xef\xbb\xbf\n",
	{"1: it begins with a byte order mark"}},
    {"an include that is not there", TOP("\ninclude(\"other.conf\")"), NULL, {"2: cannot read "}},
    {"an include of a directory", TOP("include(\".\")\ninclude(\"/tmp\")"), NULL,
	{"1: it is not a regular file", "2: cannot read /tmp: it is not a regular file"}},
    {"a file that includes itself", TOP("include(\"tallyd.conf\")"), NULL,
	{"1: include(", "2: zone"}},
    {"an include inside a section", IN_ZONE("include(\"other.conf\")"), "threads = 65\n",
	{"3: \"include\": " NO_OPTION}},
    {"an include without a name", TOP("include()"), NULL, {"1: include takes one file name"}},
    {"an include with two names", TOP("include(\"a\", \"b\")"), NULL,
	{"1: include takes one file name"}},
    {"an include in braces", TOP("include {\"a\"}"), NULL,
	{"1: missing parenthesis for function 'include'"}},
    {"an include with an equals sign", TOP("include = \"a\""), NULL,
	{"1: missing parenthesis for function 'include'"}},
    {"an unknown option of an included file", TOP("include(\"other.conf\")"),
	"# one\n\ncolour = 3\nlist \"c.example\" {\n\tshade = 4\n}\n",
	{"other.conf:3: \"colour\": " NO_OPTION, "other.conf:5: \"shade\": " NO_OPTION}},
    {"wrong values of an included file", TOP("include(\"other.conf\")\nthreads = 65"),
	"cache-mib = 0\nlist \"a.example\" {\n\tlisted = {\"x\"}\n}\n",
	{"2: threads", "other.conf:1: cache-mib", "other.conf:3: listed = \"x\""}},

    /* what comes from outside is made printable and cut */
    {"a value that is not printable", TOP("log-level = \"a\\n\\x01\xc3\xa9\""), NULL,
	{"1: log-level = \"a????\""}},
    {"an option that is not printable", TOP("\"col\\nour\" = 1\nthreads = 65"), NULL,
	{"1: \"col?our\": " NO_OPTION}},
    {"a value that is long", TOP("log-level = \"" X1025 "\""), NULL, {"1: log-level = \"xxxx"}},
    {"an unknown option that is long", TOP(X250 " = 1\nthreads = 65"), NULL,
	{"1: \"xxxx", "2: threads"}},
    {"an unknown option that is too long to be told", TOP(X1025 " = 1"), NULL, {"1: "}},
};

/* libconfuse 3.3 forgets the arguments of an include() that it refuses: not our leak. */
static struct broken broken_include[] = {
    {"an include with two names and no comma", TOP("include(\"a\" \"b\")"), NULL,
	{"1: syntax error in call of function 'include'"}},
    {"an include that is never closed", TOP("include(\"a\""), NULL,
	{"2: syntax error in call of function 'include'"}},
};

/* Does the line, "tallyd.conf:3: text", say what is expected: "3: part of text"? */
static bool
says(const char *line, size_t length, const char *expected)
{
	char said[2000], prefix[80];
	const char *part = strstr(expected, ": ");

	assert_non_null(part);
	if (length >= sizeof said)
		return false;
	memcpy(said, line, length);
	said[length] = '\0';
	if (expected[0] == ':')
		(void)snprintf(prefix, sizeof prefix, "tallyd.conf: ");
	else if (expected[0] >= '0' && expected[0] <= '9')
		(void)snprintf(
		    prefix, sizeof prefix, "tallyd.conf:%.*s: ", (int)(part - expected), expected);
	else
		(void)snprintf(prefix, sizeof prefix, "%.*s: ", (int)(part - expected), expected);
	return strncmp(said, prefix, strlen(prefix)) == 0 && strstr(said, part + 2) != NULL;
}

/* Every line is expected, each once, and nothing expected is missing; else `report` says so. */
static void
compare(const struct broken *of, const struct mistakes *mistakes, struct text *report)
{
	bool told[COUNT(of->mistakes)] = {false};
	size_t directory = strlen(files.directory) + 1, lines = 0, expected = 0;

	while (expected < COUNT(of->mistakes) && of->mistakes[expected] != NULL)
		expected++;
	for (const char *line = mistakes->text; line != NULL && *line != '\0'; lines++) {
		size_t length = strcspn(line, "\n"), i = 0;

		while (i < expected &&
		       (told[i] || strncmp(line, files.directory, directory - 1) != 0 ||
			   !says(line + directory, length - directory, of->mistakes[i])))
			i++;
		if (i == expected)
			text_add_format(report, "not expected: %.*s\n", (int)length, line);
		else
			told[i] = true;
		line += length + 1;
	}
	for (size_t i = 0; i < expected; i++)
		if (!told[i])
			text_add_format(report, "not told: %s\n", of->mistakes[i]);
	if (mistakes->count != lines)
		text_add_format(report, "%u mistakes in %zu lines\n", mistakes->count, lines);
}

static void
write_or_remove(const char *name, const char *text)
{
	if (text != NULL)
		files_write(&files, name, text, strlen(text));
	else
		(void)remove(files_path(&files, name));
}

/* Nothing is left over from a broken file. */
static void
look_for_leaks(struct text *report)
{
#ifdef LEAKS_ARE_SEEN
	if (__lsan_do_recoverable_leak_check() != 0)
		text_add(report, "memory leaked\n");
#else
	(void)report;
#endif
}

static void
broken_file_is_told(void **state)
{
	const struct broken *of = *state;
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct config *config;
	char said[4000];
	struct text report;

	text_init(&report, said, sizeof said);
	write_or_remove("tallyd.conf", of->text);
	write_or_remove("other.conf", of->other);
	config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
	if (config != NULL)
		text_add(&report, "read as if it were good\n");
	if (evidence_list_count(book) > 0)
		text_add(&report, "lists have numbers\n");
	compare(of, &mistakes, &report);
	config_close(config);
	mistakes_free(&mistakes);
	evidence_book_close(book);
	look_for_leaks(&report);
	if (report.length > 0)
		fail_msg("\n%s", said);
}

static void
broken_include_is_told(void **state)
{
#ifdef LEAKS_ARE_SEEN
	__lsan_disable();
#endif
	broken_file_is_told(state);
#ifdef LEAKS_ARE_SEEN
	__lsan_enable();
#endif
}

static void
expect_one(const char *part)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};

	assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
	assert_int_equal(mistakes.count, 1);
	if (strstr(mistakes.text, part) == NULL)
		fail_msg("%s", mistakes.text);
	mistakes_free(&mistakes);
	evidence_book_close(book);
}

static void
a_file_with_a_nul_byte_is_refused(void **state)
{
	static const char text[] = "threads = 1\n\0" ZONE;

	(void)state;
	files_write(&files, "tallyd.conf", text, sizeof text - 1);
	expect_one("it holds a NUL byte");
	files_write(&files, "tallyd.conf", ZONE "\0", sizeof ZONE);
	expect_one("it holds a NUL byte");
	files_write(&files, "tallyd.conf", "\0" ZONE, sizeof ZONE);
	expect_one("it holds a NUL byte");
}

static void
a_file_larger_than_a_mebibyte_is_refused(void **state)
{
	size_t size = (1u << 20) + 1;
	char *text = malloc(size);
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct config *config;

	(void)state;
	memset(text, '\n', size);
	memcpy(text, ZONE, strlen(ZONE));
	files_write(&files, "tallyd.conf", text, size);
	expect_one("it is larger than 1 MiB");
	files_write(&files, "tallyd.conf", text, size - 1);
	config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
	assert_non_null(config);
	config_close(config);
	mistakes_free(&mistakes);
	evidence_book_close(book);
	free(text);
}

static void
a_directory_is_no_configuration(void **state)
{
	(void)state;
	(void)remove(files_path(&files, "tallyd.conf"));
	assert_int_equal(mkdir(files_path(&files, "tallyd.conf"), 0700), 0);
	expect_one("it is not a regular file");
	assert_int_equal(rmdir(files_path(&files, "tallyd.conf")), 0);
}

static void
a_pipe_is_no_configuration_and_does_not_block(void **state)
{
	(void)state;
	(void)remove(files_path(&files, "tallyd.conf"));
	assert_int_equal(mkfifo(files_path(&files, "tallyd.conf"), 0600), 0);
	expect_one("it is not a regular file");
	assert_int_equal(remove(files_path(&files, "tallyd.conf")), 0);
}

/* A chain of files, each of which includes the next; the last has a zone. */
static unsigned
mistakes_of_chain(unsigned depth)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct config *config;
	unsigned count;
	char name[20], text[60];

	files_write(&files, "tallyd.conf", "include(\"1\")\n", 13);
	for (unsigned i = 1; i <= depth; i++) {
		(void)snprintf(name, sizeof name, "%u", i);
		(void)snprintf(text, sizeof text, "include(\"%u\")\n", i + 1);
		files_write(
		    &files, name, i == depth ? ZONE : text, strlen(i == depth ? ZONE : text));
	}
	config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
	count = mistakes.count;
	assert_true((config != NULL) == (count == 0));
	if (count > 0 && strstr(mistakes.text, "/8:1: include(") == NULL)
		fail_msg("%s", mistakes.text);
	config_close(config);
	mistakes_free(&mistakes);
	evidence_book_close(book);
	return count;
}

static void
includes_go_eight_deep(void **state)
{
	(void)state;
	assert_int_equal(mistakes_of_chain(8), 0);
	assert_int_equal(mistakes_of_chain(9), 1);
}

/* Files that include each other end somewhere, with mistakes. */
static void
includes_in_a_circle_end(void **state)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};

	(void)state;
	files_write(
	    &files, "tallyd.conf", "include(\"other.conf\")\ninclude(\"other.conf\")\n", 44);
	files_write(
	    &files, "other.conf", "include(\"tallyd.conf\")\ninclude(\"other.conf\")\n", 45);
	assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
	assert_true(mistakes.count > 0);
	assert_non_null(strstr(mistakes.text, "files that include each other"));
	mistakes_free(&mistakes);
	evidence_book_close(book);
}

static void
a_mistake_leaves_no_trace_in_the_next_reading(void **state)
{
	static const char *const before[] = {"user = \"never closed", "user = 'never closed",
	    "user = \"\\9\"", "user = \"\\777\"", "/* never closed", "zone \"bl.example\" {",
	    "include(", "listen = {\"", "user = \"${HOME", "threads = {"};

	(void)state;
	for (size_t i = 0; i < COUNT(before); i++) {
		struct evidence_book *book = evidence_book_open();
		struct mistakes mistakes = {0};
		struct config *config;

		files_write(&files, "tallyd.conf", before[i], strlen(before[i]));
		assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
		assert_true(mistakes.count > 0);
		mistakes_free(&mistakes);
		files_write(&files, "tallyd.conf", ZONE, strlen(ZONE));
		config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
		if (config == NULL)
			fail_msg("after %s: %s", before[i], mistakes.text);
		config_close(config);
		evidence_book_close(book);
	}
}

/* The book has room for 128 lists; what was used before a reload stays in it. */
static void
more_lists_than_the_book_has_room_for_are_refused(void **state)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	char name[40];

	(void)state;
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		(void)snprintf(name, sizeof name, "old%u.example", i);
		assert_int_equal(evidence_list_number(book, name), i);
	}
	files_write(&files, "tallyd.conf", ZONE, strlen(ZONE));
	assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
	assert_int_equal(mistakes.count, 1);
	assert_non_null(strstr(mistakes.text, "more than 128 lists"));
	mistakes_free(&mistakes);
	evidence_book_close(book);
}

static void
more_prefixes_than_there_is_room_for_are_refused(void **state)
{
	char text[20000];
	struct text all;

	(void)state;
	text_init(&all, text, sizeof text);
	text_add(&all, "allow = {");
	for (unsigned i = 0; i < CONFIG_ALLOW_MAX; i++)
		text_add_format(&all, "\"192.0.2.%u\",\n", i);
	text_add(&all, "\"192.0.3.0\"}\n" ZONE);
	assert_false(all.cut);
	files_write(&files, "tallyd.conf", text, all.length);
	expect_one(":257: allow = \"192.0.3.0\": more than 256 prefixes");
}

/* The exceptions of each of them count, so there is a bound. */
static void
a_zone_below_more_than_14_others_is_refused(void **state)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct config *config;
	char text[2000], name[60] = "bl.example";
	struct text all;

	(void)state;
	text_init(&all, text, sizeof text);
	for (unsigned i = 0; i < 16; i++) {
		text_add_format(&all, "zone \"%s\" {\n" SITES "}\n", name);
		memmove(name + 2, name, sizeof name - 2);
		memcpy(name, "u.", 2);
		files_write(&files, "tallyd.conf", text, all.length);
		if (i == 15) {
			expect_one(":46: zone \"u.u.u.u.u.u.u.u.u.u.u.u.u.u.u.bl.example\": it is "
				   "below more than 14 zones");
			break;
		}
		config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
		assert_non_null(config);
		config_close(config);
	}
	assert_false(all.cut);
	mistakes_free(&mistakes);
	evidence_book_close(book);
}

/* Each one costs a reading of the file from its beginning: 8,000 of them took seconds. */
static void
a_file_of_nothing_but_unknown_options_is_given_up_when_200_are_told(void **state)
{
	static char text[200000];
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct text all;

	(void)state;
	text_init(&all, text, sizeof text);
	for (unsigned i = 1; i <= 8000; i++)
		text_add_format(&all, "unknown%u = 5\n", i);
	text_add(&all, ZONE);
	assert_false(all.cut);
	files_write(&files, "tallyd.conf", text, all.length);
	assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
	assert_int_equal(mistakes.count, MISTAKES_MAX);
	assert_non_null(strstr(mistakes.text, ":200: \"unknown200\""));
	mistakes_free(&mistakes);
	evidence_book_close(book);
}

int
main(void)
{
	static struct CMUnitTest rows[COUNT(broken) + COUNT(broken_include)];
	const struct CMUnitTest others[] = {
	    cmocka_unit_test(a_file_with_a_nul_byte_is_refused),
	    cmocka_unit_test(a_file_larger_than_a_mebibyte_is_refused),
	    cmocka_unit_test(a_directory_is_no_configuration),
	    cmocka_unit_test(a_pipe_is_no_configuration_and_does_not_block),
	    cmocka_unit_test(includes_go_eight_deep),
	    cmocka_unit_test(includes_in_a_circle_end),
	    cmocka_unit_test(a_mistake_leaves_no_trace_in_the_next_reading),
	    cmocka_unit_test(more_lists_than_the_book_has_room_for_are_refused),
	    cmocka_unit_test(more_prefixes_than_there_is_room_for_are_refused),
	    cmocka_unit_test(a_zone_below_more_than_14_others_is_refused),
	    cmocka_unit_test(a_file_of_nothing_but_unknown_options_is_given_up_when_200_are_told),
	};
	int failed;

	for (size_t i = 0; i < COUNT(broken); i++)
		rows[i] = (struct CMUnitTest){
		    broken[i].name, broken_file_is_told, NULL, NULL, &broken[i]};
	for (size_t i = 0; i < COUNT(broken_include); i++)
		rows[COUNT(broken) + i] = (struct CMUnitTest){
		    broken_include[i].name, broken_include_is_told, NULL, NULL, &broken_include[i]};
	failed = cmocka_run_group_tests_name("broken files", rows, open_files, close_files);
	return failed + cmocka_run_group_tests_name("broken", others, open_files, close_files);
}

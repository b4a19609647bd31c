"""What stands between a mail server and us: a strict resolver, and the C library with two servers."""
import sys

import upstream as up
from clients import CLEAR, GREY, LISTED, LISTED6
from harness import reversed_name
from programs import query, text_of, verdict_of

ZONE = "bl.tally.internal"


def test_a_resolver_that_asks_no_more_of_a_name_than_it_needs_finds_the_listing(host, stage):
    """With strict query name minimisation one NXDOMAIN on the way would turn listed into clear."""
    more = ["qname-minimisation: yes", "qname-minimisation-strict: yes", 'domain-insecure: "tally.internal"']
    resolver = stage.unbound({ZONE: "127.0.0.2@53"}, more=more, address="127.0.0.9", port=53)
    verdicts = {LISTED: "127.0.0.2", LISTED6: "127.0.0.2", GREY: "127.0.0.4", CLEAR: "clear", "2001:db8::9": "clear"}
    for subject, verdict in verdicts.items():
        assert verdict_of(query(resolver.address, 53, reversed_name(subject, ZONE))) == verdict, subject
    assert LISTED in text_of(query(resolver.address, 53, reversed_name(LISTED, ZONE), "TXT"))


def test_the_c_library_with_two_servers_goes_on_to_the_second_for_other_names(host, stage):
    """The resolv.conf of the manual: ours first, the usual resolver second."""
    second = stage.upstream({"www.example.org": up.listed("203.0.113.80")}, addresses=["127.0.0.9"], port=53)
    host.see("/etc/resolv.conf", "nameserver 127.0.0.2\nnameserver 127.0.0.9\noptions timeout:5\n")

    def addresses(name):
        script = """if True:
            import socket, sys
            try:
                print(*socket.gethostbyname_ex(sys.argv[1])[2])
            except socket.gaierror:
                pass
        """
        return set(host.run(sys.executable, "-c", script, name).split())

    assert addresses("www.example.org") == {"203.0.113.80"}
    assert addresses(reversed_name(LISTED, ZONE)) == {"127.0.0.2"}
    assert addresses(reversed_name(CLEAR, ZONE)) == set()
    assert not [name for _, name, _, _ in second.asked if "tally" in name]

"""The harness itself: a test that stands on a broken tool proves nothing."""
import dns.rcode

import upstream as up
from harness import reversed_name
from programs import query


def test_rbldnsd_answers_what_its_zone_says(stage):
    lines = [":127.0.0.2:listed", "192.0.2.1", "192.0.2.2:127.0.0.4:four", "192.0.2.2:127.0.0.5:five"]
    zones = {"a.example": {"ip4set": lines, "ip6trie": ["2001:db8:1::/48 :127.0.0.6:six"]}, "b.example": {"ip6trie": ["2001:db8::/32"]}}
    server = stage.rbldnsd(zones, ttl=77)
    reply = query(server.address, server.port, reversed_name("192.0.2.1", "a.example"))
    assert reply.answer[0].to_text().endswith("77 IN A 127.0.0.2")
    reply = query(server.address, server.port, reversed_name("192.0.2.2", "a.example"))
    assert sorted(rdata.address for rdata in reply.answer[0]) == ["127.0.0.4", "127.0.0.5"]
    reply = query(server.address, server.port, reversed_name("192.0.2.3", "a.example"))
    assert reply.rcode() == dns.rcode.NXDOMAIN and reply.authority[0].ttl == 60
    reply = query(server.address, server.port, reversed_name("2001:db8::1", "b.example"))
    assert reply.answer[0][0].address == "127.0.0.2"
    reply = query(server.address, server.port, reversed_name("2001:db8:1::1", "a.example"))
    assert reply.answer[0][0].address == "127.0.0.6"


def test_the_misbehaving_server_behaves_as_told_and_counts(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2", ttl=9), "b.example": up.truncated(up.servfail())})

    def ask(name, **how):
        return query(server.addresses[0], server.port, name, **how)

    assert ask("1.a.example").answer[0].ttl == 9
    assert ask("1.A.example", tcp=True).answer[0].ttl == 9
    assert server.count("1.a.example") == 2
    assert ask("1.b.example").flags & 0x0200
    assert ask("1.b.example", tcp=True).rcode() == dns.rcode.SERVFAIL
    server.behave("a.example", up.slow(0.1, up.nxdomain(50, 20)))
    reply = ask("1.a.example")
    assert reply.rcode() == dns.rcode.NXDOMAIN and reply.authority[0][0].minimum == 20
    server.stop()
    server.start()
    assert ask("1.c.example").rcode() == dns.rcode.REFUSED
    many = up.raw_addresses(*(bytes([127, 0, i // 250, i % 250]) for i in range(2000)))
    server.behave("a.example", many)
    assert ask("2.a.example").flags & 0x0200
    assert len(ask("2.a.example", tcp=True).answer[0]) == 2000


def test_a_private_network_has_its_own_port_53(network, stage):
    network.add_addresses("198.41.0.4", "2001:503:ba3e::2:30")
    server = stage.upstream({"a.example": up.listed("127.0.0.2")}, addresses=["198.41.0.4", "2001:503:ba3e::2:30"], port=53)
    for address in server.addresses:
        assert query(address, 53, "1.a.example").answer


def test_tallyd_starts_and_stops(stage):
    server = stage.upstream({"a.example": up.nxdomain()})
    tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, {"a.example": {"server": [server.server]}})
    assert tallyd.verdict("192.0.2.1") == "clear"
    assert tallyd.stop() == 0

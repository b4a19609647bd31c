"""What a client sees in each row of the table of DNS answers."""
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import upstream as up
from harness import fresh_address, fresh_port, reversed_name
from programs import extended_errors, negative_ttl, served_by, text_of

LISTED, CLEAR = "203.0.113.7", "203.0.113.8"
LISTED6, CLEAR6 = "2001:db8::7", "2001:db8::8"
OTHER_TYPES = ["AAAA", "MX", "NS", "SOA", "CNAME", "PTR", "DS", "HTTPS", "CAA", "TYPE65280"]


@pytest.fixture
def world(stage):
    """One list that lists four of the subjects, and a zone with an account."""
    server = stage.upstream({"a.example": up.nxdomain()})
    for subject in (LISTED, LISTED6, "198.51.100.1"):
        server.behave(reversed_name(subject, "a.example"), up.listed("127.0.0.4", ttl=300))
    zones = {
        "bl.tally.example": {"sites": ["a.example"], "text": "%a is bad"},
        "u1.bl.tally.example": {"like": "bl.tally.example", "text": "account: %a"},
    }
    tallyd = stage.tallyd(zones, served_by(server, "a.example"))
    tallyd.list_server = server
    return tallyd


@pytest.mark.parametrize("subject", [LISTED, LISTED6])
def test_a_listed_address_has_exactly_one_a_record_of_our_own(world, subject):
    reply = world.ask(subject)
    assert reply.rcode() == dns.rcode.NOERROR
    assert [rrset.to_text().split()[1:] for rrset in reply.answer] == [["60", "IN", "A", "127.0.0.2"]]
    assert reply.answer[0].name == reply.question[0].name
    assert reply.flags & dns.flags.AA and not reply.flags & dns.flags.RA
    assert not reply.flags & dns.flags.TC


@pytest.mark.parametrize("subject", [LISTED, LISTED6])
@pytest.mark.parametrize("order", [["TXT", "A", "TXT"], ["A", "TXT"]])
def test_text_exists_whichever_is_asked_first_and_the_list_is_asked_once(world, subject, order):
    for type in order:
        reply = world.ask(subject, type)
        assert reply.rcode() == dns.rcode.NOERROR and len(reply.answer) == 1
        assert 55 <= reply.answer[0].ttl <= 60
        if type == "TXT":
            assert text_of(reply) == f"{subject} is bad"
    assert world.list_server.count(type=None) == 1


def test_any_gives_address_and_text_with_one_ttl(world):
    reply = world.ask(LISTED, "ANY")
    assert sorted(dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer) == ["A", "TXT"]
    assert len({rrset.ttl for rrset in reply.answer}) == 1
    assert all(len(rrset) == 1 for rrset in reply.answer)


@pytest.mark.parametrize("type", OTHER_TYPES)
def test_other_types_of_a_listed_address_are_empty_with_soa(world, type):
    reply = world.ask(LISTED, type)
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
    assert negative_ttl(reply) <= 60
    assert reply.authority[0].name.to_text() == "bl.tally.example."


@pytest.mark.parametrize("subject", [CLEAR, CLEAR6])
@pytest.mark.parametrize("type", ["A", "TXT", "ANY", *OTHER_TYPES])
def test_a_clear_address_does_not_exist_for_any_type(world, subject, type):
    reply = world.ask(subject, type)
    assert reply.rcode() == dns.rcode.NXDOMAIN and not reply.answer
    assert reply.flags & dns.flags.AA and not reply.flags & dns.flags.RA
    assert 55 <= negative_ttl(reply) <= 60


def test_the_apex_has_soa_and_ns_and_the_ns_has_our_address(world):
    soa = world.query(world.zone, "SOA").answer[0]
    assert soa.ttl == 3600 and soa[0].rname.to_text() == "hostmaster.bl.tally.example."
    assert soa[0].mname.to_text() == "ns.bl.tally.example."
    ns = world.query(world.zone, "NS").answer[0]
    assert ns.ttl == 3600 and [rdata.target.to_text() for rdata in ns] == ["ns.bl.tally.example."]
    address = world.query("ns." + world.zone, "A").answer[0]
    assert address.ttl == 3600 and [rdata.address for rdata in address] == [world.address]


@pytest.mark.parametrize("type", ["A", "TXT", "AAAA", "MX", "DS"])
def test_the_apex_is_empty_for_other_types(world, type):
    for name in ("bl.tally.example", "u1.bl.tally.example"):
        reply = world.query(name, type)
        assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
        assert reply.authority[0].name.to_text() == name + "."
        assert reply.flags & dns.flags.AA


def test_ns_has_the_ipv4_and_ipv6_address_that_we_listen_on_once(stage, network):
    address = fresh_address()
    port = fresh_port(address)
    tallyd = stage.tallyd(
        {"bl.example": {"sites": ["a.example"]}},
        {"a.example": {"server": ["127.0.0.1@9"]}},
        address=address,
        port=port,
        listen=[f"{address}@{port}", f"::1@{port}", f"{address}@{port + 1}"],
    )
    assert [rdata.address for rdata in tallyd.query("ns.bl.example", "A").answer[0]] == [address]
    assert [rdata.address for rdata in tallyd.query("ns.bl.example", "AAAA").answer[0]] == ["::1"]
    message = dns.message.make_query("2.0.0.127.bl.example", "A")
    for send in (dns.query.udp, dns.query.tcp):
        assert send(message, "::1", 10, port).answer


@pytest.mark.parametrize(
    "labels", ["192", "0.192", "2.0.192", "0", "255.255", "f", "8.b.d.0.1.0.0.2", "0.0.0.8.b.d.0.1.0.0.2", "A.a"]
)
@pytest.mark.parametrize("type", ["A", "NS", "DS", "TXT"])
def test_part_of_a_reversed_address_is_an_empty_name(world, labels, type):
    reply = world.query(f"{labels}.{world.zone}", type)
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
    assert reply.authority[0].name.to_text() == world.zone + "."
    negative_ttl(reply)
    assert world.list_server.count(type=None) == 0


@pytest.mark.parametrize(
    "labels",
    [
        "www",
        "256.2.0.192",
        "-1.2.0.192",
        "x.2.0.192",
        "1.1.2.0.192",
        "1.2.0.192.11",
        "2001:db8::2",
        "2.2.0.::ffff:192",
        "0x10.2.0.192",
        "7.113.0.203.in-addr",
        "10.a",
        "g.8.b.d.0.1.0.0.2",
        "_dmarc",
        "localhost",
        ".".join("0" * 33),
        "1e1.2.0.192",
    ],
)
def test_what_is_no_address_does_not_exist_and_nobody_is_asked(world, labels):
    for type in ("A", "TXT", "MX"):
        reply = world.query(f"{labels}.{world.zone}", type)
        assert reply.rcode() == dns.rcode.NXDOMAIN and not reply.answer
        negative_ttl(reply)
    assert world.list_server.count(type=None) == 0


@pytest.mark.parametrize("name", ["example", "www.example.org", "tally.example", "xbl.tally.example", "bl.tally.example.org", "."])
@pytest.mark.parametrize("type", ["A", "SOA", "ANY"])
def test_names_outside_all_zones_are_refused(world, name, type):
    reply = world.query(name, type, edns=1232)
    assert reply.rcode() == dns.rcode.REFUSED
    assert not reply.answer and not reply.authority
    assert extended_errors(reply) == [20]


def test_an_account_answers_for_itself(world):
    assert text_of(world.ask(LISTED, "TXT", zone="u1.bl.tally.example")) == f"account: {LISTED}"
    reply = world.ask(CLEAR, zone="u1.bl.tally.example")
    assert reply.authority[0].name.to_text() == "u1.bl.tally.example."
    assert world.query("u1.bl.tally.example", "SOA").answer
    assert world.list_server.count(type=None) == 2


@pytest.mark.parametrize("name", ["7.113.0.203.bL.TaLLy.eXample", "8.113.0.203.BL.TALLY.EXAMPLE", "bL.TalLy.examPle", "WwW.example.ORG"])
def test_the_question_comes_back_as_it_was_spelled(world, name):
    for tcp in (False, True):
        reply = world.query(name, tcp=tcp)
        assert reply.question[0].name.to_text(omit_final_dot=True) == name


@pytest.mark.parametrize("rd", [True, False])
def test_recursion_desired_is_copied_and_not_needed(world, rd):
    for subject in (LISTED, CLEAR, "127.0.0.2"):
        reply = world.ask(subject, rd=rd)
        assert bool(reply.flags & dns.flags.RD) == rd
        assert reply.flags & dns.flags.AA and not reply.flags & dns.flags.RA


@pytest.mark.parametrize("mapped", [LISTED, "198.51.100.1", CLEAR, "127.0.0.2", "127.0.0.1"])
def test_a_mapped_address_is_that_ipv4_address(world, mapped):
    plain, six = world.verdict(mapped), world.verdict("::ffff:" + mapped)
    assert plain == six
    asked = world.list_server.count(type=None)
    assert asked == (0 if mapped.startswith("127.") else 1)
    assert world.list_server.count(reversed_name(mapped, "a.example")) == asked


def test_text_of_a_mapped_address_names_the_ipv4_address(world):
    assert text_of(world.ask("::ffff:" + LISTED, "TXT")) == f"{LISTED} is bad"


def test_ipv6_addresses_are_asked_as_32_nibbles(world):
    assert world.verdict(LISTED6.upper()) == "127.0.0.2"
    assert world.list_server.count(reversed_name(LISTED6, "a.example")) == 1
    assert world.query(reversed_name(LISTED6, world.zone).upper()).answer


def test_the_hostmaster_is_that_of_the_configuration(stage):
    server = stage.upstream({"a.example": up.nxdomain()})
    for given in ("postmaster@mail.example.org", "postmaster.mail.example.org"):
        tallyd = stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"), hostmaster=given)
        for reply in (tallyd.query("bl.example", "SOA").answer, tallyd.ask(CLEAR).authority):
            assert reply[0][0].rname.to_text() == "postmaster.mail.example.org."


@pytest.mark.parametrize("name", ["version.bind", "version.server", "VERSION.BIND"])
def test_the_version_is_told_in_class_chaos(world, name):
    reply = world.query(name, "TXT", rdclass="CH")
    assert "tally" in text_of(reply)


@pytest.mark.parametrize("name", ["hostname.bind", "bl.tally.example", "2.0.0.127.bl.tally.example"])
def test_other_names_in_class_chaos_are_refused(world, name):
    assert world.query(name, "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED

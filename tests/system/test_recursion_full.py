"""recursion = true: every other name is resolved too, with DNSSEC, as unbound would."""
import os
import re
import signal
import smtplib
import socket
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import upstream as up
from clients import POSTFIX_MAIN, POSTFIX_SERVICES, PostfixMaster
from conftest import Theatre
from flood import Flood
from harness import wait_until
from internet import MAIL, SINK, Internet, mail_server_key
from network import Network, with_files
from programs import extended_errors, served_by
from tallyctl import Tallyctl

ZONES = {"bl.tally.example": {"sites": ["a.example"]}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The Internet, tallyd on 127.0.0.2 and a real unbound on 127.0.0.1, for all tests of this file."""
    with Network() as network:
        stage = Theatre(tmp_path_factory.mktemp("internet"))
        try:
            stage.key, tlsa = mail_server_key(stage.open)
            stage.internet = Internet(stage, network, tlsa)
            stage.anchor = str(stage.internet.anchor)
            server = stage.upstream({"a.example": up.listed("127.0.0.2")})
            stage.lists = served_by(server, "a.example")
            stage.daemon = stage.tallyd(ZONES, stage.lists, address="127.0.0.2", port=53, recursion=True, trust_anchor=stage.anchor)
            more = ['module-config: "validator iterator"', f'trust-anchor-file: "{stage.anchor}"', "trust-anchor-signaling: no"]
            stage.real = stage.unbound({}, more=more, address="127.0.0.1", port=53)
            stage.resolv_conf = stage.open / "resolv.conf"
            stage.resolv_conf.write_text("nameserver 127.0.0.2\n")
            stage.resolv_conf.chmod(0o644)
            yield stage
        finally:
            print(stage.logs())
            stage.close()
            stage.clear()


@pytest.fixture
def more(world, tmp_path):
    """A further stage in the same network, for what one test starts."""
    stage = Theatre(tmp_path)
    try:
        yield stage
    finally:
        print(stage.logs())
        stage.close()
        stage.clear()


def ask(server, name, type="A", tcp=False, edns=1232, do=False, ad=False, cd=False, rd=True, rdclass="IN", source=None, seconds=20):
    message = dns.message.make_query(name, type, rdclass)
    message.flags = (dns.flags.RD if rd else 0) | (dns.flags.AD if ad else 0) | (dns.flags.CD if cd else 0)
    if edns is not None:
        message.use_edns(0, ednsflags=dns.flags.DO if do else 0, payload=edns)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(message, server.address, seconds, server.port, source=source)


def flags(reply):
    return dns.flags.to_text(reply.flags)


def rcode(reply):
    return dns.rcode.to_text(reply.rcode())


def addresses(reply):
    return sorted(rdata.address for rrset in reply.answer for rdata in rrset if rrset.rdtype == 1)


QUESTIONS = [
    *[("www.secure.example", type) for type in ("A", "AAAA", "MX", "TXT", "NSEC", "RRSIG", "DS", "TYPE65400", "NULL")],
    *[("secure.example", type) for type in ("SOA", "NS", "MX", "TXT", "DNSKEY", "DS", "NSEC", "A")],
    *[(f"{name}.secure.example", "A") for name in ("alias", "chain", "away", "dangling", "outside", "loop", "nobody", "x.nobody", "www.sub")],
    *[(f"{name}.secure.example", "A") for name in ("x.wild", "x.y.wild", "*.wild", "deep.ent", "a.deep.ent", r"a\.b", r"\000\255", "ns", "only6")],
    *[(f"{name}.secure.example", "AAAA") for name in ("alias", "only6", "away", "x.wild")],
    ("sub.secure.example", "DNAME"), ("_sip._udp.secure.example", "SRV"), ("web.secure.example", "HTTPS"), ("naptr.secure.example", "NAPTR"),
    ("strange.secure.example", "TYPE65400"), ("mail.example", "MX"), ("mx.mail.example", "A"), ("big.secure.example", "TXT"),
    *[("www.plain.example", type) for type in ("A", "AAAA", "RRSIG")], ("plain.example", "DS"), ("nobody.plain.example", "A"),
    *[("www.tampered.example", type) for type in ("A", "AAAA")], ("fine.tampered.example", "A"),
    *[(".", type) for type in ("NS", "SOA", "DNSKEY", "A")], ("example", "NS"), ("example", "DNSKEY"), ("example", "A"), ("nobody", "A"),
    ("localhost", "A"), ("localhost", "AAAA"), ("1.0.0.127.in-addr.arpa", "PTR"), ("1.1.168.192.in-addr.arpa", "PTR"), ("10.in-addr.arpa", "SOA"),
    ("x.test", "A"), ("x.invalid", "A"), ("x.onion", "A"), ("home.arpa", "A"), ("d.f.ip6.arpa", "SOA"),
]
MODES = {"plain": {}, "no edns": {"edns": None}, "AD": {"ad": True}, "DO": {"do": True}, "CD": {"cd": True}, "DO and CD": {"do": True, "cd": True}}


def said(reply):
    """What two resolvers must agree in: all but TTLs, order, and how they spell names."""
    def records(section):
        return sorted(f"{rrset.name} {rdata.rdtype} {rdata}".lower() for rrset in section for rdata in rrset)

    return {
        "rcode": dns.rcode.to_text(reply.rcode()), "flags": dns.flags.to_text(reply.flags), "DO": bool(reply.ednsflags & dns.flags.DO),
        "question": str(reply.question[0]), "answer": records(reply.answer), "authority": records(reply.authority), "additional": records(reply.additional),
    }


@pytest.mark.parametrize("mode", MODES)
def test_every_answer_is_that_of_unbound(world, mode):
    differ = []
    for name, type in QUESTIONS:
        ours, theirs = (said(ask(server, name, type, **MODES[mode])) for server in (world.daemon, world.real))
        for key in ours:
            if ours[key] != theirs[key]:
                differ.append(f"{name} {type} {key}: {ours[key]}, unbound {theirs[key]}")
    assert not differ, "\n".join(differ)


# --- what is ours -----------------------------------------------------------------------------


def test_the_zones_are_answered_beside_it_as_before(world):
    reply = world.daemon.ask("198.51.100.1")
    assert addresses(reply) == ["127.0.0.2"] and flags(reply) == "QR AA RD RA"
    reply = world.daemon.ask("198.51.100.1", "TXT", rd=False)
    assert reply.answer and flags(reply) == "QR AA RA", "RD or not: it is our zone"
    assert rcode(world.daemon.query("nobody.bl.tally.example")) == "NXDOMAIN"
    assert world.daemon.query("bl.tally.example", "SOA").answer


def test_who_does_not_want_recursion_or_another_class_is_refused(world):
    for how in ({"rd": False}, {"rdclass": "CH"}, {"rdclass": "HS"}, {"rdclass": "ANY"}):
        reply = ask(world.daemon, "www.secure.example", **how)
        assert rcode(reply) == "REFUSED" and not reply.answer
        assert extended_errors(reply) == [20]
    for type in ("AXFR", "IXFR"):
        assert rcode(ask(world.daemon, "secure.example", type, tcp=True)) == "REFUSED"
    for type in ("OPT", "TSIG", "TKEY", "MAILB"):
        assert rcode(ask(world.daemon, "secure.example", type)) == rcode(ask(world.real, "secure.example", type)) == "FORMERR"


def test_a_stranger_is_refused_and_not_told_of_recursion(world):
    for name in ("www.secure.example", "2.0.0.127.bl.tally.example"):
        reply = ask(world.daemon, name, source=SINK)
        assert rcode(reply) == "REFUSED" and flags(reply) == "QR RD" and extended_errors(reply) == [18]


def test_the_question_comes_back_as_it_was_spelled(world):
    for name in ("WwW.sEcUrE.eXaMpLe", "www.SECURE.example", "ChAiN.secure.EXAMPLE"):
        reply = ask(world.daemon, name)
        assert reply.question[0].name.to_text() == name + "."
        assert reply.answer[0].name.to_text() == name + "." and addresses(reply) == ["192.0.2.80", "192.0.2.81"]


def test_any_is_answered_with_little(world):
    (hinfo,) = ask(world.daemon, "secure.example", "ANY").answer
    assert hinfo.to_text().endswith('HINFO "RFC8482" ""')
    assert addresses(ask(world.daemon, "www.secure.example", "ANY")) == ["192.0.2.80", "192.0.2.81"]
    (cname,) = ask(world.daemon, "chain.secure.example", "ANY").answer
    assert cname.to_text().endswith("CNAME alias.secure.example."), "qmail looks for aliases like this"
    assert rcode(ask(world.daemon, "nobody.secure.example", "ANY")) == "NXDOMAIN"
    assert rcode(ask(world.daemon, "www.tampered.example", "ANY")) == "SERVFAIL"


# --- size -------------------------------------------------------------------------------------


def test_what_is_too_large_for_udp_is_truncated_and_whole_over_tcp(world):
    for how in ({"edns": None}, {"edns": 512}, {"edns": 1232}, {"edns": 65535}):
        reply = ask(world.daemon, "big.secure.example", "TXT", **how)
        assert flags(reply) == "QR TC RD RA" and not reply.answer
    (big,) = ask(world.daemon, "big.secure.example", "TXT", tcp=True).answer
    assert len(big[0].strings) == 8
    (huge,) = ask(world.daemon, "huge.secure.example", "TXT", tcp=True, edns=None).answer
    assert sum(map(len, huge[0].strings)) == 160 * 255
    signed = ask(world.daemon, "huge.secure.example", "TXT", tcp=True, do=True, edns=512)
    assert len(signed.answer) == 2 and flags(signed) == "QR RD RA AD"


def test_a_tcp_connection_that_asks_for_much_gets_all_of_it(world):
    query = dns.message.make_query("huge.secure.example", "TXT")
    with socket.create_connection((world.daemon.address, world.daemon.port)) as sock:
        for ident in range(20):
            query.id = ident
            dns.query.send_tcp(sock, query)
        idents = {dns.query.receive_tcp(sock, time.time() + 20)[0].id for _ in range(20)}
    assert idents == set(range(20))


# --- DNSSEC -----------------------------------------------------------------------------------


def test_what_is_forged_is_refused_with_the_reason_and_given_to_those_who_judge_for_themselves(world):
    for how in ({}, {"do": True}, {"ad": True}):
        reply = ask(world.daemon, "www.tampered.example", **how)
        assert rcode(reply) == "SERVFAIL" and not reply.answer and extended_errors(reply) == [6]
    reply = ask(world.daemon, "www.tampered.example", cd=True)
    assert addresses(reply) == ["192.0.2.61"] and flags(reply) == "QR RD RA CD"
    assert addresses(ask(world.daemon, "fine.tampered.example", do=True)) == ["192.0.2.62"]
    (line,) = world.daemon.log_lines("warning: bogus")
    assert 'name=www.tampered.example. type=1 why="validation failure' in line and "signature" in line


def test_without_the_key_of_the_root_nothing_is_called_authentic_and_the_log_says_so(world, more):
    for anchor, words in (("/nonexistent/root.key", "warning: recursion without DNSSEC, no answer is called authentic"), ("", "info: recursion without DNSSEC")):
        tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=anchor)
        assert tallyd.log_lines(words)
        reply = ask(tallyd, "www.secure.example", do=True)
        assert flags(reply) == "QR RD RA" and len(reply.answer) == 2
        assert addresses(ask(tallyd, "www.tampered.example")) == ["192.0.2.61"]


def test_a_key_of_the_root_that_is_none_stops_the_start_and_not_a_reload(world, more):
    key = more.open / "key"
    key.write_text("nonsense\n")
    broken = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=str(key), wait=False)
    broken.expected_status = 1
    wait_until(lambda: not broken.running(), "tallyd gives up")
    assert broken.log_lines("error: ") == [f"error: trust-anchor={key}: no DS or DNSKEY record in it"]
    key.write_text(open(world.anchor, encoding="ascii").read())
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=str(key))
    key.write_text("nonsense\n")
    tallyd.reload()
    assert tallyd.log_lines("error: other names are resolved as before the reload")
    assert flags(ask(tallyd, "www.secure.example", ad=True)) == "QR RD RA AD"


# --- cache ------------------------------------------------------------------------------------


def test_answers_are_kept_for_their_time_and_counted(world, more):
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=world.anchor)
    ctl = Tallyctl(tallyd)
    assert ask(tallyd, "short.secure.example").answer[0].ttl == 2
    first = ask(tallyd, "www.secure.example").answer[0].ttl
    time.sleep(1.2)
    left = ask(tallyd, "www.secure.example").answer[0].ttl
    assert first - 10 < left < first
    time.sleep(2.0)
    assert ask(tallyd, "short.secure.example").answer[0].ttl == 2, "fetched anew"
    ask(tallyd, "www.tampered.example")
    ask(tallyd, "www.plain.example")
    seen = ctl.json("stats")["recursion"]
    assert seen == {"asked": 6, "hits": 1, "answered": 5, "secure": 4, "bogus": 1, "failed": 0, "in_flight": 0}
    exposition = ctl("stats", "--prometheus").stdout
    assert "tally_recursion_asked_total 6" in exposition and "tally_recursion_in_flight 0" in exposition
    assert ctl.json("stats")["answers"]["servfail"] == 0


# --- the way out ------------------------------------------------------------------------------


def test_forward_sends_other_names_to_a_resolver_and_dnssec_holds_through_it(world, more):
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=world.anchor, forward=["127.0.0.1@53"])
    assert flags(ask(tallyd, "www.secure.example", ad=True)) == "QR RD RA AD"
    assert addresses(ask(tallyd, "www.plain.example")) == ["192.0.2.70"]
    assert extended_errors(ask(tallyd, "www.tampered.example")) == [6]


def test_behind_a_resolver_without_dnssec_every_answer_is_taken_for_forged(world, more):
    resolver = more.upstream({".": up.nodata(), "": up.nxdomain(), "www.example.org": up.listed("203.0.113.80")})
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor=world.anchor, forward=[resolver.server])
    reply = ask(tallyd, "www.example.org")
    assert rcode(reply) == "SERVFAIL" and extended_errors(reply) == [6]
    assert addresses(ask(tallyd, "www.example.org", cd=True)) == ["203.0.113.80"]


def test_no_delegation_leads_to_this_host(world):
    before = Tallyctl(world.daemon).json("stats")["queries"]["udp"]
    assert rcode(ask(world.daemon, "www.host.example")) == "SERVFAIL"
    assert Tallyctl(world.daemon).json("stats")["queries"]["udp"] == before + 1, "it does not ask itself"


@pytest.fixture
def forwarded(world, more):
    """tallyd without DNSSEC behind a resolver that the test makes behave."""
    resolver = more.upstream({"": up.nxdomain(), "www.example.org": up.listed("203.0.113.80"), "silent.example.org": up.silent()})
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor="", forward=[resolver.server])
    tallyd.resolver = resolver
    return tallyd


def test_our_names_private_names_and_localhost_never_leave(forwarded):
    assert addresses(ask(forwarded, "www.example.org")) == ["203.0.113.80"]
    for name in ("2.0.0.127.bl.tally.example", "4.3.2.10.bl.tally.example", "nobody.bl.tally.example", "BL.tally.example", "ns.bl.tally.example"):
        for type in ("A", "TXT", "DS", "ANY"):
            ask(forwarded, name, type)
    for name in ("localhost", "x.localhost", "1.1.168.192.in-addr.arpa", "1.0.0.10.in-addr.arpa", "1.0.254.169.in-addr.arpa", "x.onion", "x.test"):
        ask(forwarded, name, "PTR")
    asked = {name for _, name, _, _ in forwarded.resolver.asked}
    assert asked == {"www.example.org."}


@pytest.mark.alone
def test_names_that_nobody_answers_fail_in_time_and_are_bounded(forwarded, world):
    """600 questions for names of a server that is silent: 512 wait, the others fail at once; all else goes on."""
    assert addresses(ask(forwarded, "www.example.org")) == ["203.0.113.80"]
    began = time.monotonic()
    meanwhile = []

    def on_tick(_):
        if not meanwhile and time.monotonic() > began + 3:
            meanwhile.append(Tallyctl(forwarded).json("stats")["recursion"]["in_flight"])
            meanwhile.append(addresses(forwarded.ask("198.51.100.2")))

    flood = Flood(forwarded.address, forwarded.port, window=700, seconds=25)
    replies = flood.ask([(f"n{i}.silent.example.org", "A") for i in range(600)], on_tick)
    assert len(replies) == 600 and {rcode(reply) for _, _, reply in replies} == {"SERVFAIL"}
    assert sum(answered - asked < 3 for asked, answered, _ in replies) == 88
    assert meanwhile == [512, ["127.0.0.2"]]
    assert time.monotonic() - began < 15
    assert forwarded.log_lines("warning: recursion: 512 questions are under way")


def test_two_that_send_to_each_other_do_not_go_round_for_ever(world, more):
    first = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor="")
    second = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor="", forward=[first.server])
    first.options["forward"] = [second.server]
    first.write()
    first.reload()
    reply = ask(first, "www.secure.example")
    assert rcode(reply) == "SERVFAIL" and extended_errors(reply) == [22]
    for tallyd in (first, second):
        assert Tallyctl(tallyd).json("stats")["queries"]["udp"] < 60


# --- changes while it runs --------------------------------------------------------------------


def test_a_reload_turns_it_on_and_off_without_losing_a_question(world, more):
    tallyd = more.tallyd(ZONES, world.lists, trust_anchor=world.anchor)
    assert rcode(ask(tallyd, "www.secure.example")) == "REFUSED"
    assert flags(tallyd.ask("198.51.100.1")) == "QR AA RD"
    for turn in range(4):
        tallyd.options["recursion"] = turn % 2 == 0
        tallyd.write()
        tallyd.process.send_signal(signal.SIGHUP)
        wanted = "NOERROR" if turn % 2 == 0 else "REFUSED"
        got = []
        wait_until(lambda: got.append(rcode(ask(tallyd, "www.secure.example"))) or got[-1] == wanted, wanted)
        assert set(got) <= {"NOERROR", "REFUSED"}, "no question is lost, none fails"
        wait_until(lambda: len(tallyd.log_lines("info: reloaded")) == turn + 1, "the reload is over")


def test_a_reload_keeps_the_cache_and_what_is_under_way(world, more):
    resolver = more.upstream({"": up.nxdomain(), "slow.example.org": up.slow(0.4, up.listed("203.0.113.81"))})
    tallyd = more.tallyd(ZONES, world.lists, recursion=True, trust_anchor="", forward=[resolver.server])
    ask(tallyd, "nobody.example.org")
    tallyd.reload()
    ask(tallyd, "nobody.example.org")
    assert resolver.count("nobody.example.org") == 1
    replies = []
    asking = threading.Thread(target=lambda: replies.append(ask(tallyd, "slow.example.org")))
    asking.start()
    wait_until(lambda: resolver.count("slow.example.org"), "it is under way")
    tallyd.options["recursion"] = False
    tallyd.write()
    tallyd.reload()
    asking.join()
    assert addresses(replies[0]) == ["203.0.113.81"]
    assert rcode(ask(tallyd, "slow.example.org")) == "REFUSED"


def test_a_stop_answers_those_who_wait(forwarded):
    replies = []
    asking = threading.Thread(target=lambda: replies.append(ask(forwarded, "x.silent.example.org")))
    asking.start()
    wait_until(lambda: forwarded.resolver.count("x.silent.example.org"), "it is under way")
    assert forwarded.stop() == 0
    asking.join()
    assert rcode(replies[0]) == "SERVFAIL"


# --- mail -------------------------------------------------------------------------------------


def test_a_qmail_host_names_it_in_dnscacheip(world):
    """tcpclient looks up the host, rblsmtpd the list, both by way of $DNSCACHEIP, as qmail's programs do."""
    environment = {**os.environ, "DNSCACHEIP": "127.0.0.2", "TCPREMOTEIP": "198.51.100.1"}
    done = subprocess.run(
        ["rblsmtpd", "-b", "-r", "bl.tally.example", "echo", "220 next"],
        input="EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nQUIT\r\n",
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )
    assert "553 198.51.100.1 is listed by a.example" in done.stdout
    done = subprocess.run(
        ["tcpclient", "-RHv", "mx.mail.example", "1", "true"], capture_output=True, text=True, timeout=60, env=environment, check=False,
    )
    assert f"unable to connect to {MAIL} port 1" in done.stderr, done.stderr


MAIN_CF = """
myhostname = sender.example
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
maximal_queue_lifetime = 1d
"""
MASTER_CF = """
smtp      unix - - n - - smtp
tlsmgr    unix - - n 1000? 1 tlsmgr
127.0.0.1:2525 inet n - n - - smtpd
{mail}:25 inet n - n - - smtpd
    -o myhostname=mx.mail.example -o mynetworks=0.0.0.0/0 -o content_filter=discard:
    -o smtpd_tls_security_level=may -o smtpd_tls_cert_file={key} -o smtpd_tls_key_file={key}
"""


class Postfix(PostfixMaster):
    """One Postfix that sends from 127.0.0.1:2525 and takes mail, with TLS, on the address of the mail server."""

    def __init__(self, world, stage):
        path = self.path = stage.open / "postfix"
        for name in ("etc", "spool", "data"):
            (path / name).mkdir(parents=True)
            (path / name).chmod(0o755)
        path.chmod(0o755)
        subprocess.run(["chown", "postfix", path / "data"], check=True)
        (path / "etc/main.cf").write_text((POSTFIX_MAIN + MAIN_CF).format(path=path))
        (path / "etc/master.cf").write_text(POSTFIX_SERVICES + MASTER_CF.format(mail=MAIL, key=world.key))
        argv = with_files({"/etc/resolv.conf": world.resolv_conf}, ["postfix", "-c", path / "etc", "start-fg"])
        super().__init__("postfix", argv, stage.directory)
        stage.add(self)
        self.wait_ready(lambda: "starting the Postfix mail system" in self.log())


def test_postfix_delivers_with_dane_through_it_and_not_to_an_impostor(world, more):
    postfix = Postfix(world, more)
    recipients = ["u@mail.example", "u@forged.mail.example", "u@tampered.example", "u@plain.example"]

    def connect():
        return smtplib.SMTP("127.0.0.1", 2525, local_hostname="client.example", timeout=60)

    def listening():
        try:
            connect().quit()
        except OSError:
            return False
        return True

    wait_until(listening, "Postfix listens")
    with connect() as smtp:
        for recipient in recipients:
            assert smtp.sendmail("a@sender.example", [recipient], "Subject: x\r\n\r\nx\r\n") == {}
    ended = re.compile(r"postfix/smtp\[.*to=<(.*?)>.*status=(\w+) \((.*)")
    wait_until(lambda: len(set(ended.findall(postfix.log()))) >= len(recipients), "each mail has its fate", seconds=60)
    status = {to: (word, why) for to, word, why in ended.findall(postfix.log())}
    assert status["u@mail.example"][0] == "sent"
    assert re.search(r"Verified TLS connection established to mx.mail.example\[192.0.2.30\]:25", postfix.log())
    word, why = status["u@forged.mail.example"]
    assert word == "deferred" and "not verified" in why.lower(), why
    assert status["u@tampered.example"][0] == "deferred"
    assert status["u@plain.example"][0] == "sent", "no DNSSEC, no DANE, but delivered"
    assert "Verified TLS connection established to mx.plain.example" not in postfix.log()

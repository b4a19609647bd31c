"""UDP sizes, EDNS, and TCP as RFC 7766 wants it."""
import os
import socket
import struct
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import upstream as up
from harness import fresh_address, fresh_port, reversed_name, wait_until
from programs import answers, extended_errors, query, served_by, text_of, verdict_of
from tallyctl import Tallyctl

SUBJECT, CLEAR, SLOW = "198.51.100.1", "198.51.100.2", "198.51.100.3"


@pytest.fixture
def world(stage):
    server = stage.upstream({"a.example": up.nxdomain()})
    server.behave(reversed_name(SUBJECT, "a.example"), up.listed("127.0.0.2"))
    server.behave(reversed_name(SLOW, "a.example"), up.slow(0.5, up.listed("127.0.0.2")))
    return stage.tallyd({"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example"))


class Connection:
    """A TCP connection that tests can cut up as they like."""

    def __init__(self, tallyd, source="127.0.0.1"):
        self.sock = socket.create_connection((tallyd.address, tallyd.port), timeout=20, source_address=(source, 0))
        self.zone = tallyd.zone
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def wire(self, number, subject=SUBJECT, type="A"):
        packet = dns.message.make_query(reversed_name(subject, self.zone), type, id=number).to_wire()
        return struct.pack("!H", len(packet)) + packet

    def read(self):
        """The next reply, or None at the end."""
        while len(self.buffer) < 2 or len(self.buffer) < 2 + struct.unpack("!H", self.buffer[:2])[0]:
            more = self.sock.recv(65536)
            if not more:
                assert not self.buffer, "half a reply"
                return None
            self.buffer += more
        length = struct.unpack("!H", self.buffer[:2])[0]
        packet, self.buffer = self.buffer[2 : 2 + length], self.buffer[2 + length :]
        return dns.message.from_wire(packet)


def test_a_tcp_connection_takes_many_questions_one_after_another(world):
    with Connection(world) as connection:
        for number in range(1, 101):
            subject = SUBJECT if number % 2 else CLEAR
            connection.sock.sendall(connection.wire(number, subject))
            reply = connection.read()
            assert reply.id == number
            assert verdict_of(reply) == ("127.0.0.2" if number % 2 else "clear")


def test_questions_in_one_write_are_all_answered(world):
    with Connection(world) as connection:
        connection.sock.sendall(b"".join(connection.wire(n, f"198.51.100.{n}") for n in range(1, 201)))
        assert {connection.read().id for _ in range(200)} == set(range(1, 201))


def test_a_slow_question_does_not_hold_up_the_next_on_the_connection(world):
    assert world.verdict(SUBJECT) == "127.0.0.2"
    with Connection(world) as connection:
        connection.sock.sendall(connection.wire(1, SLOW) + connection.wire(2, SUBJECT))
        assert [connection.read().id for _ in range(2)] == [2, 1]


def test_a_question_may_come_byte_by_byte(world):
    with Connection(world) as connection:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in connection.wire(7) + connection.wire(8, CLEAR):
            connection.sock.sendall(bytes([byte]))
            time.sleep(0.001)
        assert {connection.read().id for _ in range(2)} == {7, 8}


def test_questions_cut_at_odd_places_are_answered(world):
    with Connection(world) as connection:
        stream = b"".join(connection.wire(n) for n in range(1, 31))
        for at in range(0, len(stream), 37):
            connection.sock.sendall(stream[at : at + 37])
            time.sleep(0.001)
        assert {connection.read().id for _ in range(30)} == set(range(1, 31))


@pytest.mark.parametrize("subjects", [[SUBJECT], [SLOW], [SUBJECT, CLEAR, SLOW]])
def test_a_client_that_has_closed_its_half_gets_its_answers(world, subjects):
    with Connection(world) as connection:
        connection.sock.sendall(b"".join(connection.wire(n, s) for n, s in enumerate(subjects)))
        connection.sock.shutdown(socket.SHUT_WR)
        assert {connection.read().id for _ in subjects} == set(range(len(subjects)))
        assert connection.read() is None


def test_a_client_that_leaves_early_does_no_harm(world):
    for _ in range(50):
        with Connection(world) as connection:
            connection.sock.sendall(connection.wire(1, SLOW))
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert world.verdict(SLOW) == "127.0.0.2"
    assert world.verdict(SLOW, tcp=True) == "127.0.0.2"


def test_an_idle_connection_stays_for_a_while_and_others_are_served(world):
    with Connection(world) as idle, Connection(world) as half:
        half.sock.sendall(b"\0")
        time.sleep(1.5)
        for _ in range(5):
            assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"
        idle.sock.sendall(idle.wire(3))
        assert idle.read().id == 3


def test_hundreds_of_connections_are_served_and_let_go(world):
    connections = [Connection(world) for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            connection.sock.sendall(connection.wire(number))
        answered = 0
        for number, connection in enumerate(connections):
            try:
                reply = connection.read()
            except ConnectionError:
                continue
            if reply is not None:
                assert reply.id == number
                answered += 1
        # a server may close some of so many; most must be served, and all of the last
        assert answered >= 50
    finally:
        for connection in connections:
            connection.sock.close()
    assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"


def test_more_idle_connections_than_there_is_room_for_do_not_shut_out_new_ones(world):
    idle = []
    try:
        for _ in range(400):
            idle.append(socket.create_connection((world.address, world.port), timeout=20))
        assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"
        assert world.verdict(SUBJECT) == "127.0.0.2"
    finally:
        for sock in idle:
            sock.close()


@pytest.fixture
def crowd(world):
    """Opens connections from a source address, and closes them all at the end."""
    opened = []

    def open_some(count, source):
        more = [Connection(world, source) for _ in range(count)]
        opened.extend(more)
        return more

    yield open_some
    for connection in opened:
        connection.sock.close()


def is_closed(connection):
    """Has the daemon closed it by now?"""
    connection.sock.setblocking(False)
    try:
        return connection.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.sock.settimeout(20)


def answered(connection, number=1):
    connection.sock.sendall(connection.wire(number, "127.0.0.2"))
    return connection.read().id == number


def test_a_client_with_half_of_all_connections_gives_way_to_itself(world, crowd):
    others = crowd(10, "127.0.1.1")
    greedy = crowd(64, "127.0.1.2")
    time.sleep(0.1)  # so that the rest is younger to the daemon
    greedy += crowd(6, "127.0.1.2")
    assert answered(greedy[-1])
    assert [is_closed(connection) for connection in greedy] == [True] * 6 + [False] * 64
    assert all(answered(connection) for connection in others)


def test_when_there_is_no_room_the_connection_idle_for_longest_gives_way(world, crowd):
    first, second = crowd(64, "127.0.1.1"), crowd(64, "127.0.1.2")
    time.sleep(0.1)  # so that those two are not one moment to the daemon
    assert answered(first[0])  # the next one is the oldest now
    (third,) = crowd(1, "127.0.1.3")
    assert answered(third)
    assert [connection for connection in first + second if is_closed(connection)] == [first[1]]


def test_a_connection_with_a_question_under_way_does_not_give_way_to_a_new_one(world, crowd):
    (waiting,) = crowd(1, "127.0.1.1")
    waiting.sock.sendall(waiting.wire(9, SLOW))
    assert answered(crowd(1, "127.0.1.1")[0])  # by now the slow one has been read
    idle = crowd(63, "127.0.1.1") + crowd(63, "127.0.1.2")
    assert answered(idle[-1])
    assert answered(crowd(5, "127.0.1.3")[-1])
    assert waiting.read().id == 9


@pytest.mark.alone
def test_a_thousand_connections_held_open_do_not_disturb_udp(world, crowd):
    """They come from twenty clients; the daemon keeps those that it has room for."""
    assert world.verdict(SUBJECT) == "127.0.0.2"
    for client in range(20):
        crowd(50, f"127.0.2.{client + 1}")
    took = []
    for number in range(500):
        began = time.monotonic()
        assert world.verdict(SUBJECT if number % 2 else CLEAR) in ("127.0.0.2", "clear")
        took.append(time.monotonic() - began)
    assert sorted(took)[len(took) * 99 // 100] < 0.2
    assert answered(crowd(1, "127.0.3.1")[0])


def test_who_idles_dawdles_or_does_not_read_is_closed_after_ten_seconds(world):
    idle, half, dawdling, deaf, busy = (Connection(world) for _ in range(5))
    half.sock.sendall(b"\0")
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sock.settimeout(0.5)
    burst = b"".join(deaf.wire(n, SUBJECT, "TXT") for n in range(200))
    try:
        for _ in range(400):
            deaf.sock.sendall(burst)
    except TimeoutError:
        pass
    began, closed, open_before = time.monotonic(), {}, descriptors(world)
    message = iter(dawdling.wire(1) * 2)
    while time.monotonic() - began < 15 and len(closed) < 4:
        assert answered(busy)
        for name, connection in (("idle", idle), ("half", half), ("dawdling", dawdling)):
            if name not in closed and is_closed(connection):
                closed[name] = time.monotonic() - began
        if len(closed) == 3 and descriptors(world) == open_before - 4:
            closed["deaf"] = time.monotonic() - began
        if "dawdling" not in closed:
            dawdling.sock.sendall(bytes([next(message)]))
        time.sleep(0.4)
    for connection in (idle, half, dawdling, deaf, busy):
        connection.sock.close()
    assert set(closed) == {"idle", "half", "dawdling", "deaf"}, closed
    assert all(8 < seconds < 14 for seconds in closed.values()), closed


def descriptors(tallyd):
    """How many it has open: one that never reads can't see whether it was left."""
    return len(os.listdir(f"/proc/{tallyd.pid}/fd"))


def test_when_more_than_half_of_the_room_is_taken_idling_ends_sooner(world, crowd):
    idle = crowd(33, "127.0.1.1") + crowd(33, "127.0.1.2")
    assert answered(idle[-1])
    wait_until(lambda: is_closed(idle[-1]), "the last one is closed", seconds=6)


@pytest.mark.parametrize("length", [0, 1, 11])
def test_a_tcp_message_too_short_for_a_header_ends_or_is_passed_over(world, length):
    with Connection(world) as connection:
        connection.sock.sendall(struct.pack("!H", length) + b"\0" * length + connection.wire(5))
        try:
            reply = connection.read()
            assert reply is None or reply.id == 5
        except ConnectionError:
            pass
    assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"


def test_a_reader_that_never_reads_does_not_stop_the_others(world):
    with Connection(world) as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sock.settimeout(0.5)
        burst = b"".join(connection.wire(n, SUBJECT, "TXT") for n in range(200))
        try:
            for _ in range(400):
                connection.sock.sendall(burst)
        except (TimeoutError, ConnectionError):
            pass
        for _ in range(20):
            assert world.verdict(SUBJECT) == "127.0.0.2"
            assert world.verdict(SUBJECT, tcp=True) == "127.0.0.2"


@pytest.mark.parametrize("payload", [0, 100, 511, 512, 1232, 4096, 65535])
def test_edns_is_answered_with_edns_of_1232_bytes(world, payload):
    for tcp in (False, True):
        for subject in (SUBJECT, CLEAR, "127.0.0.2"):
            reply = world.ask(subject, edns=payload, tcp=tcp)
            assert reply.edns == 0 and reply.payload == 1232
            assert verdict_of(reply) in ("127.0.0.2", "clear")


def test_without_edns_in_the_question_there_is_none_in_the_answer(world):
    for name in (reversed_name(SUBJECT, world.zone), reversed_name(CLEAR, world.zone), "www.example.org"):
        for tcp in (False, True):
            reply = world.query(name, tcp=tcp)
            assert reply.edns == -1 and not reply.additional


@pytest.mark.parametrize("version", [1, 2, 255])
def test_another_version_of_edns_is_badvers(world, version):
    message = dns.message.make_query(reversed_name(SUBJECT, world.zone), "A")
    message.use_edns(version, payload=1232)
    for send in (dns.query.udp, dns.query.tcp):
        reply = send(message, world.address, 10, world.port)
        assert reply.rcode() == dns.rcode.BADVERS
        assert reply.edns == 0 and not reply.answer


def test_edns_options_and_flags_that_we_do_not_know_are_ignored(world):
    options = [dns.edns.GenericOption(code, b"12345678") for code in (3, 10, 12, 65001)]
    options.append(dns.edns.ECSOption("192.0.2.0", 24))
    message = dns.message.make_query(reversed_name(SUBJECT, world.zone), "A")
    message.use_edns(0, ednsflags=0x8000 | 0x0123, payload=1232, options=options)
    message.flags |= dns.flags.AD | dns.flags.CD
    reply = dns.query.udp(message, world.address, 10, world.port)
    assert verdict_of(reply) == "127.0.0.2"
    assert not reply.flags & dns.flags.AD


def longest(stage):
    """The largest answer there is: ANY under the longest names, with a text of 200 bytes."""
    label = "a" * 58
    zone = f"{label}.{label}.{label}.example"
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd({zone: {"sites": ["a.example"], "text": "x" * 300}}, served_by(server, "a.example"))
    return tallyd, zone


def test_answers_over_udp_are_at_most_512_bytes_without_edns(stage):
    tallyd, zone = longest(stage)
    name = reversed_name(SUBJECT, zone)
    for type in ("A", "TXT", "ANY", "MX"):
        message = dns.message.make_query(name, type)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.sendto(message.to_wire(), (tallyd.address, tallyd.port))
            packet = sock.recv(65535)
        reply = dns.message.from_wire(packet, ignore_trailing=False)
        assert len(packet) <= 512
        if reply.flags & dns.flags.TC:
            reply = dns.query.tcp(message, tallyd.address, 10, tallyd.port)
        if type in ("A", "TXT", "ANY"):
            assert len(reply.answer) == (2 if type == "ANY" else 1)
        else:
            assert reply.authority


def question_of_the_longest(zone):
    return dns.message.make_query(reversed_name(SUBJECT, zone), "ANY", use_edns=0, payload=1232)


def test_a_reply_over_udp_says_that_it_is_not_to_be_cut(stage):
    tallyd, zone = longest(stage)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as tap:
        tap.settimeout(10)
        tap.connect((tallyd.address, 0))
        dns.query.udp(question_of_the_longest(zone), tallyd.address, 10, tallyd.port)
        packet = tap.recv(65535)
    assert struct.unpack("!H", packet[20:22])[0] == tallyd.port and len(packet) > 400
    identification, flags = struct.unpack("!HH", packet[4:8])
    assert (identification, flags) == (0, 0x4000)


def test_where_our_own_link_takes_less_a_reply_is_cut(stage, network):
    tallyd, zone = longest(stage)
    subprocess.run(["ip", "link", "set", "lo", "mtu", "400"], check=True)
    for late in (True, False, False):
        reply = dns.query.udp(question_of_the_longest(zone), tallyd.address, 10, tallyd.port)
        assert len(reply.answer) == 2, late


def test_chaos_version_and_refusals_come_over_tcp_too(world):
    assert "tally" in text_of(world.query("version.bind", "TXT", rdclass="CH", tcp=True))
    reply = world.query("www.example.org", tcp=True, edns=1232)
    assert reply.rcode() == dns.rcode.REFUSED and extended_errors(reply) == [20]


def test_who_is_not_allowed_is_refused_over_udp_and_tcp(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    zone = {"bl.example": {"sites": ["a.example"]}}
    tallyd = stage.tallyd(zone, served_by(server, "a.example"), allow=["192.0.2.0/24", "127.99.0.0/16"], wait=False)
    refused = wait_until(lambda: tallyd_answers(tallyd), "an answer")
    assert refused == dns.rcode.REFUSED
    for subject in (SUBJECT, CLEAR, "127.0.0.2"):
        for tcp in (False, True):
            for type in ("A", "TXT", "SOA"):
                reply = tallyd.ask(subject, type, tcp=tcp)
                assert reply.rcode() == dns.rcode.REFUSED and not reply.answer and not reply.authority
    message = dns.message.make_query(reversed_name(SUBJECT, "bl.example"), "A")
    for send in (dns.query.udp, dns.query.tcp):
        reply = send(message, tallyd.address, 10, tallyd.port, source="127.99.3.4")
        assert verdict_of(reply) == "127.0.0.2"
    assert server.count(type=None) == 1


def tallyd_answers(tallyd):
    reply = answers(tallyd.address, tallyd.port, "2.0.0.127.bl.example")
    return reply.rcode() if reply is not None else None


def test_each_of_many_sockets_obeys_a_change_with_its_next_answer_and_ends_at_once(stage):
    places = [(address, fresh_port(address)) for address in (fresh_address() for _ in range(4))]
    server = stage.upstream({"a.example": up.nxdomain(ttl=3000)})
    listen = [f"{address}@{port}" for address, port in places]
    zones, lists = {"bl.example": {"sites": ["a.example"]}}, served_by(server, "a.example")
    tallyd = stage.tallyd(zones, lists, address=places[0][0], port=places[0][1], threads=4, listen=listen)
    ctl = Tallyctl(tallyd)
    name = reversed_name(SUBJECT, "bl.example")
    before = ctl.json("stats")["queries"]["udp"]
    for action, verdict in (("block", "127.0.0.2"), ("allow", "clear"), ("block", "127.0.0.2")):
        ctl(action, SUBJECT)
        for place in places * 16:  # each from a port of its own, so that each thread has some
            assert verdict_of(query(*place, name)) == verdict
    assert ctl.json("stats")["queries"]["udp"] == before + 3 * 64
    assert tallyd.stop(seconds=10) == 0

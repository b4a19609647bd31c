"""How hard it is to guess what a list is asked: the port and the id of each question, and what is believed."""
import itertools
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from harness import fresh_address, fresh_port

QUESTIONS = 400


class Witness:
    """A list with nobody in it, that notes where each question came from and under which id."""

    def __init__(self, more=None):
        self.address = fresh_address()
        self.port = fresh_port(self.address)
        self.more = more  # what else is sent, before the answer: a function of the question
        self.seen = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((self.address, self.port))
        self.name = "witness"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while (got := self.sock.recvfrom(4096))[0] != b"stop":
            question, peer = dns.message.from_wire(got[0]), got[1]
            self.seen.append((peer[1], question.id))
            for forged in self.more(question) if self.more else ():
                self.sock.sendto(forged.to_wire(), peer)
            reply = dns.message.make_response(question)
            reply.set_rcode(dns.rcode.NXDOMAIN)
            self.sock.sendto(reply.to_wire(), peer)

    def teardown(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"stop", (self.address, self.port))
        self.thread.join(10)
        self.sock.close()

    def log(self):
        return f"--- witness: {len(self.seen)} questions ---"


def start(stage, witness):
    stage.add(witness)
    lists = {"a.example": {"server": [f"{witness.address}@{witness.port}"], "test": False}}
    return stage.tallyd({"bl.example": {"sites": ["a.example"]}}, lists)


def test_each_question_has_a_port_and_an_id_that_nobody_can_guess(stage):
    witness = Witness()
    tallyd = start(stage, witness)
    for i in range(QUESTIONS):
        assert tallyd.verdict(f"198.51.{i // 200}.{i % 200 + 1}") == "clear"
    ports, idents = [port for port, _ in witness.seen], [ident for _, ident in witness.seen]
    assert len(witness.seen) >= QUESTIONS
    for what in (ports, idents):
        # 400 out of some 60,000: one or two come twice
        assert len(set(what)) > 0.95 * len(what)
        assert max(what) - min(what) > 40000
        # neither rising nor falling: about half of the steps go up
        up = sum(after > before for before, after in itertools.pairwise(what))
        assert 0.4 < up / len(what) < 0.6
    assert len(set(witness.seen)) == len(witness.seen)


def another_id(question):
    for step in range(1, 50):
        forged = listing(question)
        forged.id = (question.id + step) % 65536
        yield forged


def listing(question, name=None):
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.AA
    reply.answer.append(dns.rrset.from_text(name or question.question[0].name, 3600, "IN", "A", "127.0.0.2"))
    return reply


def test_listings_with_fifty_wrong_ids_are_not_believed(stage):
    witness = Witness(another_id)
    tallyd = start(stage, witness)
    for i in range(1, 20):
        assert tallyd.verdict(f"198.51.100.{i}") == "clear"


def test_a_listing_of_another_name_beside_the_answer_is_forgotten(stage):
    """The neighbour's name in the answer, as a poisoner would add it."""
    neighbour = "77.100.51.198.a.example."
    witness = Witness()
    tallyd = start(stage, witness)
    witness.more = lambda question: [listing(question, neighbour)] if str(question.question[0].name) != neighbour else []
    assert tallyd.verdict("198.51.100.76") == "clear"
    assert tallyd.verdict("198.51.100.77") == "clear"

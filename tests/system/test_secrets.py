"""The key of a list, which is part of the name that is asked, is seen by that list and by nobody else."""
import os
import socket
import struct

import dns.message

import upstream as up
from harness import reversed_name
from programs import render, run_tallyd
from tallyctl import Tallyctl

KEY = "c4naryk3yc4naryk3y"
FAULTS = {
    "fine": up.listed("127.0.0.2"),
    "clear": up.nxdomain(),
    "alias": up.alias("127.0.0.2"),
    "servfail": up.servfail(),
    "refused": up.refused(),
    "code": up.listed("127.255.255.254"),
    "foreign": up.listed("192.0.2.1"),
    "short": up.raw_addresses(b"\x7f\0"),
    "garbage": up.garbage(),
    "wrong": up.wrong_question(),
    "truncated": up.truncated(up.closing()),
    "silent": up.silent(),
}
SUBJECTS = ["198.51.100.1", "2001:db8::1", "127.0.0.2"]
COMMANDS = [
    ["lists"], ["stats"], ["stats", "--prometheus"], ["exceptions"], ["history"], ["export"], ["check", "198.51.100.1"],
    ["check", "2001:db8::1"], ["flush", "198.51.100.1"], ["quarantine", "fine.example"], ["lists"], ["release", "fine.example"],
    ["reload"],
]  # fmt: skip


def wire_replies(tallyd):
    """Every kind of answer, as bytes, and with EDNS for the extended errors."""
    for subject in SUBJECTS:
        for kind in ("A", "TXT", "ANY", "MX"):
            for tcp in (False, True):
                message = dns.message.make_query(reversed_name(subject, tallyd.zone), kind, use_edns=0)
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
                    sock.settimeout(20)
                    sock.connect((tallyd.address, tallyd.port))
                    wire = message.to_wire()
                    sock.sendall((struct.pack("!H", len(wire)) if tcp else b"") + wire)
                    yield sock.recv(65535)


def ctl_outputs(tallyd):
    ctl = Tallyctl(tallyd)
    for words in COMMANDS:
        for flags in ([], ["--json"]):
            done = ctl(*flags, *words, status=None)
            yield done.stdout + done.stderr


def files_below(directory):
    for place, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                yield file.read()


def test_the_key_of_a_list_is_in_no_answer_log_command_or_file(stage):
    server = stage.upstream({f"{KEY}.{name}.example": fault for name, fault in FAULTS.items()})
    lists = {
        f"{name}.example": {"query": f"{KEY}.{name}.example", "server": [server.server], "timeout-ms": 300} for name in FAULTS
    }
    zones = {"bl.example": {"sites": list(lists), "threshold": 1, "text": "%a %l %s %t %z"}}
    tallyd = stage.tallyd(zones, lists, log_level="debug", log_verdicts=True)
    outputs = [reply.decode("latin1") for reply in wire_replies(tallyd)]
    outputs += ctl_outputs(tallyd)
    assert server.count() >= len(FAULTS)
    assert all(KEY in name for _, name, _, _ in server.asked)
    tallyd.lists["fine.example"]["query"] = f"{KEY}..broken"
    tallyd.write()
    tallyd.reload(refused=True)
    assert "query: expected a domain name" in tallyd.stderr
    tallyd.lists["fine.example"]["query"] = f"{KEY}.bl.example"
    del tallyd.lists["fine.example"]["server"]
    tallyd.write()
    tallyd.reload(refused=True)
    assert tallyd.stop() == 0
    outputs += [tallyd.stdout, tallyd.stderr, " ".join(tallyd.argv)]
    outputs += [content.decode("latin1") for content in files_below(tallyd.options["state-dir"])]
    assert len(outputs) > 45
    for output in outputs:
        assert KEY not in output.lower()


def test_mistakes_about_a_query_do_not_repeat_it(stage):
    for value in (f"{KEY}..example", KEY + "." + "a" * 70, f"{KEY}." + ".".join(["b" * 60] * 4), f"{KEY} space.example"):
        lists = {"a.example": {"query": value}}
        path = stage.directory / "broken.conf"
        path.write_text(render({}, lists, {"bl.example": {"sites": ["a.example"]}}))
        done = run_tallyd("-n", "-c", path)
        assert done.returncode == 1 and "query: " in done.stderr
        assert KEY not in done.stderr + done.stdout

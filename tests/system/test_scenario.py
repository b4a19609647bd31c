"""The whole of it with the real rblsmtpd: accounts, one question, recommendations by forwarded mail, the case in the refusal."""
import os
import re
import subprocess

import upstream as up
from harness import wait_until
from programs import served_by
from tallyctl import Tallyctl

SPAMMER = "198.51.100.1"
ZONES = {
    "bl.example": {
        "sites": ["a.example*2", "b.example*1", "local.trust*3"],
        "text": "%a is listed by %l; see https://www.example.org/blocked?ip=%a&case=%c",
        "on-failure": "defer",
        "threshold": 2,
    },
    "u4711.bl.example": {"like": "bl.example"},
    "u4712.bl.example": {"like": "bl.example", "threshold": 5},
}
FORWARDED = """\
Received: from laptop (dialup.example [203.0.113.7])
\tby mx.example.org (Postfix) with ESMTPSA id 1
Subject: Fwd: buy
Content-Type: multipart/mixed; boundary=b

--b

see this
--b
Content-Type: message/rfc822

Received: from [203.0.113.66] (name.example [198.51.100.1])
\tby mx.example.org (Postfix) with ESMTP id 2; Tue, 1 Sep 2026 10:00:00 +0000
Received: from x (victim.example [203.0.113.99])
\tby mx.example.org (Postfix) with ESMTP id 3
Subject: buy

--b--
"""


def smtp(client, account, *options):
    """Start rblsmtpd for a client: it asks, and talks only then."""
    argv = ["rblsmtpd", *options, "-r", f"{account}.bl.example", "echo", "passed"]
    environment = {**os.environ, "TCPREMOTEIP": client, "DNSCACHEIP": "127.0.0.2"}
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def said(process):
    """What a client is told at RCPT, or what the next program says."""
    out, _ = process.communicate("HELO x\r\nMAIL FROM:<a@example>\r\nRCPT TO:<b@example>\r\nQUIT\r\n", timeout=60)
    return next((line for line in out.splitlines() if line[:3] in ("451", "553") or line == "passed"), out)


def case(ctl, number):
    """Written down soon after the answer went out."""
    wait_until(lambda: ctl.start("case", number).wait() == 0, "the case written down", 5)
    return ctl.json("case", number)


def test_the_seed_scenario(stage, network):
    server = stage.upstream({"a.example": up.nxdomain(), "1.100.51.198.a.example": up.listed("127.0.0.2"), "b.example": up.nxdomain()})
    tallyd = stage.tallyd(
        ZONES, served_by(server, "a.example", "b.example"), address="127.0.0.2", port=53, deadline_ms=500, trusted_hosts=["mx.example.org"]
    )
    ctl = Tallyctl(tallyd)
    # two accounts, two policies, one evidence, one question
    refusal = said(smtp(SPAMMER, "u4711", "-b", "-c"))
    found = re.fullmatch(
        r"553 198\.51\.100\.1 is listed by a\.example; see https://www\.example\.org/blocked\?ip=198\.51\.100\.1&case=([0-9a-z]{8})", refusal
    )
    assert found, refusal
    assert said(smtp(SPAMMER, "u4712", "-b", "-c")) == "passed"
    assert server.count("1.100.51.198.a.example") == 1
    assert case(ctl, found.group(1))["zone"] == "u4711.bl.example"
    # recommendations by forwarded mail reach the threshold of the milder account
    for number in range(15):
        (made,) = ctl.json("learn", "spam", "--attached", "--by", f"user{number}", text=FORWARDED)
        assert made["subject"] == SPAMMER and "a.example=127.0.0.2" in made["lists"]
    refusal = said(smtp(SPAMMER, "u4712", "-b", "-c"))
    assert refusal.startswith("553 198.51.100.1 is listed by local.trust, a.example; see https://www.example.org/"), refusal
    assert server.count("1.100.51.198.a.example") == 1
    told = case(ctl, refusal[-8:])
    assert told["score"] == 5 and {"list": "local.trust", "state": "answers", "answers": ["127.0.0.2"]} in told["lists"]
    # the lists are silent: with -c a temporary refusal, without it the mail passes
    for name in ("a.example", "b.example"):
        server.behave(name, up.silent())
    closed, opened = smtp("198.51.100.20", "u4711", "-b", "-c"), smtp("198.51.100.21", "u4711", "-b")
    assert said(closed).startswith("451 ") and said(opened) == "passed"

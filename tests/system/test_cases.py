"""Case ids: a refusal names its case, and the case shows what the lists said then."""
import os
import re

import pytest

import upstream as up
from harness import wait_until
from programs import served_by, text_of
from tallyctl import Tallyctl

LISTED = "198.51.100.1"
ZONES = {
    "bl.example": {"sites": ["a.example*2", "b.example*1"], "threshold": 2, "text": "%a: see https://www.example.org/%c"},
    "u1.bl.example": {"like": "bl.example", "threshold": 3},
    "wl.example": {"like": "bl.example", "kind": "allow"},
}


@pytest.fixture
def server(stage):
    return stage.upstream({"a.example": up.listed("127.0.0.2", "127.0.0.9"), "b.example": up.nxdomain()})


@pytest.fixture
def tallyd(stage, server):
    return stage.tallyd(ZONES, served_by(server, "a.example", "b.example"))


@pytest.fixture
def ctl(tallyd):
    return Tallyctl(tallyd)


def id_in(reply):
    return re.fullmatch(r"198\.51\.100\.\d+: see https://www\.example\.org/([0-9a-z]{8})", text_of(reply)).group(1)


def case(ctl, number):
    wait_until(lambda: ctl.start("case", number).wait() == 0, "the case written down", 5)
    return ctl.json("case", number)


def test_a_refusal_names_its_case_and_the_case_stays_as_it_was(stage, server, tallyd, ctl):
    assert tallyd.verdict(LISTED) == "127.0.0.2"
    ctl("check", LISTED)  # which waits for the list that was not needed: from now on the evidence stays
    number = id_in(tallyd.ask(LISTED, "TXT"))
    assert id_in(tallyd.ask(LISTED, "TXT")) == number
    told = case(ctl, number)
    assert (told["subject"], told["zone"], told["answer"]) == (LISTED, "bl.example", "127.0.0.2")
    assert (told["score"], told["threshold"], told["exception"]) == (2, 2, "")
    assert {"list": "a.example", "state": "answers", "answers": ["127.0.0.2", "127.0.0.9"]} in told["lists"]
    # the lists change their minds; the case does not
    server.behave("a.example", up.listed("127.0.0.4"))
    ctl("flush", "--all")
    other = id_in(tallyd.ask(LISTED, "TXT"))
    assert other != number and case(ctl, other)["lists"][0]["answers"] == ["127.0.0.4"]
    tallyd.stop()
    again = {name.replace("-", "_"): value for name, value in tallyd.options.items() if name != "listen"}
    stage.tallyd(tallyd.zones, tallyd.lists, address=tallyd.address, port=tallyd.port, **again)
    assert ctl.json("case", number) == told
    assert "a.example  127.0.0.2, 127.0.0.9" in ctl("case", number.upper()).stdout


def test_only_what_was_refused_or_let_pass_is_a_case(tallyd, ctl):
    assert tallyd.verdict(LISTED, zone="u1.bl.example") == "clear"
    assert tallyd.verdict("127.0.0.2") == "127.0.0.2"
    ctl("check", LISTED)
    ctl("block", "198.51.100.9")
    number = id_in(tallyd.ask("198.51.100.9", "TXT", zone="u1.bl.example"))
    told = case(ctl, number)
    assert (told["exception"], told["lists"], told["zone"]) == ("block 198.51.100.9 all", [], "u1.bl.example")
    assert ctl("case", "00000000", status=1).stderr and ctl("case", "l", status=1).stderr


def test_an_exception_in_an_allow_zone_is_on_record_as_used_and_refuses_nobody(tallyd, ctl):
    for action, subject in (("allow", "198.51.100.31"), ("score", "198.51.100.32"), ("block", "198.51.100.33")):
        ctl(action, subject, *(["1"] if action == "score" else []), "--zone", "wl.example")
    assert tallyd.verdict("198.51.100.33", zone="wl.example") == "clear"
    for action, subject in (("allow", "198.51.100.31"), ("score", "198.51.100.32")):
        told = case(ctl, id_in(tallyd.ask(subject, "TXT", zone="wl.example")))
        assert (told["exception"], told["answer"]) == (f"{action} {subject} wl.example", "")
    assert text_of(tallyd.ask(LISTED, "TXT", zone="wl.example")) and ctl.json("report")["refused"] == ["nothing"]


def test_the_casebook_is_not_for_everybody(tallyd, ctl):
    tallyd.verdict("198.51.100.20")
    path = os.path.join(ctl.directory, "cases")
    wait_until(lambda: os.path.exists(path), "the casebook", 5)
    assert os.stat(path).st_mode & 0o007 == 0


def test_the_report_has_what_a_postmaster_looks_for(stage, server, tallyd, ctl):
    server.behave("2.100.51.198.a.example", up.nxdomain())
    assert "nothing" in ctl("report").stdout
    for subject in (LISTED, "198.51.100.3", "198.51.100.4"):
        assert tallyd.verdict(subject) == "127.0.0.2"
    ctl("block", "198.51.100.2", "--for", "2d", "--reason", "ticket <1>")
    assert tallyd.verdict("198.51.100.2", zone="u1.bl.example") == "127.0.0.2"
    ctl("ham", "198.51.100.3", "--by", "anna")
    number = id_in(tallyd.ask("198.51.100.3", "TXT"))
    case(ctl, number)
    told = ctl.json("report", "--since", "1h")
    assert told["refusals"] == 4 and told["refused"] == ["3 bl.example", "1 u1.bl.example"]
    (line,) = told["lists"]
    assert line.startswith("3 a.example, ")
    assert len(told["suspects"]) == 1 and told["suspects"][0].startswith("198.51.100.3 in bl.example, case ")
    assert told["unwell"] == ["none"] and told["unused"] == ["none"]
    assert len(told["ending"]) == 1 and "ticket <1>" in told["ending"][0]
    assert told["recommendations"][0] == "1 ham"
    html = ctl("report", "--html").stdout
    assert "<li>3 bl.example</li>" in html and "ticket &#60;1&#62;" in html
    assert html.count("<ul>") == html.count("</ul>") == 8
    tallyd.stop()
    assert "tallyd does not answer" in ctl("report").stdout
    assert ctl("report", "--since", "soon", status=1).stderr

"""Postfix: smtpd and postscreen with the lines of contrib/postfix."""
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import CLEAR, GREY, LISTED, LISTED6, OPEN, POSTFIX_MAIN, POSTFIX_SERVICES, TRUSTED, Host, PostfixMaster, listens, shown, snippet, told
from network import with_files
from tallyctl import Tallyctl

MAIN_CF = """
myhostname = mx.example
mynetworks =
inet_protocols = all
relay_domains = to.example
relay_transport = discard
default_transport = discard
smtpd_relay_restrictions = reject_unauth_destination
postscreen_greet_wait = 3s
postscreen_access_list =
postscreen_cache_map = btree:{path}/data/postscreen_cache
"""
# The snippet's restrictions; others; and the snippet's with a process that lives on.
SHIPPED, BARE, DEFERRED, LASTING, POSTSCREEN = 25, 2501, 2502, 2503, 2504
MASTER_CF = """
dnsblog   unix - - n - 0 dnsblog
tlsproxy  unix - - n - 0 tlsproxy
smtpd     pass - - n - - smtpd
25        inet n - n - - smtpd
    -o max_use=1
2501      inet n - n - - smtpd
    -o max_use=1
    -o { smtpd_recipient_restrictions = reject_rbl_client bl.tally.internal }
2502      inet n - n - - smtpd
    -o max_use=1
    -o { smtpd_recipient_restrictions = reject_rbl_client plain.bl.tally.internal }
2503      inet n - n - 1 smtpd
2504      inet n - n - 1 postscreen
"""


class Postfix(PostfixMaster):
    """A Postfix instance of its own, that asks whom resolv.conf names."""

    def __init__(self, host):
        path = self.path = host.directory("postfix", "etc", "spool")
        (path / "data").mkdir(0o755)
        shutil.chown(path / "data", "postfix")
        replies = {"/etc/postfix/rbl_reply": path / "etc/rbl_reply"}
        (path / "etc/main.cf").write_text((POSTFIX_MAIN + MAIN_CF).format(path=path) + snippet("postfix/main.cf", **replies))
        (path / "etc/master.cf").write_text(POSTFIX_SERVICES + MASTER_CF)
        (path / "etc/rbl_reply").write_text(snippet("postfix/rbl_reply"))
        argv = with_files(host.files, ["postfix", "-c", path / "etc", "start-fg"])
        super().__init__("postfix", argv, host.stage.directory)
        host.stage.add(self)
        self.wait_ready(lambda: all(listens(port) for port in (SHIPPED, BARE, DEFERRED, LASTING, POSTSCREEN)))


@pytest.fixture
def postfix(host):
    return Postfix(host)


def test_smtpd_refuses_with_our_text_warns_and_trusts_by_grade(host, postfix):
    assert told(LISTED) in shown("smtpd")
    assert told(LISTED6) == f"554 5.7.1 Refused: {LISTED6} is listed by zen.spamhaus.org; see https://www.example.org/blocked?ip={LISTED6}"
    for subject in (GREY, TRUSTED, CLEAR):
        assert told(subject) == "250 2.1.5 Ok"
    warning = postfix.logged(r"(reject_warning: RCPT from unknown.*?); from=")
    assert warning in shown("smtpd"), "the suspicious one"
    assert postfix.log().count("reject_warning:") == 1, "whom the allow zone has is asked about no further"
    tallyctl = Tallyctl(host.tallyd)
    tallyctl("block", "127.9.9.9", "--zone", "bl.tally.internal", "--for", "10m")
    assert [told("127.9.9.9")] == shown("Five minutes with Postfix", "README.md")
    tallyctl("allow", LISTED, "--zone", "wl.tally.internal")
    assert told(LISTED) == "250 2.1.5 Ok", "the allow zone goes first"


def test_smtpd_says_450_when_failing_lists_would_decide_and_we_answer_with_an_address(host, postfix):
    host.lists.fall_silent()
    assert told(OPEN) in shown("smtpd")
    assert told(OPEN).startswith("450 4.7.1 "), "for whom the verdict is remembered as open"


def test_smtpd_lets_mail_pass_when_we_answer_servfail(host, postfix):
    host.lists.fall_silent()
    assert told(OPEN, DEFERRED) == "250 2.1.5 Ok"
    assert "Host not found, try again" in postfix.logged(r"warning: 60.2.0.192.plain.bl.tally.internal: (RBL lookup error: .*)")


def test_smtpd_with_a_bare_zone_refuses_any_answer(postfix):
    assert [told(LISTED, BARE)] == shown("smtpd, a bare zone")
    assert told(GREY, BARE).startswith("554 "), "and TXT is there for every grade"
    assert told(TRUSTED, BARE).startswith("554 ")
    for subject in (CLEAR, "127.0.0.1"):
        assert told(subject, BARE).startswith("250 ")
    assert "127.0.0.2 is listed by test point" in told("127.0.0.2", BARE)
    assert told("127.0.0.2").startswith("250 "), "a test point of the allow zone as well"


def test_smtpd_keeps_what_it_found_for_the_life_of_its_process(host, postfix):
    """So an exception is late there: our answers were kept for one minute at most, its own cache knows no TTL."""
    assert told(LISTED, LASTING).startswith("554 ")
    Tallyctl(host.tallyd)("allow", LISTED)
    assert told(LISTED, LASTING).startswith("554 "), "the process that asked before"
    assert told(LISTED).startswith("250 "), "another process"
    subprocess.run(["postfix", "-c", postfix.path / "etc", "reload"], capture_output=True, check=True)
    postfix.wait_ready(lambda: told(LISTED, LASTING).startswith("250 "))


def test_postscreen_refuses_who_is_listed_and_keeps_a_pass_for_as_long_as_we_say(network, stage):
    longer = {'on-failure = "127.0.0.11"': "negative-ttl = 200", 'kind  = "allow"': 'kind = "allow"\nnegative-ttl = 300'}
    host = Host(stage, network, **longer)
    postfix = Postfix(host)
    before = time.time()
    with ThreadPoolExecutor() as pool:
        listed, grey, clear = pool.map(told, (LISTED, GREY, CLEAR), [POSTSCREEN] * 3)
    after = time.time()
    assert [listed] == shown("postscreen")
    assert grey.startswith("250 "), "the site has a filter"
    assert clear.startswith("250 ")
    postfix.teardown()
    cache = f"btree:{postfix.path}/data/postscreen_cache"
    entries = dict(line.split("\t") for line in host.run("postmap", "-c", postfix.path / "etc", "-s", cache).splitlines())
    dnsbl = entries[CLEAR].split(";")[1]
    assert before + 199 <= int(dnsbl) <= after + 201, "which is neither its least, 60, nor its most, 3600"
    assert LISTED not in entries

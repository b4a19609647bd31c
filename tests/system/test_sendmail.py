"""Sendmail with the lines of contrib/sendmail."""
from clients import CLEAR, GREY, LISTED, OPEN, TRUSTED, UNPACKED, listens, shown, snippet, told
from tallyctl import Tallyctl

CF = UNPACKED / "usr/share/sendmail/cf"
CONFIGURATION = """
include(`{cf}/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mx.example')
define(`QUEUE_DIR', `{path}/queue')
define(`confPID_FILE', `{path}/pid')
define(`ALIAS_FILE', `')
define(`STATUS_FILE', `')
define(`confTO_IDENT', `0s')
define(`confRUN_AS_USER', `root')
FEATURE(`promiscuous_relay')
FEATURE(`accept_unresolvable_domains')
FEATURE(`delay_checks')
{shipped}
MAILER(`smtp')
"""


def start_sendmail(host, **substitutes):
    path = host.directory("sendmail", "queue")
    (path / "queue").chmod(0o700)
    host.see("/etc/hosts", "127.0.0.1 localhost mx.example\n")
    source = CONFIGURATION.format(cf=CF, path=path, shipped=snippet("sendmail/tally.mc", **substitutes))
    (path / "sendmail.cf").write_text(host.run("m4", f"-D_CF_DIR_={CF}/", "-", text=source))
    argv = [UNPACKED / "usr/libexec/sendmail/sendmail", f"-C{path}/sendmail.cf", "-bD"]
    return host.start("sendmail", *argv, ready=lambda: listens(25))


def test_sendmail_refuses_by_grade_and_says_451_when_failing_lists_would_decide(host):
    start_sendmail(host)
    assert [told(LISTED)] == shown("Sendmail, refused")
    for subject in (GREY, TRUSTED, CLEAR):
        assert told(subject).startswith("250 2.1.5 ")
    host.lists.fall_silent()
    assert [told(OPEN)] == shown("Sendmail, while lists are down")
    Tallyctl(host.tallyd)("allow", LISTED)
    assert told(LISTED).startswith("250 2.1.5 ")


def test_sendmail_says_451_when_we_answer_servfail(host):
    start_sendmail(host, **{"bl.tally.internal": "plain.bl.tally.internal"})
    host.lists.fall_silent()
    assert told(OPEN) == f"451 4.4.3 Temporary lookup failure of {OPEN} at plain.bl.tally.internal"

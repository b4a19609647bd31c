"""SpamAssassin with the rules of contrib/spamassassin, and no others."""
import os
import re

from clients import CLEAR, GREY, LISTED, LISTED6, OPEN, TRUSTED, shown, snippet

# What an installed one has of its own: the plugins, and a header with what was found.
SITE = """
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::DNSEval
dns_available yes
use_bayes 0
report_safe 0
add_header all Report _REPORT_
"""
MESSAGE = """From a@from.example Wed Nov 25 10:00:00 2026
Received: from client.example (client.example [{0}])
\tby mx.example (Postfix) with ESMTP id 1 for <u@to.example>; Wed, 25 Nov 2026 10:00:00 +0000 (UTC)
From: a@from.example
Subject: from {0}

Hello.

"""


def reports(host, *subjects):
    """The rules and the reasons in the report on a message from each of these relays."""
    path = host.stage.open / "spamassassin"
    if not path.exists():
        host.directory("spamassassin", "rules", "site")
        (path / "rules/none.cf").write_text("")
        (path / "site/local.cf").write_text(SITE)
        (path / "site/tally.cf").write_text(snippet("spamassassin/tally.cf"))
    mailbox = "".join(MESSAGE.format(subject) for subject in subjects)
    argv = ["spamassassin", "-x", "-C", path / "rules", f"--siteconfigpath={path}/site", "--mbox"]
    output = host.run(*argv, text=mailbox, env={**os.environ, "HOME": str(path)})
    found = {}
    for message in output.split("From a@from.example ")[1:]:
        subject = re.search(r"^Subject: from (.*)$", message, re.MULTILINE)[1]
        report = re.search(r"^X-Spam-Report: *\n((?:\t.*\n)*)", message, re.MULTILINE)[1]
        found[subject] = [line.strip() for line in report.splitlines()]
    assert found.keys() == set(subjects)
    return [found[subject] for subject in subjects]


def test_spamassassin_scores_each_grade_and_the_allow_zone(host):
    listed, listed6, grey, trusted, clear = reports(host, LISTED, LISTED6, GREY, TRUSTED, CLEAR)
    assert listed + grey == shown("SpamAssassin")
    assert "RCVD_IN_TALLY " in listed6[0]
    assert {line.split()[2] for line in trusted if "RBL:" in line} == {"RCVD_IN_TALLY_WL", "RCVD_IN_TALLY_GREY"}
    assert clear == []


def test_spamassassin_scores_nothing_while_lists_are_down(host):
    host.lists.fall_silent()
    assert reports(host, OPEN) == [[]]

"""Exim with the lines of contrib/exim in its ACL."""
import pytest

from clients import CLEAR, GREY, LISTED, LISTED6, OPEN, TRUSTED, UNPACKED, listens, shown, snippet, told
from harness import wait_until
from tallyctl import Tallyctl

CONFIGURATION = """
primary_hostname = mx.example
spool_directory = {path}/spool
log_file_path = {path}/log/%slog
domainlist relay_to_domains = to.example
acl_smtp_rcpt = acl_$received_port
daemon_smtp_ports = 25 : 2501 : 2502 : 2503
host_lookup =
rfc1413_hosts =
begin acl
acl_25:
  deny    !domains = +relay_to_domains
{shipped}
  accept
acl_2501:
  deny    dnslists = plain.bl.tally.internal
  accept
acl_2502:
  deny    dnslists = +defer_unknown : plain.bl.tally.internal
  accept
acl_2503:
  deny    dnslists = +include_unknown : plain.bl.tally.internal
  accept
"""
SHIPPED, PLAIN, DEFER_UNKNOWN, INCLUDE_UNKNOWN = 25, 2501, 2502, 2503


@pytest.fixture
def exim(host):
    path = host.directory("exim", "spool", "log", owner=host.add_user("Debian-exim"))
    configuration = CONFIGURATION.format(path=path, shipped=snippet("exim/acl_check_rcpt"))
    (path / "exim.conf").write_text(configuration)
    argv = [UNPACKED / "usr/sbin/exim4", "-bdf", "-C", path / "exim.conf"]
    program = host.start("exim", *argv, ready=lambda: listens(INCLUDE_UNKNOWN))
    program.mainlog = path / "log/mainlog"
    return program


def test_exim_refuses_with_our_text_and_branches_by_grade(host, exim):
    assert told(LISTED) == "\n".join(shown("Exim, refused"))
    assert LISTED6 in told(LISTED6) and told(LISTED6).startswith("550-Refused: ")
    for subject in (GREY, TRUSTED, CLEAR):
        assert told(subject) == "250 Accepted"
    wait_until(lambda: "Warning: suspicious: " in exim.mainlog.read_text(), "the warning in the log")
    assert f"Warning: suspicious: {GREY} is listed by bl.spamcop.net; see" in exim.mainlog.read_text()
    assert f"suspicious: {TRUSTED}" not in exim.mainlog.read_text(), "the allow zone has it"
    Tallyctl(host.tallyd)("allow", LISTED, "--zone", "wl.tally.internal")
    assert told(LISTED) == "250 Accepted"


def test_exim_does_with_failing_lists_what_it_was_told_to(host, exim):
    host.lists.fall_silent()
    assert told(OPEN) == "\n".join(shown("Exim, while lists are down"))
    assert told(OPEN, PLAIN) == "250 Accepted", "SERVFAIL is taken for not listed"
    assert [told(OPEN, DEFER_UNKNOWN)] == shown("Exim, with +defer_unknown")
    assert told(OPEN, INCLUDE_UNKNOWN).startswith("550 ")

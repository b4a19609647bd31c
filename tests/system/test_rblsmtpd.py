"""rblsmtpd under tcpserver, by the run script of contrib/qmail; in qmail-smtpd's place a stand-in, for Debian has none."""
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import CLEAR, GREY, LISTED, OPEN, TRUSTED, Host, listens, shown, snippet, told
from tallyctl import Tallyctl

# As shipped, and with other options of rblsmtpd.
SHIPPED, SOFT, CLOSED, OPENED = 25, 2501, 2502, 2503
OPTIONS = {
    SHIPPED: "-b -a wl.tally.internal -r plain.bl.tally.internal",
    SOFT: "-r plain.bl.tally.internal",
    CLOSED: "-b -c -r plain.bl.tally.internal",
    OPENED: "-c -b -C -r plain.bl.tally.internal",
}
NEXT_PROGRAM = r"""#!/bin/sh
printf '220 the next program\r\n'
while read -r command _; do
    case $command in
    RCPT*) printf '250 taken by the next program\r\n' ;;
    QUIT*) printf '221 bye\r\n' && exit ;;
    *) printf '250 ok\r\n' ;;
    esac
done
"""
TAKEN = "250 taken by the next program"


@pytest.fixture
def servers(host):
    """One tcpserver for each set of options: {port: program}."""
    path = host.directory("qmail")
    (path / "qmail-smtpd").write_text(NEXT_PROGRAM)
    (path / "qmail-smtpd").chmod(0o755)
    subprocess.run(["tcprules", path / "rules.cdb", path / "rules.new"], input=b'127.8.8.8:allow,RBLSMTPD=""\n:allow\n', check=True)
    host.add_user("qmaild")
    servers = {}
    for port, options in OPTIONS.items():
        script = snippet(
            "qmail/run",
            **{
                "/etc/tcp.smtp.cdb": path / "rules.cdb",
                "/var/qmail/bin/qmail-smtpd": path / "qmail-smtpd",
                " 0 25 ": f" 0 {port} ",
                OPTIONS[SHIPPED]: options,
            },
        )
        (path / f"run-{port}").write_text(script)
        servers[port] = host.start("tcpserver", "sh", path / f"run-{port}", ready=lambda: listens(port))
    return servers


def test_who_is_listed_is_refused_with_our_text_by_553_or_by_451(servers):
    refusal = told(LISTED)
    assert [refusal] == shown("rblsmtpd")
    assert told(LISTED, SOFT) == refusal.replace("553", "451", 1)
    assert f"rblsmtpd: {LISTED} pid " in servers[SHIPPED].stdout and refusal in servers[SHIPPED].stdout, "its log"


def test_who_is_not_listed_goes_on_to_the_next_program(servers):
    for subject in (CLEAR, GREY):
        for port in (SHIPPED, SOFT, CLOSED):
            assert told(subject, port) == TAKEN


def test_an_exception_and_an_allow_zone_go_before_the_lists(host, servers):
    assert told(TRUSTED) == TAKEN
    assert told(LISTED) != TAKEN
    tallyctl = Tallyctl(host.tallyd)
    tallyctl("allow", LISTED, "--zone", "wl.tally.internal")
    assert told(LISTED) == TAKEN, "by -a"
    assert told(LISTED, CLOSED) != TAKEN
    tallyctl("allow", LISTED)
    assert told(LISTED, CLOSED) == TAKEN, "by -r"
    tallyctl("block", "127.8.8.0/24")
    assert told("127.8.8.7", CLOSED).startswith("553 127.8.8.7 is listed by local policy")
    assert told("127.8.8.8", CLOSED) == TAKEN, "by a rule of tcpserver's"


def test_the_refusal_that_the_readme_proves_a_set_up_by(host, servers):
    Tallyctl(host.tallyd)("block", "127.9.9.9", "--zone", "plain.bl.tally.internal", "--for", "10m")
    assert [told("127.9.9.9")] == shown("Five minutes with qmail", "README.md")


def test_while_lists_are_down_mail_waits_with_c_and_passes_with_C(host, servers):
    """rblsmtpd asks three times before it gives in, all of it within its own minute."""
    host.lists.fall_silent()
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        closed, opened = pool.map(told, (OPEN, OPEN), (CLOSED, OPENED))
    assert [closed] == shown("rblsmtpd with -c, while lists are down")
    assert opened == TAKEN
    assert time.monotonic() - start < 30


def rblsmtpd(host, subject, *options):
    """The SMTP side of a rblsmtpd that was told no address of a server, for a client with this address."""
    environment = {**os.environ, "TCPREMOTEIP": subject}
    environment.pop("DNSCACHEIP", None)
    dialogue = "EHLO client.example\r\nMAIL FROM:<a@from.example>\r\nRCPT TO:<u@to.example>\r\nQUIT\r\n"
    return host.run("rblsmtpd", *options, "echo", "220 the next program", text=dialogue, env=environment)


def test_rblsmtpd_finds_us_by_resolv_conf_too(host):
    assert shown("rblsmtpd")[0] in rblsmtpd(host, LISTED, "-b", "-r", "plain.bl.tally.internal").splitlines()


def test_rblsmtpd_passes_where_the_zone_passes_on_failure(network, stage):
    host = Host(stage, network, **{'on-failure = "defer"': 'on-failure = "pass"'})
    host.lists.fall_silent()
    assert rblsmtpd(host, OPEN, "-c", "-r", "plain.bl.tally.internal") == "220 the next program\n"


def test_rblsmtpd_with_names_that_are_no_addresses_passes(host):
    for subject in ("2001:db8::2", "::ffff:192.0.2.2", "0", "unknown"):
        assert rblsmtpd(host, subject, "-c", "-r", "plain.bl.tally.internal") == "220 the next program\n"

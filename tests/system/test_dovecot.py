"""Moving mail into and out of Junk, with the scripts and the configuration of contrib/dovecot and a real Dovecot."""
import imaplib
import os
import pwd
import shutil

import pytest

import upstream as up
from clients import snippet
from harness import Program, fresh_address, wait_until
from programs import served_by
from tallyctl import TALLYCTL, Tallyctl

CONFIGURATION = """
protocols = imap
listen = {address}
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{directory}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 11143
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%u
}}
{snippet}
"""
MESSAGE = b"Received: from [203.0.113.9] (x [%s])\r\n\tby mx.example.org (Postfix) with ESMTP id 1\r\nSubject: x\r\n\r\nx\r\n"


@pytest.fixture
def ctl(stage):
    server = stage.upstream({"a.example": up.nxdomain()})
    zones = {"bl.example": {"sites": ["a.example", "local.trust"]}}
    tallyd = stage.tallyd(
        zones,
        served_by(server, "a.example"),
        state_dir=str(stage.open / "state"),
        control=str(stage.open / "control"),
        trusted_hosts=["mx.example.org"],
    )
    return Tallyctl(tallyd)


@pytest.fixture
def mailbox(stage, ctl):
    """An IMAP session of anna's, and Dovecot behind it. The mail user may use tallyctl, which on a real host sudo lets it."""
    nobody = pwd.getpwnam("nobody")
    directory = stage.open / "dovecot"
    for name in ("", "mail", "state", "sieve", "bin"):
        (directory / name).mkdir()
        os.chown(directory / name, nobody.pw_uid, nobody.pw_gid)
    ctl("ham", "198.51.100.200")  # root's: from now on the file is there
    shutil.copy(TALLYCTL, directory / "tallyctl")
    shutil.copy(ctl.tallyd.path, directory / "tallyd.conf")
    for path in (directory / "tallyd.conf", stage.open / "control", stage.open / "state", *(stage.open / "state").iterdir()):
        os.chown(path, 0, nobody.pw_gid)
    (stage.open / "state").chmod(0o770)
    (directory / "tallyd.conf").chmod(0o640)
    command = f"{directory}/tallyctl -c {directory}/tallyd.conf"
    (directory / "bin/tally-learn").write_text(snippet("dovecot/tally-learn", **{"sudo -n -u tally /usr/sbin/tallyctl": command}))
    (directory / "bin/tally-learn").chmod(0o755)
    for name in ("report-spam.sieve", "report-ham.sieve"):
        (directory / "sieve" / name).write_text(snippet(f"dovecot/{name}"))
    places = {"/etc/dovecot/sieve/bin": directory / "bin", "file:/etc/dovecot/sieve": f"file:{directory}/sieve"}
    address = fresh_address()
    config = CONFIGURATION.format(
        address=address,
        directory=directory,
        uid=nobody.pw_uid,
        gid=nobody.pw_gid,
        user="nobody",
        group="nogroup",
        snippet=snippet("dovecot/90-tally.conf", **places),
    )
    (directory / "dovecot.conf").write_text(config)
    program = stage.add(Program(stage.name("dovecot"), ["dovecot", "-F", "-c", directory / "dovecot.conf"], stage.directory))

    def connect():
        try:
            return imaplib.IMAP4(address, 11143)
        except OSError:
            return None

    program.wait_ready(lambda: "starting up" in program.stderr)
    session = wait_until(connect, "Dovecot takes connections")
    session.login("anna", "x")
    for name in ("Junk", "Trash"):
        session.create(name)
    yield session
    session.logout()


def made(ctl):
    return [(entry["kind"], entry["subject"], entry["by"]) for entry in ctl.json("recommendations") if entry["by"] == "anna"]


def test_a_message_moved_into_junk_and_out_of_it_is_a_recommendation_each_time(mailbox, ctl):
    mailbox.append("INBOX", "", None, MESSAGE % b"198.51.100.1")
    mailbox.select("INBOX")
    assert mailbox.copy("1", "Junk")[0] == "OK"
    wait_until(lambda: made(ctl) == [("spam", "198.51.100.1", "anna")], "the recommendation", 60)
    mailbox.select("Junk")
    assert mailbox.copy("1", "Trash")[0] == "OK"
    assert mailbox.copy("1", "INBOX")[0] == "OK"
    wait_until(lambda: len(made(ctl)) == 2, "the other", 10)
    assert made(ctl)[1] == ("ham", "198.51.100.1", "anna")

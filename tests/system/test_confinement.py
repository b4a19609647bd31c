"""What tallyd has given up once it runs, and that it can do its work all the same."""
import os
import pwd
from pathlib import Path

import pytest

import upstream as up
from harness import SANITIZED, wait_until
from programs import served_by
from tallyctl import Tallyctl

SUBJECT = "198.51.100.1"
ZONES = {"bl.example": {"sites": ["a.example"]}}


def fields_of_threads(pid):
    """The status of every thread."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        lines = (thread / "status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def start(stage, user, **options):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    lists = served_by(server, "a.example")
    options = {"state_dir": str(stage.open / "state"), "control": str(stage.open / "run" / "control"), **options}
    tallyd = stage.tallyd(ZONES, lists, user=user, **options)
    wait_until(lambda: tallyd.log_lines("info: ready"), "the last thread")
    return tallyd


def is_confined(tallyd):
    return len(tallyd.log_lines("confined files=yes calls=yes")) == 1


@pytest.mark.parametrize("user", ["nobody", ""])
def test_every_thread_has_given_up_capabilities_new_ones_and_most_system_calls(stage, user):
    tallyd = start(stage, user, threads=2)
    threads = list(fields_of_threads(tallyd.pid))
    assert len(threads) == 8  # main, the recursor, and for each of two a listener's, for TCP and for UDP, and a resolver
    for fields in threads:
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(fields[kind], 16) == 0, kind
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == ("0" if SANITIZED else "2")
        assert set(fields["Uid"].split()) == {str(pwd.getpwnam(user).pw_uid if user else 0)}
    assert is_confined(tallyd) != SANITIZED


def test_nobody_of_the_same_user_can_look_into_its_memory_and_it_leaves_no_core(stage):
    tallyd = start(stage, "nobody")
    if not SANITIZED:
        # files in /proc of a process that is not dumpable belong to root
        assert os.stat(f"/proc/{tallyd.pid}/environ").st_uid == 0
        limits = Path(f"/proc/{tallyd.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"


def enter_for_all(directory):
    """Let a user without rights reach this directory, which pytest closes to others."""
    for place in (directory, *directory.parents[:2]):
        place.chmod(0o755)


@pytest.mark.parametrize("user", ["nobody", ""])
def test_confined_it_serves_reloads_and_obeys_new_exceptions(stage, user):
    enter_for_all(stage.directory)
    tallyd = start(stage, user)
    ctl = Tallyctl(tallyd)
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"
    ctl("allow", SUBJECT)
    assert tallyd.verdict(SUBJECT) == "clear"
    (stage.directory / "more.conf").write_text('list "b.example" {\nserver = {"127.0.0.1@9"}\n}\n')
    tallyd.includes = ("more.conf",)
    tallyd.write()
    tallyd.reload()
    ctl("forget", SUBJECT)
    assert tallyd.verdict(SUBJECT, tcp=True) == "127.0.0.2"
    assert tallyd.stop() == 0
    assert not (stage.open / "run" / "control").exists()


def test_a_reload_reads_only_where_the_files_of_the_start_were(stage):
    """Where the main file and the included ones are, and where links to them lead."""
    for place in ("first", "second", "linked"):
        (stage.open / place).mkdir()
        (stage.open / place / "lists.conf").write_text("")
    (stage.open / "first" / "link.conf").symlink_to(stage.open / "linked" / "lists.conf")
    (stage.open / "linked" / "later.conf").write_text("")
    first = [stage.open / "first" / name for name in ("lists.conf", "link.conf")]
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd(ZONES, served_by(server, "a.example"), includes=first)
    tallyd.includes = [*first, stage.open / "linked" / "later.conf"]
    tallyd.write()
    tallyd.reload()
    tallyd.includes = [stage.open / "second" / "lists.conf"]
    tallyd.write()
    tallyd.reload(refused=not SANITIZED)
    if not SANITIZED:
        assert "lists.conf: Permission denied" in tallyd.stderr
    assert tallyd.verdict(SUBJECT) == "127.0.0.2"

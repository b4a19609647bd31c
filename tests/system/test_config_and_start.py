"""The command line, starting, stopping, and what bad input gets."""
import os
import pwd
import signal
import socket
import subprocess

import dns.message
import pytest

import upstream as up
from harness import BUILD, ROOT, TALLYD, Program, fresh_address, fresh_port, wait_until
from programs import answers, render, run_tallyd, served_by, verdict_of

ZONES = {"bl.example": {"sites": ["a.example"]}}
LISTS = {"a.example": {"server": ["127.0.0.1@9"]}}


def write(path, options=None, lists=None, zones=None):
    """A good configuration but for what a test changes."""
    address = fresh_address()
    base = {"listen": [f"{address}@{fresh_port(address)}"], "state-dir": str(path / "state"), "control": "", "cache-mib": 1}
    file = path / "tallyd.conf"
    file.write_text(render({**base, **(options or {})}, lists or LISTS, zones or ZONES))
    return file


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_goes_to_standard_output(flag):
    done = run_tallyd(flag)
    assert done.returncode == 0 and not done.stderr
    assert all(word in done.stdout for word in ("usage", "-c", "-n", "-v", "-V", "-h", "--config", "--check"))


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_told(flag):
    done = run_tallyd(flag)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith("tallyd ") and len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["-x"], ["--nonsense"], ["-c"], ["--config"], ["extra"], ["-n", "extra"]])
def test_wrong_usage_is_status_2(arguments):
    done = run_tallyd(*arguments)
    assert done.returncode == 2 and "usage" in done.stderr and not done.stdout


@pytest.mark.parametrize("check", [[], ["-n"]])
@pytest.mark.parametrize("what", ["missing", "directory", "empty", "no zone", "garbage"])
def test_a_file_that_is_no_configuration_is_named_and_status_1(tmp_path, what, check):
    file = tmp_path / "t.conf"
    if what == "directory":
        file.mkdir()
    elif what != "missing":
        file.write_bytes({"empty": b"", "no zone": b"threads = 1\n", "garbage": bytes(range(256)) * 4}[what])
    done = run_tallyd(*check, "-c", file)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines and "t.conf" in lines[0]
    if what in ("missing", "directory"):
        assert len(lines) == 1
    assert "info: ready" not in done.stderr


def test_a_good_file_passes_the_check_and_nothing_is_bound(tmp_path):
    file = write(tmp_path)
    for flag in ("-n", "--check"):
        done = run_tallyd(flag, "-c", file)
        assert done.returncode == 0 and not done.stderr
    assert not (tmp_path / "state").exists()


MISTAKES = """
thread = 1
threads = 65
threads = "two"
cache-mib = 0
deadline-ms = 1
listen = {"0.0.0.0"}
allow = {"10.0.0.1/8"}
log-level = "loud"
max-stale = 5
trust-anchor = "root.key"
control = "x.sock"
list "b.example" { timeout-ms = 1
}
list "b2.example" { listed = {"127.0.0.[5..2]"}
}
zone "x.example" { sites = {"a.example=1.2.3*4"}
}
zone "y.example" { sites = {"a.example*99999999"}
}
zone "1.bl.example" { like = "bl.example"
}
zone "z.example" { like = "nowhere.example"
}
zone "bl.example" { sites = {"a.example"}
}
""".strip()


def test_all_mistakes_of_a_file_are_told_with_file_and_line_in_one_run(tmp_path):
    file = write(tmp_path)
    text = "".join(line + "\n" for line in file.read_text().splitlines() if not line.startswith(("listen", "cache-mib")))
    file.write_text(text + MISTAKES + "\n")
    first = len(text.splitlines()) + 1
    wrong = [first + i for i, line in enumerate(MISTAKES.splitlines()) if line != "}"]
    for arguments in (["-n"], []):
        done = run_tallyd(*arguments, "-c", file)
        assert done.returncode == 1 and "info: ready" not in done.stderr
        told = {}
        for line in done.stderr.splitlines():
            path, number, words = line.split(":", 2)
            assert path == str(file) and words.strip(), line
            told.setdefault(int(number), line)
        # the mistake of a section may be told at any of its lines
        missing = [number for number in wrong if number not in told and number + 1 not in told]
        assert not missing, f"lines without a mistake: {missing}\n{done.stderr}"


def test_a_mistake_in_an_included_file_names_that_file(tmp_path):
    file = write(tmp_path)
    (tmp_path / "more.conf").write_text("\n\nnonsense = 3\n")
    file.write_text('include("more.conf")\n' + file.read_text())
    done = run_tallyd("-n", "-c", file)
    assert done.returncode == 1
    assert f"{tmp_path}/more.conf:3: " in done.stderr


@pytest.mark.parametrize("name", ["tallyd.conf", "tallyd.conf.small", "demo/tallyd.conf", "lists.conf"])
def test_the_shipped_files_have_no_mistake(tmp_path, name):
    file = ROOT / "conf" / name
    if name == "lists.conf":
        file = tmp_path / "t.conf"
        file.write_text(f'include("{ROOT}/conf/lists.conf")\n' + render({}, LISTS, ZONES))
    elif name == "demo/tallyd.conf":
        text = file.read_text()
        file = tmp_path / "demo.conf"
        file.write_text(text.replace("@STATE@", str(tmp_path / "state")))
    done = run_tallyd("-n", "-c", file)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dead_list_of_the_catalogue_is_refused_by_name_unless_told_otherwise(tmp_path):
    head = f'include("{ROOT}/conf/lists.conf")\n'
    file = tmp_path / "t.conf"
    zones = {"bl.example": {"sites": ["dnsbl.sorbs.net*2"]}}
    file.write_text(head + render({}, {}, zones))
    done = run_tallyd("-n", "-c", file)
    assert done.returncode == 1 and "dnsbl.sorbs.net" in done.stderr
    file.write_text(head + render({}, {"dnsbl.sorbs.net": {"dead": "use"}}, zones))
    assert run_tallyd("-n", "-c", file).returncode == 0


def one_line_and_status_1(done, *words):
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_a_port_that_is_taken_is_one_line_and_status_1(tmp_path, kind):
    address = fresh_address()
    port = fresh_port(address)
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((address, port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        done = run_tallyd("-c", write(tmp_path, {"listen": [f"{address}@{port}"]}))
    one_line_and_status_1(done, address, str(port))


def test_an_address_that_is_not_ours_is_one_line_and_status_1(tmp_path):
    one_line_and_status_1(run_tallyd("-c", write(tmp_path, {"listen": ["192.0.2.77@5399"]})), "192.0.2.77")


def test_a_user_that_does_not_exist_is_one_line_and_status_1(tmp_path):
    file = write(tmp_path, {"user": "no-such-user-here"})
    one_line_and_status_1(run_tallyd("-c", file), "no-such-user-here")
    done = run_tallyd("-n", "-c", file)  # perhaps meant for another host
    assert (done.returncode, done.stderr) == (0, 'warning: user "no-such-user-here": no such user on this host\n')


@pytest.mark.parametrize("what", ["a file", "two levels missing", "below a file", "not writable by the user"])
def test_a_state_directory_that_cannot_be_used_is_one_line_and_status_1(stage, what):
    (stage.open / "file").write_text("")
    (stage.open / "locked").mkdir(mode=0o700)
    state = {
        "a file": stage.open / "file",
        "two levels missing": stage.open / "no" / "where",
        "below a file": stage.open / "file" / "state",
        "not writable by the user": stage.open / "locked" / "state",
    }[what]
    if what == "not writable by the user":
        state.mkdir(mode=0o700)
    done = run_tallyd("-c", write(stage.open, {"state-dir": str(state), "user": "nobody"}))
    one_line_and_status_1(done, str(state))


def test_the_user_takes_over_and_has_the_state_directory(stage):
    state = stage.open / "state"
    tallyd = stage.tallyd(ZONES, LISTS, user="nobody", state_dir=str(state))
    nobody = pwd.getpwnam("nobody")
    with open(f"/proc/{tallyd.pid}/status") as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert set(fields["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(fields["Gid"].split()) == {str(nobody.pw_gid)}
    assert int(fields["CapEff"], 16) == 0 and int(fields["CapPrm"], 16) == 0
    assert fields["Groups"].split() in ([], [str(nobody.pw_gid)])
    assert state.is_dir() and state.stat().st_uid == nobody.pw_uid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_stops_by_signal_with_status_0_also_in_the_middle_of_questions(stage, number, threads):
    server = stage.upstream({"a.example": up.silent()})
    tallyd = stage.tallyd(ZONES, served_by(server, "a.example"), threads=threads, deadline_ms=30000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.create_connection((tallyd.address, tallyd.port)):
        for i in range(50):
            name = f"{i}.100.51.198.bl.example"
            sock.sendto(dns.message.make_query(name, "A").to_wire(), (tallyd.address, tallyd.port))
        wait_until(lambda: server.count() >= 10, "questions under way")
        assert tallyd.stop(number, seconds=10) == 0
    assert tallyd.stderr.splitlines()[-1].startswith("info: stopped")


def test_it_listens_on_several_addresses(stage):
    first, second = fresh_address(), fresh_address()
    ports = fresh_port(first), fresh_port(second)
    listen = [f"{first}@{ports[0]}", f"{second}@{ports[1]}"]
    stage.tallyd(ZONES, LISTS, address=first, port=ports[0], listen=listen)
    assert verdict_of(answers(first, ports[0], "2.0.0.127.bl.example")) == "127.0.0.2"
    assert verdict_of(answers(second, ports[1], "2.0.0.127.bl.example")) == "127.0.0.2"


def test_the_ready_line_tells_how_large_everything_is(stage):
    tallyd = stage.tallyd({**ZONES, "u1.bl.example": {"like": "bl.example"}}, LISTS, threads=2)
    (line,) = wait_until(lambda: tallyd.log_lines("info: ready"), "the line")
    for word in (f"listen={tallyd.address}@{tallyd.port}", "zones=2", "lists=1", "threads=2", "cache-mib=4"):
        assert word in line.split(), line


def test_below_a_journal_lines_have_its_prefixes(stage):
    tallyd = stage.tallyd(ZONES, LISTS, env={"JOURNAL_STREAM": "8:12345"})
    assert tallyd.stop() == 0
    assert all(line.startswith("<6>") for line in tallyd.stderr.splitlines()) and "<6>ready" in tallyd.stderr


def test_new_listed_verdicts_are_logged_once_and_printable(stage):
    server = stage.upstream({"a.example": up.listed("127.0.0.2")})
    tallyd = stage.tallyd(ZONES, served_by(server, "a.example"), log_verdicts=True)
    for _ in range(3):
        assert tallyd.verdict("198.51.100.1") == "127.0.0.2"
    assert tallyd.verdict("127.0.0.1") == "clear"
    lines = wait_until(lambda: tallyd.log_lines("198.51.100.1"), "the line")
    assert len(lines) == 1 and "bl.example" in lines[0]


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(stage):
    path = str(stage.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(20)
        tallyd = stage.tallyd(ZONES, LISTS, env={"NOTIFY_SOCKET": path}, wait=False)
        assert "READY=1" in notify.recv(4096).decode().split("\n")
        assert tallyd.is_up(), "ready means that questions are answered"
        tallyd.process.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in notify.recv(4096).decode().split("\n")
        assert tallyd.stop() == 0


@pytest.mark.parametrize("blocking", [False, True])
def test_sockets_passed_by_systemd_are_used(stage, blocking):
    address = fresh_address()
    port = fresh_port(address)
    file = write(stage.directory, {"listen": [f"{address}@{port}"]})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET) as tcp:
        udp.bind((address, port))
        tcp.bind((address, port))
        tcp.listen()
        udp.setblocking(blocking)
        tcp.setblocking(blocking)
        inodes = {os.fstat(sock.fileno()).st_ino for sock in (udp, tcp)}
        script = f'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@" 3<&{udp.fileno()} 4<&{tcp.fileno()}'
        argv = ["bash", "-c", script, "bash", TALLYD, "-c", file]
        program = stage.add(Program("activated", argv, stage.directory, pass_fds=(udp.fileno(), tcp.fileno())))
        program.wait_ready(lambda: answers(address, port, "2.0.0.127.bl.example"))
        held = set()
        for entry in os.scandir(f"/proc/{program.pid}/fd"):
            held.add(os.stat(entry.path).st_ino)
        assert inodes <= held
        # theirs and ours are one: a thread waits in the one, an event loop for the other
        assert os.get_blocking(udp.fileno()) and not os.get_blocking(tcp.fileno())
    assert verdict_of(answers(address, port, "2.0.0.127.bl.example")) == "127.0.0.2"
    assert program.stop() == 0


def test_the_program_needs_no_writable_memory_that_is_executable():
    done = subprocess.run(["readelf", "-lW", BUILD / "tallyd"], capture_output=True, text=True, check=True)
    assert not [line for line in done.stdout.splitlines() if "RWE" in line]
    assert "GNU_RELRO" in done.stdout

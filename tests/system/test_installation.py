"""make install, the unit file, socket activation and supervise: what an operator starts tallyd with."""
import os
import re
import signal
import socket
import subprocess

import pytest

from harness import BUILD, ROOT, TALLYD, Program, fresh_address, fresh_port, make, wait_until
from programs import answers, query, render, run_tallyd, verdict_of

ZONES = {"bl.example": {"sites": ["a.example"]}}
LISTS = {"a.example": {"server": ["127.0.0.1@9"]}}
TEST_POINT = "2.0.0.127.bl.example"
UNITS = ROOT / "contrib" / "systemd"


def files_below(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def write(stage, server, **more):
    file = stage.open / "tallyd.conf"
    state, control = stage.open / "state", stage.open / "control"
    options = {"listen": [server], "state-dir": str(state), "control": str(control), "cache-mib": 1, **more}
    file.write_text(render(options, LISTS, ZONES))
    return file


@pytest.mark.parametrize("prefix, etc", [("/usr", "etc"), ("/opt/tally", "opt/tally/etc")])
def test_what_make_install_installs_make_uninstall_removes(tmp_path, prefix, etc):
    where = ["-o", "all", f"BUILD={BUILD}", f"DESTDIR={tmp_path}", f"PREFIX={prefix}"]
    make("install", *where)
    installed = files_below(tmp_path)
    base = prefix.lstrip("/")
    for path in (
        "sbin/tallyd",
        "sbin/tallyctl",
        "lib/systemd/system/tallyd.service",
        "lib/systemd/system/tallyd.socket",
        "lib/systemd/system/tally-report.service",
        "lib/systemd/system/tally-report.timer",
        "lib/sysusers.d/tally.conf",
        "lib/tmpfiles.d/tally.conf",
        "share/bash-completion/completions/tallyctl",
        "share/man/man8/tallyd.8",
        "share/man/man8/tallyctl.8",
        "share/man/man5/tallyd.conf.5",
        "share/man/man7/tally.7",
        "share/doc/tally/examples/run",
    ):
        assert f"{base}/{path}" in installed, path
    assert {f"{etc}/tally/tallyd.conf", f"{etc}/tally/lists.conf"} <= installed
    unit = (tmp_path / base / "lib/systemd/system/tallyd.service").read_text()
    assert f"ExecStart={prefix}/sbin/tallyd\n" in unit and f"-/{etc}/tally/environment\n" in unit
    conf = tmp_path / etc / "tally/tallyd.conf"
    assert '\nuser = "tally"\n' in conf.read_text() and conf.stat().st_mode & 0o777 == 0o640
    assert run_tallyd("-n", "-c", conf).returncode == 0
    conf.write_text("mine\n")
    make("install", *where)
    assert conf.read_text() == "mine\n"
    make("uninstall", *where)
    assert files_below(tmp_path) == {f"{etc}/tally/tallyd.conf"}


def test_systemd_finds_no_mistake_in_the_units(tmp_path):
    make("install", "-o", "all", f"BUILD={BUILD}", f"PREFIX={tmp_path}")
    units = tmp_path / "lib/systemd/system"
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    for unit in sorted(units.iterdir()):
        done = subprocess.run([*argv, unit], capture_output=True, text=True)
        assert done.returncode == 0 and str(units) not in done.stderr, done.stderr
    report = (units / "tally-report.service").read_text()
    assert f"{tmp_path}/sbin/tallyctl report" in report and " /usr/sbin/sendmail " in report
    (units / "tally-report.timer").write_text("[Timer]\nOnCalendar=at dawn\n")
    assert subprocess.run([*argv, units / "tally-report.timer"], capture_output=True).returncode != 0, "it would see a mistake"


def test_the_unit_exposes_little(tmp_path):
    unit = tmp_path / "tallyd.service"  # where no drop-in is
    unit.write_text((UNITS / "tallyd.service").read_text())
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    exposure = float(re.search(r"exposure level for tallyd.service: ([0-9.]+)", done.stdout)[1])
    assert exposure <= 1.5


def activate(stage, kind, file, address, port):
    """A real systemd-socket-activate, which starts tallyd at the first packet; the sockets are its own until then."""
    argv = ["systemd-socket-activate", *kind, "-l", f"{address}:{port}", TALLYD, "-c", file]
    program = stage.add(Program("activate", argv, stage.directory))
    program.wait_ready(lambda: "Listening on" in program.stderr)
    assert "ready" not in program.stderr
    return program


@pytest.mark.parametrize("kind", [["--datagram"], []], ids=["datagram", "stream"])
def test_the_first_question_starts_it_through_socket_activation(stage, kind):
    address = fresh_address()
    port = fresh_port(address)
    program = activate(stage, kind, write(stage, f"{address}@{port}", threads=2), address, port)
    for _ in range(2):
        assert verdict_of(query(address, port, TEST_POINT, tcp=not kind)) == "127.0.0.2"
    assert program.stop() == 0 and "info: ready" in program.stderr and "nobody answers" not in program.stderr


def test_a_passed_socket_that_no_address_of_listen_has_is_told(stage):
    address = fresh_address()
    port, other = fresh_port(address), fresh_port(address)
    program = activate(stage, ["--datagram"], write(stage, f"{address}@{other}"), address, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"?", (address, port))
        program.wait_ready(lambda: answers(address, other, TEST_POINT))
    assert "warning: nobody answers on socket 0 " in program.stderr and program.stop() == 0


def test_it_runs_under_supervise_without_any_other_init(stage, network):
    service = stage.open / "service"
    (service / "env").mkdir(parents=True)
    (service / "env" / "THRESHOLD").write_text("3\n")
    file = write(stage, "127.0.0.2", user="nobody", **{"state-dir": str(stage.open / "state" / "tally")})
    (stage.open / "state").mkdir()
    file.write_text(file.read_text().replace('sites = {"a.example"}', 'sites = {"a.example"}\n\ttext = "%s of ${THRESHOLD}"'))
    run = service / "run"
    run.write_text((ROOT / "contrib" / "run").read_text().replace("/usr/sbin/tallyd", f"{TALLYD} -c {file}"))
    run.chmod(0o755)
    supervise = stage.add(Program("supervise", ["supervise", service], stage.directory))
    supervise.wait_ready(lambda: answers("127.0.0.2", 53, TEST_POINT))
    assert answers("127.0.0.2", 53, TEST_POINT, "TXT").answer[0][0].to_text() == '"1 of 3"'
    subprocess.run(["svc", "-h", service], check=True)
    wait_until(lambda: "info: reloaded" in supervise.stdout, "reload")

    def pid():
        found = re.search(r"\(pid (\d+)\)", subprocess.run(["svstat", service], capture_output=True, text=True).stdout)
        return found and int(found[1])

    before = pid()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pid() not in (None, before) and answers("127.0.0.2", 53, TEST_POINT), "the next one")
    subprocess.run(["svc", "-dx", service], check=True)
    assert supervise.process.wait(20) == 0 and "info: stopped" in supervise.stdout

"""make deb: the package, installed on a machine that runs systemd, asked, changed, removed and purged."""
import re
import subprocess
import time

import pytest

from conftest import Theatre
from harness import ROOT, make, wait_until
from machine import Machine

LISTED = "2.0.0.127.bl.tally.internal"
CLEAR = "1.0.0.127.bl.tally.internal"
DROPINS = "/usr/share/doc/tally/examples/drop-ins"


@pytest.fixture(scope="module")
def package():
    """The path of the package, and its bytes."""
    (name,) = re.findall(r"in '(\S+\.deb)'", make("deb"))
    return ROOT / name, (ROOT / name).read_bytes()


def install(machine, package):
    machine.path("/root/tally.deb").write_bytes(package[1])
    machine.run("dpkg", "-i", "/root/tally.deb")


@pytest.fixture(scope="module")
def shared(package, tmp_path_factory):
    """A machine on which the package is installed, for all tests that leave it as it was."""
    stage = Theatre(tmp_path_factory.mktemp("machine"))
    try:
        machine = Machine(stage)
        install(machine, package)
        yield machine
    finally:
        stage.close()


def is_answering(machine):
    return machine.ask(LISTED) == "127.0.0.2" and machine.ask(CLEAR) == ""


def configure(machine, text, *command):
    """Set a drop-in of the unit (None: none), and then run systemctl."""
    dropin = machine.path("/etc/systemd/system/tallyd.service.d/test.conf")
    if text is None:
        dropin.unlink()
    else:
        dropin.parent.mkdir(exist_ok=True)
        dropin.write_text(text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", *command)


def status_of(machine):
    """The fields of /proc/PID/status of the running tallyd."""
    text = machine.path(f"/proc/{machine.unit('tallyd', 'MainPID')}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_lintian_has_nothing_to_say(package):
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning,override", package[0]], capture_output=True, text=True
    )
    assert done.returncode == 0 and not re.findall("^[EWO]: .*", done.stdout, re.M), done.stdout + done.stderr


def test_the_same_tree_gives_the_same_package(package):
    make("deb")
    assert package[0].read_bytes() == package[1]


def test_the_installed_service_answers_the_test_points_at_once(shared):
    assert is_answering(shared)
    assert shared.ask(LISTED, "TXT") == '"127.0.0.2 is listed by test point"'
    assert shared.unit("tallyd", "ActiveState") == "active" and shared.unit("tallyd", "UnitFileState") == "enabled"
    fields = status_of(shared)
    uid, gid = shared.run("id", "-u", "tally").stdout.strip(), shared.run("id", "-g", "tally").stdout.strip()
    assert set(fields["Uid"].split()) == {uid} and set(fields["Gid"].split()) == {gid} and uid != "0"
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2" and {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert shared.run("stat", "-c", "%U:%G %a", "/etc/tally/tallyd.conf", "/var/lib/tally").stdout.split("\n")[:2] == [
        "root:tally 640",
        "tally:tally 750",
    ]
    assert shared.run("tallyd", "-n").stdout.startswith("/etc/tally/tallyd.conf: good: ")
    assert "ready version=" in shared.journal() and "tallyd[" in shared.journal()
    assert not [line for line in ("few descriptors", "capabilities stay") if line in shared.journal()]


def test_the_operator_has_his_tool_manuals_and_completion(shared):
    shared.run("tallyctl", "allow", "192.0.2.1", "--reason", "test")
    assert '"applied": ' in shared.run("tallyctl", "stats", "--json").stdout
    assert "192.0.2.1" in shared.run("setpriv", "--reuid=tally", "--regid=tally", "--clear-groups", "tallyctl", "exceptions").stdout
    shared.run("tallyctl", "forget", "192.0.2.1")
    for page in ("man8/tallyd.8", "man8/tallyctl.8", "man5/tallyd.conf.5", "man7/tally.7"):
        assert shared.path(f"/usr/share/man/{page}.gz").exists()
    completion = '. /usr/share/bash-completion/completions/tallyctl && COMP_WORDS=(tallyctl quar) COMP_CWORD=1 && _tallyctl tallyctl quar tallyctl && echo "$COMPREPLY"'
    assert shared.run("bash", "-c", completion).stdout == "quarantine\n"


def test_a_reload_by_systemd_takes_effect_or_fails(shared):
    conf = shared.path("/etc/tally/tallyd.conf")
    text = conf.read_text()
    try:
        conf.write_text(text + 'zone "second.example" {\n\tlike = "bl.tally.internal"\n}\n')
        shared.run("systemctl", "reload", "tallyd")
        assert shared.ask("2.0.0.127.second.example") == "127.0.0.2"
        conf.write_text(text + "nonsense = 1\n")
        assert shared.run("systemctl", "reload", "tallyd", check=False).returncode == 1
        assert shared.ask("2.0.0.127.second.example") == "127.0.0.2"
    finally:
        conf.write_text(text)
    shared.run("systemctl", "reload", "tallyd")
    assert shared.ask("2.0.0.127.second.example") == "" and shared.unit("tallyd", "NRestarts") == "0"


def test_the_watchdog_restarts_a_daemon_that_hangs_and_no_other(shared):
    configure(shared, "[Service]\nWatchdogSec=2\n", "restart", "tallyd")
    before = shared.unit("tallyd", "MainPID")
    time.sleep(2.5)
    assert shared.unit("tallyd", "MainPID") == before
    shared.run("kill", "-STOP", before)
    wait_until(lambda: shared.unit("tallyd", "MainPID") not in (before, "0") and is_answering(shared), "new daemon")
    assert "watchdog" in shared.journal().lower()
    configure(shared, None, "restart", "tallyd")


def test_questions_wait_while_it_restarts_and_the_first_one_starts_it(shared):
    ask = f"dig +time=10 +tries=1 +short @127.0.0.2 {LISTED}"
    for command in (f"kill -KILL {shared.unit('tallyd', 'MainPID')}", "systemctl stop tallyd"):
        assert shared.run("sh", "-c", f"{command}; {ask}; {ask} +tcp").stdout == "127.0.0.2\n127.0.0.2\n"
    assert shared.unit("tallyd", "ActiveState") == "active"


def test_without_the_socket_unit_it_binds_by_itself_and_gives_the_capability_up(shared):
    conf = shared.path("/etc/tally/tallyd.conf")
    text = conf.read_text()
    conf.write_text(text.replace('listen = {"127.0.0.2"}', 'listen = {"127.0.0.2", "127.0.0.3"}').replace("threads = 1", "threads = 2"))
    try:
        shared.run("systemctl", "mask", "--now", "tallyd.socket")
        configure(shared, shared.path(f"{DROPINS}/bind.conf").read_text(), "restart", "tallyd")
        assert is_answering(shared) and shared.run("dig", "+short", "@127.0.0.3", LISTED).stdout == "127.0.0.2\n"
        assert int(status_of(shared)["CapEff"], 16) == 0 and "capabilities stay" not in shared.journal()
        assert "threads=2" in shared.journal()
    finally:
        conf.write_text(text)
        configure(shared, None, "stop", "tallyd")
        shared.run("systemctl", "unmask", "tallyd.socket")
        shared.run("systemctl", "start", "tallyd")
    assert is_answering(shared)


def test_the_other_drop_ins_start_too(shared):
    shared.path("/srv/tally").mkdir(exist_ok=True)
    for name in ("forward.conf", "state.conf"):
        configure(shared, shared.path(f"{DROPINS}/{name}").read_text(), "restart", "tallyd")
        assert is_answering(shared), name
    configure(shared, None, "restart", "tallyd")


def test_the_units_for_prometheus_serve_the_numbers_without_any_right_but_that_of_the_group(shared):
    examples = shared.path("/usr/share/doc/tally/examples/prometheus")
    for name in ("tally-metrics.socket", "tally-metrics@.service"):
        shared.path(f"/etc/systemd/system/{name}").write_text((examples / name).read_text())
    shared.run("install", "-D", "/usr/share/doc/tally/examples/prometheus/tally-metrics", "/usr/local/sbin/tally-metrics")
    shared.run("systemctl", "daemon-reload")
    shared.run("systemctl", "start", "tally-metrics.socket")
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9453/metrics').read().decode())"
    body = shared.run("/usr/bin/python3", "-c", fetch).stdout
    assert "\ntally_uptime_seconds " in body and '\ntally_list_ok{list="zen.spamhaus.org"} 1\n' in body
    shared.run("systemctl", "stop", "tally-metrics.socket")


def test_installing_it_again_keeps_what_the_administrator_changed(shared):
    conf = shared.path("/etc/tally/tallyd.conf")
    text = conf.read_text()
    conf.write_text(text.replace("negative-ttl = 60", "negative-ttl = 61"))
    shared.run("chmod", "600", "/etc/tally/tallyd.conf")
    shared.run("chown", "tally", "/etc/tally/tallyd.conf")
    shared.run("dpkg", "-i", "/root/tally.deb")
    assert "negative-ttl = 61" in conf.read_text()
    assert shared.run("stat", "-c", "%U %a", "/etc/tally/tallyd.conf").stdout == "tally 600\n"
    assert is_answering(shared)


def test_removed_and_purged_it_leaves_nothing_but_its_user(stage, package):
    machine = Machine(stage)
    before = machine.changed()
    install(machine, package)
    assert is_answering(machine)
    machine.run("tallyctl", "block", "192.0.2.1")
    machine.run("dpkg", "--remove", "tally")
    assert machine.run("sh", "-c", "command -v tallyd; pgrep tallyd", check=False).stdout == ""
    assert machine.path("/etc/tally/tallyd.conf").exists() and machine.path("/var/lib/tally/exceptions.mdb").exists()
    install(machine, package)
    assert is_answering(machine) and "192.0.2.1" in machine.run("tallyctl", "exceptions").stdout
    machine.run("dpkg", "--purge", "tally")
    kept = r"/(var/(lib/(dpkg|systemd)|log|cache)|root/tally\.deb$|etc/((passwd|group|g?shadow)-?$|\.pwd\.lock$))"
    assert [path for path in machine.changed() - before if not re.match(kept, path)] == []
    assert not machine.path("/var/lib/tally").exists() and not machine.path("/etc/tally").exists()
    assert not list(machine.path("/var/lib/systemd").rglob("*tallyd*"))
    machine.run("id", "tally")

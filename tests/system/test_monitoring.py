"""What watches tallyd: Prometheus, Grafana, munin and fail2ban, fed with what the real tallyd says."""
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

import upstream as up
from harness import BUILD, ROOT, Program, fresh_address, fresh_port, wait_until
from programs import served_by
from tallyctl import Tallyctl

CONTRIB = ROOT / "contrib"
METRIC = re.compile(r"\btally_[a-z0-9_]+\b")
ZONES = {"bl.example": {"sites": ["a.example*2", "b.example"], "threshold": 2, "text": "subject=192.0.2.66 verdict listed"}}


@pytest.fixture
def tallyd(stage):
    """A daemon that has been asked, and has answered, about a few addresses."""
    server = stage.upstream({"a.example": up.listed("127.0.0.2"), "b.example": up.refused()})
    tallyd = stage.tallyd(ZONES, served_by(server, "a.example", "b.example"), log_verdicts=True)
    for subject in ("198.51.100.1", "198.51.100.2", "2001:db8::7"):
        assert tallyd.verdict(subject) == "127.0.0.2"
    assert tallyd.verdict("127.0.0.1") == "clear"
    return tallyd


@pytest.fixture
def path(stage, tallyd):
    """A directory with a tallyctl that asks this tallyd, as the plugins call it."""
    directory = stage.directory / "bin"
    directory.mkdir()
    program = directory / "tallyctl"
    program.write_text(f'#!/bin/sh\nexec "{BUILD}/tallyctl" -c "{tallyd.path}" "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/sbin:/usr/bin:/sbin:/bin"}


def metrics(tallyd):
    """{name with its list: value} of tallyctl stats --prometheus."""
    lines = Tallyctl(tallyd)("stats", "--prometheus").stdout.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def dashboard():
    return json.loads((CONTRIB / "grafana" / "tally.json").read_text())


def promtool(*words, **how):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, **how)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_and_plugin_name_only_metrics_that_exist(tallyd):
    real = {name.partition("{")[0] for name in metrics(tallyd)}
    assert len(real) > 20
    plugin = re.sub(r"tally_(answers|cache|upstream|lists|seconds)(?=[, ])", "", (CONTRIB / "munin" / "tally_").read_text())
    for where, text, least in (
        ("rules", (CONTRIB / "prometheus" / "tally.rules.yml").read_text(), 9),
        ("tests of the rules", (ROOT / "tests" / "system" / "rules.yml").read_text(), 9),
        ("dashboard", (CONTRIB / "grafana" / "tally.json").read_text(), 15),
        ("plugin", plugin, 12),
    ):
        used = set(METRIC.findall(text))
        assert len(used) >= least and used <= real, f"{where}: {sorted(used - real)}"


def test_the_alerts_fire_when_they_shall_and_only_then():
    promtool("test", "rules", ROOT / "tests" / "system" / "rules.yml")


def test_every_alert_has_its_test():
    alerts = set(re.findall(r"alert: (\w+)", (CONTRIB / "prometheus" / "tally.rules.yml").read_text()))
    tests = re.findall(r"alertname: (\w+)", (ROOT / "tests" / "system" / "rules.yml").read_text())
    assert alerts == set(tests) and all(tests.count(alert) == 2 for alert in alerts)


def test_the_dashboard_is_well_formed_and_prometheus_reads_its_expressions(tmp_path):
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) == 23, "panels side by side, none above another"
    lines = ["groups:", "- name: dashboard", "  rules:"]
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$list", ".*")
            assert "$" not in expression
            lines += ["  - record: x", f"    expr: {json.dumps(expression)}", f"    labels: {{n: \"{len(lines)}\"}}"]
    rules = tmp_path / "dashboard.yml"
    rules.write_text("\n".join(lines) + "\n")
    promtool("check", "rules", rules)


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_real_prometheus_scrapes_through_the_socket_and_sees_tallyd_go(stage, tallyd, path):
    address = fresh_address()
    scrape, web = f"{address}:{fresh_port(address)}", f"{address}:{fresh_port(address)}"
    argv = ["systemd-socket-activate", "--accept", "--inetd", "-E", f"PATH={path['PATH']}", "-l", scrape]
    socket = stage.add(Program("activate", [*argv, CONTRIB / "prometheus" / "tally-metrics"], stage.directory))
    socket.wait_ready(lambda: "Listening on" in socket.stderr)
    status, body = fetch(f"http://{scrape}/metrics")
    assert status == 200 and 'tally_list_listed_total{list="a.example"} 3\n' in body

    for name in ("tally.rules.yml", "scrape.yml"):
        shutil.copy(CONTRIB / "prometheus" / name, stage.directory)
    config = stage.directory / "scrape.yml"
    promtool("check", "config", config)
    text = config.read_text().replace("127.0.0.1:9453", scrape)
    config.write_text("global: {scrape_interval: 1s, evaluation_interval: 1s}\n" + text)
    argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={stage.directory}/tsdb", f"--web.listen-address={web}"]
    prometheus = stage.add(Program("prometheus", argv, stage.directory))

    def value(expression):
        try:
            status, body = fetch(f"http://{web}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        except OSError:
            return None  # not up yet
        result = json.loads(body)["data"]["result"] if status == 200 else []
        return float(result[0]["value"][1]) if result else None

    prometheus.wait_ready(lambda: value("up") == 1)
    assert value('tally_list_listed_total{list="a.example"}') == 3
    assert value('ALERTS{alertname="TallyDown"}') is None
    tallyd.stop()
    assert fetch(f"http://{scrape}/metrics")[0] == 503
    prometheus.wait_ready(lambda: value('ALERTS{alertname="TallyDown",alertstate="pending"}') == 1)


def test_the_munin_plugin_draws_what_tallyd_counts(stage, tallyd, path):
    plugin = CONTRIB / "munin" / "tally_"

    def run(graph, *words):
        link = stage.directory / f"tally_{graph}"
        if not link.exists():
            link.symlink_to(plugin)
        done = subprocess.run([link, *words], env=path, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.splitlines()

    assert run("", "autoconf") == ["yes"]
    graphs = run("", "suggest")
    assert graphs == ["answers", "cache", "upstream", "lists", "seconds"]
    values = {}
    for graph in graphs:
        config = dict(line.split(" ", 1) for line in run(graph, "config"))
        got = dict(line.split(" ", 1) for line in run(graph))
        assert config["graph_title"] and config["graph_category"] == "mail"
        labels = {name.partition(".")[0] for name in config if name.endswith(".label")}
        assert labels and labels == {name.partition(".")[0] for name in got}
        assert all(re.fullmatch("[a-z_][a-z0-9_]*", label) for label in labels)
        values[graph] = {name.partition(".")[0]: float(value) for name, value in got.items()}
    real = metrics(tallyd)
    assert values["answers"]["listed"] == real["tally_answers_listed_total"] >= 3
    assert values["cache"]["misses"] == real["tally_cache_misses_total"] == 3
    assert values["lists"] == {"l_a_example": 3, "l_b_example": 0}
    assert set(values["seconds"]) == {"l_a_example", "l_b_example"}
    tallyd.stop()
    assert run("", "autoconf")[0].startswith("no (")


@pytest.mark.parametrize("form", ["multilog", "syslog", "bare"])
def test_fail2ban_finds_who_was_listed_in_each_kind_of_log_and_nobody_else(stage, tallyd, form):
    wait_until(lambda: len(tallyd.log_lines("verdict listed")) == 3, "the lines")
    tallyd.stop()
    log = stage.directory / "log"
    if form == "multilog":
        subprocess.run(["multilog", "t", stage.directory / "multi"], input=tallyd.stderr, text=True, check=True)
        shutil.copy(stage.directory / "multi" / "current", log)
    else:
        head = {"syslog": "Nov 25 14:45:50 mx1 tallyd[128]: ", "bare": "2026-11-25T14:45:50Z "}[form]
        lines = tallyd.stderr.splitlines()
        if form == "syslog":
            lines = [re.sub("^[a-z]+: ", "", line) for line in lines]  # as the journal has them
        log.write_text("".join(f"{head}{line}\n" for line in lines))
    shutil.copytree("/etc/fail2ban", stage.directory / "fail2ban")
    shutil.copytree(CONTRIB / "fail2ban", stage.directory / "fail2ban", dirs_exist_ok=True)
    argv = ["fail2ban-regex", "-c", stage.directory / "fail2ban", "--out", "ip", log, "tally"]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    assert sorted(done.stdout.split()) == ["198.51.100.1", "198.51.100.2", "2001:db8::7"], done.stdout + done.stderr
    done = subprocess.run(
        ["fail2ban-client", "-c", stage.directory / "fail2ban", "--dump", "-v"], capture_output=True, text=True, check=False
    )
    assert "['set', 'tally', 'addjournalmatch', '_SYSTEMD_UNIT=tallyd.service']" in done.stdout, done.stdout + done.stderr

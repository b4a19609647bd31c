"""rspamd with the rbl module set up by contrib/rspamd, and no other module."""
import re

import pytest

from clients import CLEAR, GREY, LISTED, LISTED6, OPEN, TRUSTED, listens, shown, snippet
from harness import wait_until

CONFIGURATION = """
options {{
    filters = "";
    tempdir = "{path}";
    pidfile = "{path}/pid";
    cache_file = "{path}/cache";
    control_socket = "{path}/control mode=0600";
    url_tld = "{path}/tld";
    explicit_modules = ["rbl"];
    monitoring_watch_interval = 1s;
    dns {{ timeout = 1s; retransmits = 5; sockets = 1; }}
}}
logging {{ type = "file"; filename = "{path}/log"; level = "info"; debug_modules = ["monitored", "rbl"]; }}
lua = "/usr/share/rspamd/rules/rspamd.lua"
modules {{ path = "/usr/share/rspamd/plugins/"; }}
metric {{ actions {{ reject = 15; }} }}
worker "normal" {{ bind_socket = "127.0.0.1:11333"; count = 1; }}
rbl {{ enabled = true; .include "{path}/rbl.conf" }}
group "rbl" {{ .include "{path}/rbl_group.conf" }}
"""
MESSAGE = "From: a@from.example\nSubject: x\n\nHello.\n"


@pytest.fixture
def rspamd(host):
    path = host.directory("rspamd")
    for name in ("rbl.conf", "rbl_group.conf"):
        (path / name).write_text(snippet(f"rspamd/{name}"))
    (path / "tld").write_text("example\n")  # the shipped list takes 15 seconds to compile
    (path / "rspamd.conf").write_text(CONFIGURATION.format(path=path))
    argv = ["rspamd", "-f", "-i", "-c", path / "rspamd.conf", "-u", "root", "-g", "root"]
    program = host.start("rspamd", *argv, ready=lambda: listens(11333))
    program.log_file = path / "log"
    return program


def symbols(host, subject):
    """The symbols of our lists that a message of a client with this address gets, as rspamc shows them."""
    output = host.run("rspamc", "-h", "127.0.0.1:11333", "--ip", subject, text=MESSAGE)
    return re.findall(r"^Symbol: R[BW]L_.*$", output, re.MULTILINE)


def test_rspamd_weighs_each_grade_and_the_allow_zone(host, rspamd):
    assert symbols(host, LISTED) + symbols(host, GREY) == shown("rspamd")
    assert symbols(host, LISTED6) == [f"Symbol: RBL_TALLY (4.00)[{LISTED6}:from]"]
    assert [line.split()[1] for line in symbols(host, TRUSTED)] == ["RBL_TALLY_GREY", "RWL_TALLY"]
    assert symbols(host, CLEAR) == []


def test_rspamd_finds_our_zones_healthy_while_lists_are_down(host, rspamd):
    """It asks each zone for 127.0.0.1 by and by, and gives up a zone that does not say NXDOMAIN."""
    host.lists.fall_silent()
    assert symbols(host, OPEN) == [f"Symbol: RBL_TALLY_OPEN (0.00)[{OPEN}:from]"]
    assert rspamd.log_file.read_text().count("added monitored address: 1.0.0.127 (false random)") == 2
    for zone in ("bl.tally.internal", "wl.tally.internal"):
        healthy = re.compile(rf"monitored_dns_cb: dns callback for {zone} in [0-9.]+: no records with this name")
        wait_until(lambda: len(healthy.findall(rspamd.log_file.read_text())) > 1, f"two probes of {zone}")
    assert "disable object" not in rspamd.log_file.read_text()

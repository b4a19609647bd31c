"""tallyctl doctor: what stands between this host's mail server and tallyd, in words. Real resolvers are in test_resolvers."""
import signal
import socket
import subprocess
import time

import upstream as up
from harness import reversed_name, wait_until
from programs import served_by


def found(seen):
    """{what: finding}; none is told twice."""
    kinds = [finding["what"] for finding in seen["findings"]]
    assert len(set(kinds)) == len(kinds), seen
    return dict(zip(kinds, seen["findings"], strict=True))


def levels(seen):
    return {what: finding["level"] for what, finding in found(seen).items()}


def name_servers(rooted, *servers, options=""):
    rooted.resolv_conf.write_text("".join(f"nameserver {server}\n" for server in servers) + options)


def test_text_for_people(rooted):
    rooted.resolve("unbound", without="private-domain", more="private-address: 127.0.0.0/8")
    done = rooted.doctor("doctor", zone=None)
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split() == "SERVER WHO NAMED IN OUR ZONES".split()
    assert lines[1].split()[:3] == ["127.0.0.2", "tally", "0.1.0"] and lines[1].endswith("  all is well")
    assert lines[2].startswith("127.0.0.1  unbound 1.") and lines[2].endswith("  takes the addresses out")
    assert lines[4].startswith("problem: 127.0.0.1 (unbound 1.")
    assert "So it is with 2 zones." in " ".join(done.stdout.split())
    assert lines[-5:] == ["    Lines for unbound:", "        server:", '            private-domain: "bl.tally.internal."',
                          "", "1 problem, 0 warnings."]  # fmt: skip
    assert max(len(line) for line in lines[4:-5]) <= 80
    rooted.resolve("unbound")
    done = rooted.doctor("doctor", zone=None)
    assert done.returncode == 0 and done.stdout.endswith("\nAll is well.\n")


def test_the_second_server_of_the_manual_is_no_problem_but_said(rooted):
    """tallyd first, then the usual resolver, which does not know the zone."""
    rooted.resolve("knot", without="policy.add(policy.suffix(policy.STUB")
    name_servers(rooted, "127.0.0.2", "127.0.0.1")
    seen = rooted.doctor()
    assert seen["well"] and levels(seen) == {"not-forwarded": "warning", "disagreement": "warning"}
    assert "While the first one is down, listed mail passes." in found(seen)["disagreement"]["text"]
    assert "It is asked only when the first server fails." in found(seen)["not-forwarded"]["text"]


def test_servers_that_disagree_are_a_problem_when_the_wrong_one_may_be_asked(rooted):
    rooted.resolve("knot", without="policy.add(policy.suffix(policy.STUB")
    name_servers(rooted, "127.0.0.1", "127.0.0.2")
    seen = rooted.doctor()
    assert not seen["well"] and levels(seen) == {"not-forwarded": "problem", "disagreement": "problem"}
    assert "The 2 servers of /etc/resolv.conf disagree about our zones: 1 of them is well" in found(seen)["disagreement"]["text"]
    name_servers(rooted, "127.0.0.2", "127.0.0.1", options="options timeout:1 rotate\n")
    seen = rooted.doctor()
    assert not seen["well"] and "rotate" in found(seen)["disagreement"]["text"]


def test_servers_that_differ_in_what_mail_does_not_see_agree(rooted):
    rooted.resolve("pdns", without="addNTA")
    name_servers(rooted, "127.0.0.1", "127.0.0.2")
    assert levels(rooted.doctor()) == {"dnssec-clients": "warning"}
    rooted.resolve("unbound", more="cache-min-ttl: 3600")
    assert levels(rooted.doctor()) == {"ttl": "problem"}


def test_a_host_without_a_resolver_is_told_so(rooted):
    name_servers(rooted)
    seen = rooted.doctor()
    assert levels(seen) == {"unreachable": "problem"}
    assert found(seen)["unreachable"]["server"] == "127.0.0.1"
    assert "Connection refused" in found(seen)["unreachable"]["text"]
    assert seen["servers"][1]["who"] == "nobody"


def test_the_lines_for_a_resolver_elsewhere_do_not_name_our_loopback(rooted, stage):
    subprocess.run(["ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo"], check=True)  # no address of ours
    stage.upstream({"": up.nxdomain(86400)}, addresses=["192.0.2.53"], port=53)
    name_servers(rooted, "192.0.2.53")
    finding = found(rooted.doctor())["not-forwarded"]
    assert finding["text"].startswith("192.0.2.53 (an unknown resolver, named in /etc/resolv.conf) does not know the zone")
    assert finding["lines"] == []
    assert "It is not on this host and tallyd listens on the loopback: name tallyd before it" in finding["text"]


def test_a_resolver_that_says_nothing_costs_two_seconds(rooted, stage):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        begun = time.monotonic()
        seen = rooted.doctor(zone=None)
        assert 2 <= time.monotonic() - begun < 10
    assert levels(seen) == {"silence": "problem"}
    assert "127.0.0.1 (python3" in found(seen)["silence"]["text"]


def test_the_resolv_conf_of_postfix_is_looked_at_too(rooted):
    (rooted.postfix / "etc").mkdir()
    (rooted.postfix / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    name_servers(rooted, "127.0.0.2")
    rooted.resolve("dnsmasq", without="server=")
    seen = rooted.doctor()
    assert not seen["well"] and levels(seen) == {"chroot": "warning", "refused": "problem"}
    assert "/var/spool/postfix/etc/resolv.conf names other servers" in found(seen)["chroot"]["text"]
    assert "named in /var/spool/postfix/etc/resolv.conf" in found(seen)["refused"]["text"]
    name_servers(rooted, "127.0.0.1")
    assert levels(rooted.doctor()) == {"refused": "problem"}


def test_a_tallyd_that_does_not_run(rooted):
    rooted.resolve("unbound")
    rooted.tallyd.stop()
    seen = rooted.doctor()
    assert levels(seen) == {"not-running": "problem", "unreachable": "problem"}
    assert "No program listens there." in found(seen)["unreachable"]["text"]
    assert len(seen["servers"]) == 1, "there is nothing to hold a resolver to"


def test_a_tallyd_that_hangs_does_not_hang_doctor(rooted):
    rooted.tallyd.process.send_signal(signal.SIGSTOP)
    try:
        seen = rooted.doctor(zone=None, seconds=20)
    finally:
        rooted.tallyd.process.send_signal(signal.SIGCONT)
    assert levels(seen) == {"no-control": "warning", "silence": "problem"}
    assert found(seen)["no-control"]["text"] == "The lists are not looked at: tallyd does not reply."


def test_that_there_is_no_control_socket_is_no_problem(rooted):
    rooted.tallyd.options["control"] = ""
    rooted.tallyd.write()
    seen = rooted.doctor()
    assert levels(seen)["no-control"] == "warning" and "not-running" not in levels(seen)
    assert "control is empty: there is no socket" in found(seen)["no-control"]["text"]


def test_a_port_that_another_program_has_on_all_addresses(rooted):
    rooted.tallyd.stop()
    rooted.root.stop()
    rooted.resolve("dnsmasq", without="bind-interfaces")
    seen = rooted.doctor()
    assert levels(seen) == {"not-running": "problem", "port-taken": "problem"}
    said = found(seen)["port-taken"]["text"]
    assert f"Port 53 is taken by dnsmasq (process {rooted.resolver.pid}), which listens on all addresses" in said
    assert found(seen)["port-taken"]["lines"] == ["bind-interfaces"]


def test_a_port_that_another_program_has_on_our_address(rooted, stage):
    rooted.tallyd.stop()
    resolver = stage.unbound({}, address="127.0.0.2", port=53)
    said = found(rooted.doctor())["port-taken"]["text"]
    assert f"Port 53 is taken by unbound (process {resolver.pid})." in said


def test_a_tallyd_that_refuses_us(rooted):
    rooted.resolve("unbound")
    rooted.tallyd.options["allow"] = ["127.0.0.9"]
    rooted.tallyd.write()
    rooted.tallyd.reload()
    seen = rooted.doctor()
    assert levels(seen) == {"refused": "problem"}
    assert "is this host in its option allow?" in found(seen)["refused"]["text"]


def test_a_zone_that_tallyd_has_not_read_yet(rooted):
    rooted.resolve("unbound")
    rooted.tallyd.zones["new.bl.tally.internal"] = {"like": rooted.ZONE}
    rooted.tallyd.write()
    seen = rooted.doctor(zone=None)
    assert "Has tallyd been reloaded since the zone was added" in found(seen)["not-forwarded"]["text"]
    assert rooted.doctor()["well"], "the other zone is well"


def test_a_list_that_refuses_this_host(rooted, stage):
    name_servers(rooted, "127.0.0.2")
    server = stage.upstream({"b.example": up.listed("127.255.255.254")})
    rooted.tallyd.lists.update(served_by(server, "b.example"))
    rooted.tallyd.zones[rooted.ZONE] = {"sites": ["a.example", "b.example"]}
    rooted.tallyd.write()
    rooted.tallyd.reload()
    for last in range(3):
        rooted.tallyd.ask(f"198.51.100.{last}")
    seen = rooted.doctor()
    assert levels(seen) == {"list-refuses": "problem"}
    said = found(seen)["list-refuses"]["text"]
    assert said.startswith("The list b.example has refused this host with the error code 127.255.255.254"), said


def test_a_host_on_which_no_list_is_well(rooted, stage):
    """As behind resolvers of forward that take the answers of lists for an attack."""
    name_servers(rooted, "127.0.0.2")
    server = stage.upstream({"": up.nodata()})
    rooted.tallyd.lists.update({"a.example": {"server": [server.server]}})
    rooted.tallyd.tested = True
    rooted.tallyd.write()
    rooted.tallyd.reload()
    wait_until(lambda: "no-list" in found(rooted.doctor()), "all lists are quarantined")
    seen = rooted.doctor()
    assert levels(seen) == {"list-not-well": "warning", "no-list": "problem"} and not seen["well"]
    assert "its test point 127.0.0.2 is not listed" in found(seen)["list-not-well"]["text"]
    assert "resolvers of forward" in found(seen)["no-list"]["text"]


def test_a_resolver_that_invents_addresses(rooted, stage):
    """NXDOMAIN turned into an advertisement: every mail would be refused."""
    foreign = up.raw_addresses(socket.inet_aton("203.0.113.1"), ttl=60)
    fake = stage.upstream({"": foreign}, addresses=["127.0.0.1"], port=53)
    for subject in ("127.0.0.2", "::ffff:127.0.0.2"):
        fake.behave(reversed_name(subject, rooted.ZONE), up.listed("127.0.0.2", ttl=60))
    assert levels(rooted.doctor()) == {"invented-answer": "problem"}
    fake.behave(reversed_name("127.0.0.2", rooted.ZONE), up.listed("127.0.0.3", ttl=60))
    assert levels(rooted.doctor()) == {"different-answer": "problem"}


def test_what_doctor_asks_bothers_no_list(rooted):
    rooted.resolve("unbound")
    rooted.doctor(zone=None)
    assert rooted.tallyctl.json("stats")["upstream"]["asked"] == 0


def test_mistakes_in_the_configuration_and_on_the_command_line(rooted):
    done = rooted.doctor("doctor", zone="nothing.example")
    assert done.returncode == 1 and "the configuration has no such zone" in done.stderr
    rooted.tallyd.zones["other.example"] = {"sites": ["!"]}
    rooted.tallyd.write()
    done = rooted.doctor("doctor")
    assert done.returncode == 1 and f"{rooted.tallyd.path}:" in done.stderr and done.stdout == ""

"""tallyctl import-postfix: what a real postconf says becomes a section that tallyd takes."""
import json
import os
import re
import subprocess

import pytest

from harness import ROOT
from programs import run_tallyd
from tallyctl import TALLYCTL

SITES = """
    zen.spamhaus.org=127.0.0.[2..11]*3,
    bl.spamcop.net*2
    # a comment among them
    dnsbl.sorbs.net=127.0.0.[10;14]*7
    list.dnswl.org=127.0.[0..255].[1;2..3]*-4  own.list.example
"""
TAKEN = [
    "zen.spamhaus.org=127.0.0.[2..11]*3",
    "bl.spamcop.net*2",
    "list.dnswl.org=127.0.[0..255].[1;2..3]*-4",
    "own.list.example",
]


@pytest.fixture
def conf(tmp_path):
    """A configuration of tallyd with the catalogue, to which a section can be added."""
    file = tmp_path / "tallyd.conf"
    file.write_text(f'include("{ROOT}/conf/lists.conf")\n')
    return file


def run(conf, *words, text="", status=0, env=None):
    done = subprocess.run(
        [TALLYCTL, "-c", conf, *words],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def postfix(tmp_path, sites, threshold):
    """The environment in which postconf(1) finds these two."""
    (tmp_path / "main.cf").write_text(
        f"postscreen_dnsbl_sites ={sites}\nscore = {threshold}\npostscreen_dnsbl_threshold = $score\n"
    )
    (tmp_path / "master.cf").write_text("")
    return {"MAIL_CONFIG": str(tmp_path)}


def postconf(env, *words):
    names = ["postscreen_dnsbl_sites", "postscreen_dnsbl_threshold"]
    done = subprocess.run(["postconf", *words, *names], capture_output=True, text=True, env={**os.environ, **env}, check=True)
    return done.stdout


def check(conf, section, warning=""):
    conf.write_text(conf.read_text() + section)
    done = run_tallyd("-n", "-c", conf)
    assert done.returncode == 0 and len(done.stderr.splitlines()) == bool(warning) and warning in done.stderr, section


def test_the_section_has_what_postconf_says_and_tallyd_takes_it(tmp_path, conf):
    env = postfix(tmp_path, SITES, 5)
    done = run(conf, "import-postfix", env=env)
    document = json.loads(run(conf, "--json", "import-postfix", env=env).stdout)
    assert document["sites"] == TAKEN and document["threshold"] == 5 and document["zone"] == "bl.tally.internal"
    assert re.findall(r'^\t\t"(.*)",?$', done.stdout, re.M) == TAKEN and "\n\tthreshold = 5\n" in done.stdout
    (refused,) = document["refused"]
    assert refused["site"].startswith("dnsbl.sorbs.net=") and "2024-06-05" in refused["why"]
    assert f"# Not taken: {refused['site']}: {refused['why']}\n" in done.stdout
    assert [remark.split()[0] for remark in document["remarks"]] == ["own.list.example", "a"]
    check(conf, done.stdout)
    assert "has a zone of this name already" in run(conf, "import-postfix", env=env).stdout


@pytest.mark.parametrize("how", [["-h"], ["-x"], ["-xh"], ["-f"], "main.cf"])
def test_all_forms_of_the_two_parameters_mean_the_same(tmp_path, conf, how):
    env = postfix(tmp_path, SITES, 5)
    if how == "main.cf" or how in (["-h"], ["-f"]):  # no expansion of $score there
        env = {**env, **postfix(tmp_path, SITES, 5)}
        text = (tmp_path / "main.cf").read_text().replace("$score", "5")
        (tmp_path / "main.cf").write_text(text)
    words = ["-"]
    if how == "main.cf":
        words, text = [tmp_path / "main.cf"], ""
    else:
        text = postconf(env, *how)
    document = json.loads(run(conf, "--json", "import-postfix", *words, text=text).stdout)
    assert document["sites"] == TAKEN and document["threshold"] == 5


def test_a_key_goes_where_clients_do_not_see_it(conf):
    text = "abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net=127.0.0.[2..11]*2 abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net=127.0.0.2\n"
    text = "abcdefghijklmnopqrstuvwxyz.dbl.dq.spamhaus.net " + text
    section = run(conf, "import-postfix", "-", "--zone", "BL.Example.org.", text=text).stdout
    assert "\n# Not taken: abcdefghijklmnopqrstuvwxyz.dbl.dq.spamhaus.net: it is a list of domains" in section
    assert section.count("abcdefghijklmnopqrstuvwxyz") == 2 and '\tquery = "abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net"' in section
    assert '"zen.spamhaus.org=127.0.0.[2..11]*2",\n\t\t"zen.spamhaus.org=127.0.0.2"\n' in section
    assert 'zone "bl.example.org" {' in section and "\tthreshold = 1\n" in section
    check(conf, section)


@pytest.mark.parametrize("asked, named", [
    ("zen.dq.spamhaus.net", "zen.spamhaus.org"),
    ("sbl.dq.spamhaus.net", "sbl.spamhaus.org"),
    ("authbl.dq.spamhaus.net", "authbl.dq.spamhaus.net"),
    ("combined.mail.abusix.zone", "combined.mail.abusix.zone"),
])
def test_a_list_with_a_key_in_front_is_named_as_the_catalogue_names_it(conf, asked, named):
    key = "1abcdefghijklmnopqrstuvwxy"
    section = run(conf, "import-postfix", "-", text=f"{key}.{asked}*2\n1\n").stdout
    assert section.count(key) == 1 and f'list "{named}" {{\n\tquery = "{key}.{asked}"\n}}' in section
    assert f'"{named}*2"' in section and "is not in the catalogue" not in section
    check(conf, section)


def test_what_lists_no_addresses_is_not_taken_with_a_key_or_without(conf):
    for name in ("hbl.dq.spamhaus.net", "zrd.dq.spamhaus.net", "dbl.dq.spamhaus.net"):
        assert "no site" in run(conf, "import-postfix", "-", text=f"abcdefghijklmnopqrstuvwxyz.{name}\n", status=1).stderr
        conf.write_text(conf.read_text() + f'zone "{name}" {{\n\tsites = {{"1abcdefghijklmnopqrstuvwxy.{name}"}}\n}}\n')
        assert "lists of domains are not yet" in run_tallyd("-n", "-c", conf).stderr


def test_what_nothing_can_be_made_of_is_told(conf, tmp_path):
    for text, words in (
        ("", "no postscreen_dnsbl_sites"),
        ("\n3\n", "no postscreen_dnsbl_sites"),
        ("postscreen_dnsbl_sites =\npostscreen_dnsbl_threshold = 3\n", "no postscreen_dnsbl_sites"),
        ("a.example\npostscreen_dnsbl_threshold = -1\n", "-1"),
        ("a.example\npostscreen_dnsbl_threshold = x\n", "x"),
        ("dnsbl.sorbs.net\n", "no site"),
        ("dbl.spamhaus.org*2\n", "no site"),
    ):
        assert words in run(conf, "import-postfix", "-", text=text, status=1).stderr, text
    assert "missing.cf" in run(conf, "import-postfix", tmp_path / "missing.cf", status=1).stderr
    assert "postconf" in run(conf, "import-postfix", status=1, env={"MAIL_CONFIG": str(tmp_path / "nowhere")}).stderr
    assert "--zone" in run(conf, "import-postfix", "-", "--zone", "a..b", text="a.example", status=1).stderr
    odd = run(conf, "import-postfix", "-", text="a.example*2 $sites b..example c.example=1.2 \x1b[2J\n9\n").stdout
    assert odd.count("# Not taken: ") == 4 and "\x1b" not in odd and "nothing will be listed" in odd
    check(conf, odd, "nothing reaches a score of 9")

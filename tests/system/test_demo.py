"""The demonstration that the README begins with: a verdict that no single list gives, and nothing left behind."""
import os
import re
import subprocess
from pathlib import Path

from harness import BUILD

ROOT = Path(__file__).resolve().parents[2]


def processes_with(variable):
    """Command lines of those that have this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes())
        except OSError:
            pass  # gone
    return found


def test_the_demonstration_shows_its_verdicts_and_leaves_nothing(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [str(ROOT / "contrib" / "demo"), str(BUILD)],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0 and done.stderr == "", f"{done.stdout}{done.stderr}"
    shown = re.findall(r"^  (\d\S+) .*?  (127\.0\.0\.2|NXDOMAIN)\b", done.stdout, re.M)
    assert shown == [
        ("192.0.2.10", "NXDOMAIN"),
        ("192.0.2.20", "NXDOMAIN"),
        ("192.0.2.30", "127.0.0.2"),
        ("192.0.2.40", "NXDOMAIN"),
        ("192.0.2.50", "NXDOMAIN"),
        ("127.0.0.2", "127.0.0.2"),
        ("192.0.2.30", "NXDOMAIN"),  # after the exception
    ], done.stdout
    assert list(tmp_path.iterdir()) == []
    assert processes_with(f"TMPDIR={tmp_path}") == []


def test_none_of_its_lists_can_be_taken_for_one_that_lists_everything():
    """That is a list with addresses in two of the networks of RFC 5737, when tallyd happens to ask about those."""
    zones = list((ROOT / "conf" / "demo").glob("*.ip4"))
    listed = [line for zone in zones for line in zone.read_text().splitlines() if re.match(r"\d", line)]
    assert len(zones) == 3 and {line.rpartition(".")[0] for line in listed if "\t" not in line} == {"192.0.2"}
    assert all(line.startswith(("192.0.2.", "127.0.0.2\t")) for line in listed)

"""What the README shows is what happens: its commands of tallyctl are typed, and print what stands below them."""
import re
import shlex

from clients import section
from tallyctl import Tallyctl


def console(heading):
    """The blocks marked as console in a section of the README: [(command, its output)]."""
    blocks = re.findall(r"^```console\n(.*?)^```$", section("README.md", heading), re.MULTILINE | re.DOTALL)
    assert blocks
    parts = re.split(r"^# (.*)\n", "".join(blocks), flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2]))


def timeless(output):
    """Output with dates, and how old evidence is and how long it is kept, made the same."""
    output = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "0000-00-00T00:00:00Z", output)
    output = re.sub(r"^(\S+ +(?:listed|clear) .*[+-]\d+ +)\d( +)\d{3}\b", r"\g<1>0\g<2>000", output, flags=re.MULTILINE)
    return [line.rstrip() for line in output.strip().splitlines()]


def test_the_walkthroughs_print_what_the_readme_shows(host):
    tallyctl = Tallyctl(host.tallyd)
    for heading in ("Why was this refused?", "Except a sender"):
        for command, output in console(heading):
            program, *words = shlex.split(command)
            assert program == "tallyctl"
            assert timeless(tallyctl(*words).stdout) == timeless(output)

"""Libraries of ours in front of the C library, for one program."""
import os
import subprocess
from pathlib import Path


def preloaded(directory, source, **env):
    """What a program wants in its environment: `source` is a file beside this one, `env` what it goes by."""
    library = (directory / source).with_suffix(".so")
    argv = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name(source), "-ldl"]
    subprocess.run(argv, check=True)
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0", **env}

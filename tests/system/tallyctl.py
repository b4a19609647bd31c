"""The operator's program, as the tests call it; and the store beneath it, seen by LMDB's own library."""
import ctypes
import ctypes.util
import json
import os
import subprocess

from harness import BUILD

TALLYCTL = BUILD / "tallyctl"


class Tallyctl:
    """tallyctl with one configuration: tallyctl("allow", "192.0.2.1"). Fails unless the exit status is the expected one."""

    def __init__(self, tallyd, **how):
        self.tallyd = tallyd
        self.how = how

    def argv(self, *words):
        return [str(TALLYCTL), "-c", str(self.tallyd.path), *(str(word) for word in words)]

    def __call__(self, *words, status=0, text=None, seconds=120, **how):
        options = {**self.how, **how}
        done = subprocess.run(
            self.argv(*words), input=text or "", capture_output=True, text=True, timeout=seconds, check=False, **options
        )
        assert status in (None, done.returncode), f"{words}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.stderr or done.returncode == 0, f"{words}: failed and said nothing"
        return done

    def json(self, *words, **how):
        return json.loads(self("--json", *words, **how).stdout)

    def start(self, *words):
        """Without waiting for its end."""
        return subprocess.Popen(
            self.argv(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def entries(self):
        """Every exception as {(zone, prefix): entry}."""
        listed = self.json("exceptions")
        entries = {(entry["zone"], entry["prefix"]): entry for entry in listed}
        assert len(entries) == len(listed)
        return entries

    @property
    def directory(self):
        """The state directory, as a string."""
        return self.tallyd.options["state-dir"]

    @property
    def store(self):
        return os.path.join(self.directory, "exceptions.mdb")

    @property
    def snapshot(self):
        return os.path.join(self.directory, "exceptions.snapshot")

    def remove_store(self):
        os.unlink(self.store)
        os.unlink(self.store + "-lock")


def _lmdb():
    name = ctypes.util.find_library("lmdb") or "liblmdb.so.0"
    return ctypes.CDLL(name)


class _EnvInfo(ctypes.Structure):
    _fields_ = [
        ("mapaddr", ctypes.c_void_p),
        ("mapsize", ctypes.c_size_t),
        ("last_pgno", ctypes.c_size_t),
        ("last_txnid", ctypes.c_size_t),
        ("maxreaders", ctypes.c_uint),
        ("numreaders", ctypes.c_uint),
    ]


def reader_slots(store):
    """LMDB's table of readers: ([pids of those in use], how many slots were ever used, how many there are)."""
    MDB_NOSUBDIR, MDB_RDONLY, MDB_NOTLS = 0x4000, 0x20000, 0x200000
    lmdb = _lmdb()
    env, info, lines = ctypes.c_void_p(), _EnvInfo(), []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

    @kind
    def take(line, _):
        lines.append(line.decode())
        return 0

    assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
    try:
        flags = MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS
        assert lmdb.mdb_env_open(env, os.fsencode(store), ctypes.c_uint(flags), 0o600) == 0
        assert lmdb.mdb_env_info(env, ctypes.byref(info)) == 0
        assert lmdb.mdb_reader_list(env, take, None) >= 0
    finally:
        lmdb.mdb_env_close(env)
    pids = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdigit()]
    return pids, info.numreaders, info.maxreaders

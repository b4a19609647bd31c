"""The watchdog of systemd hears of tallyd exactly while every thread of it turns."""
import ctypes
import os
import socket

ZONES = {"bl.example": {"sites": ["a.example"]}}
LISTS = {"a.example": {"server": ["127.0.0.1@9"]}}
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


def threads_of(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def ptrace(request, tid):
    assert ctypes.CDLL(None, use_errno=True).ptrace(request, tid, None, None) == 0, os.strerror(ctypes.get_errno())


def test_the_watchdog_hears_of_it_while_every_thread_turns_and_only_then(stage):
    path = str(stage.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)

        def hears(seconds):
            notify.settimeout(seconds)
            try:
                while b"WATCHDOG=1" not in notify.recv(4096).split(b"\n"):
                    pass
            except TimeoutError:
                return False
            return True

        tallyd = stage.tallyd(ZONES, LISTS, threads=1, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"})
        assert hears(20)
        threads = threads_of(tallyd.pid)
        assert len(threads) == 5, "main, a listener's two, for TCP and for UDP, a shard and the recursor"
        for thread in set(threads) - {tallyd.pid}:
            ptrace(PTRACE_SEIZE, thread)
            ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, 0x40000000)  # __WALL
            hears(1.1)  # of the turn before
            assert not hears(1.5), "a thread stands still"
            ptrace(PTRACE_DETACH, thread)
            assert hears(20)

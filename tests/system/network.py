"""A private network, in which port 53 and the addresses of the root servers are ours."""
import ctypes
import os
import shlex
import socket
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
ROOTS = """
198.41.0.4 170.247.170.2 199.9.14.201 192.33.4.12 199.7.91.13 192.203.230.10 192.5.5.241 192.112.36.4 198.97.190.53 192.36.148.17
192.58.128.30 193.0.14.129 199.7.83.42 202.12.27.33
2001:503:ba3e::2:30 2801:1b8:10::b 2001:500:200::b 2001:500:2::c 2001:500:2d::d 2001:500:a8::e 2001:500:2f::f 2001:500:12::d0d
2001:500:1::53 2001:7fe::53 2001:503:c27::2:30 2001:7fd::1 2001:500:9f::42 2001:dc3::35
""".split()
_libc = ctypes.CDLL(None, use_errno=True)


def _check(status, what):
    if status != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _wait_usable(address):
    """The kernel brings up IPv6 addresses by and by; until then packets to them are lost."""
    if ":" not in address:
        return
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.1)
                sock.bind((address, 0))
                sock.sendto(b"x", sock.getsockname())
                sock.recv(1)
                return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"{address} does not come up")


class Network:
    """While it is entered, sockets and children of this thread live in a network with nothing but a loopback."""

    def __enter__(self):
        assert threading.current_thread() is threading.main_thread()
        self.outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        _wait_usable("::1")
        return self

    def __exit__(self, *_):
        _check(_libc.setns(self.outside, CLONE_NEWNET), "setns")
        os.close(self.outside)

    def add_addresses(self, *addresses):
        for address in addresses:
            prefix = [f"{address}/128", "nodad"] if ":" in address else [f"{address}/32"]
            subprocess.run(["ip", "addr", "add", *prefix, "dev", "lo"], check=True)
        for address in addresses:
            _wait_usable(address)


def with_files(files, argv):
    """A command that sees other files in place of some: {path: file to see there}. They must be readable for its user."""
    mounts = [f"mount --bind {shlex.quote(str(file))} {shlex.quote(str(path))}" for path, file in files.items()]
    script = " && ".join([*mounts, 'exec "$@"'])
    return ["unshare", "-m", "sh", "-c", script, "sh", *(str(word) for word in argv)]

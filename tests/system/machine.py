"""A machine to install on: this one's file system below an overlay, with a real systemd as process 1."""
import os
import subprocess
from pathlib import Path

from harness import Program

# Everything is mounted in a mount namespace of its own; it all goes with process 1.
BOOT = r"""
set -e
mount -t tmpfs tmpfs /mnt
cd /mnt
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for directory in run tmp dev; do mount -t tmpfs tmpfs $directory; done
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/shm dev/pts old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
rm -f usr/sbin/policy-rc.d var/lib/man-db/auto-update
: > etc/fstab
ip link set lo up
pivot_root . old
export container=tally-test
exec chroot . /lib/systemd/systemd --system --unit=sysinit.target --log-target=journal --show-status=0 </dev/null
"""


class Machine(Program):
    """Booted; run() runs a command in it, path() is a file of it, changed() is what differs from this machine."""

    def __init__(self, stage):
        argv = ["unshare", "-n", "-m", "-p", "-i", "-u", "-C", "--fork", "--kill-child", "sh", "-c", BOOT]
        super().__init__(stage.name("machine"), argv, stage.directory)
        stage.add(self)
        self.wait_ready(self.first)
        self.wait_ready(lambda: self.run("systemctl", "is-system-running", check=False).stdout == "running\n")

    def first(self):
        """The pid of its process 1, or 0 while that is not systemd yet."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return 0
        return int(children[0])

    def run(self, *argv, check=True, seconds=60):
        """Run a command in the machine; its output is text."""
        enter = ["nsenter", "-t", str(self.first()), "-a", "-r", "-w"]
        done = subprocess.run(
            [*enter, *(str(word) for word in argv)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.journal()}"
        return done

    def journal(self):
        return self.run("journalctl", "--no-pager", "-q", check=False).stdout

    def path(self, path):
        return Path(f"/proc/{self.first()}/root{path}")

    def changed(self):
        """The paths that were written or removed since it was booted, apart from directories."""
        upper = self.path("/old/mnt/upper")
        return {"/" + str((Path(top) / name).relative_to(upper)) for top, _, names in os.walk(upper) for name in names}

    def unit(self, unit, name):
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def ask(self, name, type="A"):
        done = self.run("dig", "+time=2", "+tries=1", "+short", "@127.0.0.2", name, type, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def teardown(self):
        first = self.first()
        self.process.kill()
        self.process.wait()
        if first:
            os.waitpid(first, 0)  # ours since unshare ended; it takes all the others with it

"""Hosts with a file system of their own each, made of a file: it can be full, stand still, or lose power."""

import fcntl
import os
import struct
import subprocess

from matrix import STOP_SECONDS, MatrixCase

DISK_SIZE = "3G"  # Of which only what is written takes room.
# linux/fs.h: _IOR('X', 125, __u32), what xfstests' godown asks for; and "do not even flush the journal".
FS_IOC_SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125
NO_LOG_FLUSH = struct.pack("I", 2)
WITNESS = "witness"


def obstacle():
    """Why no file system of a file's can be mounted here; None where it can."""
    trial = (
        "folder=$(mktemp -d) && truncate -s 64M $folder/disk && mkfs.ext4 -q $folder/disk && mkdir $folder/on && "
        "mount -o loop $folder/disk $folder/on; code=$?; umount $folder/on 2>/dev/null; rm -r $folder; command -v fsfreeze >&2; exit $code")
    done = subprocess.run(["sh", "-c", trial], capture_output=True, text=True, timeout=60)
    if done.returncode == 0 and "fsfreeze" in done.stderr:
        return None
    return f"no file system can be made of a file, mounted and frozen here: {done.stderr.strip()}"


def leave_witness(folder):
    """Two lines of which only the first one is synced: which of them are there when the power was back tells whether it was lost.
    A killed process loses nothing, the kernel still has what it wrote."""
    with open(folder / WITNESS, "w") as witness:
        witness.write("synced\n")
        witness.flush()
        os.fsync(witness.fileno())
        witness.write("not synced\n")


def cut_power(folder):
    """From now on nothing reaches the disk below `folder`: what was not synced is gone when it is mounted again."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, NO_LOG_FLUSH)
    finally:
        os.close(descriptor)


class OnDisks(MatrixCase):
    """Each host has a file system of its own, and so has the server."""

    @classmethod
    def prepare(cls):
        cls.make_disk("server", cls.server_folder())
        cls.server_folder().chmod(0o700)
        cls.fleet.start_server()
        for host in cls.fleet.hosts:
            cls.make_disk(host, cls.folder(host))
            cls.fleet.start_agent(host)
        cls.fleet.converge()

    @classmethod
    def make_disk(cls, name, folder):
        image = cls.image(name)
        folder.mkdir(parents=True)
        subprocess.run(["truncate", "-s", DISK_SIZE, str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        cls.mount(name, folder)
        folder.chmod(0o755)
        (folder / "lost+found").rmdir()

    @classmethod
    def mount(cls, name, folder):
        subprocess.run(["mount", "-o", "loop", str(cls.image(name)), str(folder)], check=True)

    @classmethod
    def image(cls, name):
        return cls.fleet.root / f"{name}.disk"

    @classmethod
    def folder(cls, host):
        return cls.fleet.root / "agents" / host

    @classmethod
    def server_folder(cls):
        return cls.fleet.root / "server"

    def unmount(self, folder):
        """Once nobody has anything open there any more."""
        def is_unmounted():
            return subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0

        self.fleet.wait_until(is_unmounted, STOP_SECONDS, f"{folder} is unmounted")

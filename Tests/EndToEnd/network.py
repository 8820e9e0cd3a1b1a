"""A network of a test class's own, in which a host can be cut off as a lost one is: silently.

A killed process still says goodbye: the kernel resets its connections at once, and whoever was connected knows. A host
that lost its power, or its cable, says nothing. Here what goes from and to a host's addresses is led to a device whose
other end nobody reads, so that connections neither break nor answer, and new ones wait.
"""

import ctypes
import os
import pathlib
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
VOID = "void0"
TABLE = "77"
RULE_PRIORITY = "10"


def obstacle():
    """Why no network can be had here; None where it can."""
    if os.geteuid() != 0:
        return "a network of its own needs root"
    if not shutil.which("ip"):
        return "there is no ip (Debian's iproute2)"
    trial = f"ip link set lo up && ip link add {VOID} type veth peer name void1"
    done = subprocess.run(["unshare", "--net", "sh", "-c", trial], capture_output=True, text=True, timeout=20)
    return None if done.returncode == 0 else f"no network of its own can be made here: {done.stderr.strip()}"


class Network:
    """Entered by the calling thread and what it starts from then on: processes, and threads."""

    def __init__(self):
        self.cut_off = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._call("unshare", CLONE_NEWNET)
        try:
            self._make()
        except BaseException:
            self.leave()
            raise

    def _make(self):
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", VOID, "type", "veth", "peer", "name", "void1")
        for end in (VOID, "void1"):
            self._ip("link", "set", end, "arp", "off", "up")
        # Addresses of 127.0.0.0/8 may leave by it, and it is asked before the table of local addresses is.
        pathlib.Path(f"/proc/sys/net/ipv4/conf/{VOID}/route_localnet").write_text("1")
        self._ip("route", "add", "default", "dev", VOID, "table", TABLE)
        self._ip("rule", "add", "pref", "100", "lookup", "local")
        self._ip("rule", "del", "pref", "0")

    def cut(self, *addresses):
        """Nothing goes to or from them any more, and nobody is told."""
        for address in set(addresses) - self.cut_off:
            for direction in ("to", "from"):
                self._ip("rule", "add", "pref", RULE_PRIORITY, direction, address, "lookup", TABLE)
            self.cut_off.add(address)

    def mend(self, *addresses):
        """All of those that are cut off where none is named."""
        for address in self.cut_off & set(addresses or self.cut_off):
            for direction in ("to", "from"):
                self._ip("rule", "del", "pref", RULE_PRIORITY, direction, address, "lookup", TABLE)
            self.cut_off.discard(address)

    def leave(self):
        """Back to the network from before."""
        self._call("setns", self._outside, CLONE_NEWNET)
        os.close(self._outside)

    def _call(self, name, *arguments):
        if getattr(self._libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")

    @staticmethod
    def _ip(*arguments):
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

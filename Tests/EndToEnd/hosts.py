"""Hosts with a network of their own each, joined by a router in the test's: any path between two of them can be cut
silently, in both directions or in one, or made to lose packets.

A network namespace a host, as `network.py` explains why; what is dropped is dropped by rules of the router (nft).
Whoever writes as an application is at the router's first address, the agents' way to the server at its second.
"""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import threading

from harness import EXAMPLE, Fleet

CLONE_NEWNET = 0x40000000
COMMAND_SECONDS = 60
PORTS_OF_CLIENTS = "40000 60999"


def obstacle():
    """Why no such hosts can be had here; None where they can."""
    if os.geteuid() != 0:
        return "networks of their own need root"
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")):
        if not shutil.which(program):
            return f"there is no {program} (Debian's {package})"
    trial = (
        "ip link set lo up && ip link add v0 type veth peer name v1 && nft add table inet t && "
        "nft 'add chain inet t c { type filter hook forward priority 0; }' && nft add rule inet t c numgen random mod 100 '<' 50 drop")
    done = subprocess.run(["unshare", "--net", "sh", "-c", trial], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    return None if done.returncode == 0 else f"no network of its own can be made here: {done.stderr.strip()}"


class Hosts:
    """The router is entered by the calling thread and what it starts from then on. `front`: of all addresses."""

    def __init__(self, front):
        self.clients, self.servers = f"{front}.1", f"{front}.2"
        self.namespaces = {}
        self.rules = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._call("unshare", CLONE_NEWNET)
        try:
            self._run("ip", "link", "set", "lo", "up")
            self._run("ip", "address", "add", f"{self.clients}/32", "dev", "lo")
            self._run("ip", "address", "add", f"{self.servers}/32", "dev", "lo")
            pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            self._run("nft", "-f", "-", text="""table inet wires {
                chain faults { }
                chain forward { type filter hook forward priority 0; jump faults; }
                chain input { type filter hook input priority 0; jump faults; }
                chain output { type filter hook output priority 0; jump faults; }
            }""")
        except BaseException:
            self.leave()
            raise

    def add(self, address):
        """A host with that address; none where it is there already."""
        if address in self.namespaces:
            return
        made = []

        def make():
            self._call("unshare", CLONE_NEWNET)
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        self.namespaces[address] = made[0]
        name = f"v{len(self.namespaces)}"
        self._run("ip", "link", "add", name, "type", "veth", "peer", "name", "wire", "netns", self._path(address))
        self._run("ip", "link", "set", name, "up")
        inside = self.entering(address)
        self._run(*inside, "ip", "link", "set", "lo", "up")
        # Not those that databases listen at for their administrators.
        self._run(*inside, "sh", "-c", f"echo {PORTS_OF_CLIENTS} > /proc/sys/net/ipv4/ip_local_port_range")
        self._run(*inside, "ip", "address", "add", f"{address}/32", "dev", "wire")
        self._run(*inside, "ip", "link", "set", "wire", "up")
        self._run(*inside, "ip", "route", "add", "default", "via", self.clients, "dev", "wire", "onlink", "src", address)
        self._run("ip", "route", "add", f"{address}/32", "dev", name, "src", self.clients)

    def entering(self, address):
        """What a command begins with that is to run on a host."""
        return ["nsenter", f"--net={self._path(address)}"]

    def _path(self, address):
        return f"/proc/{os.getpid()}/fd/{self.namespaces[address]}"

    # MARK: Faults

    def cut(self, ones, others=None, is_one_way=False, percent=100):
        """Nothing goes from `ones` to `others` (everybody where not given), nor back, and nobody is told. `percent`: of the
        packets, chosen at random."""
        what = "drop" if percent == 100 else f"numgen random mod 100 < {percent} drop"
        rules = [f"ip {side} {self._set(ones)}" + (f" ip {other} {self._set(others)}" if others else "") + " " + what
                 for side, other in (("saddr", "daddr"), ("daddr", "saddr"))[:1 if is_one_way else 2]]
        self.rules += rules
        self._apply()
        return rules

    def hear_nothing(self, ones, others):
        """What `others` send does not reach `ones`; the other direction does."""
        return self.cut(others, ones, is_one_way=True)

    def mend(self, rules=None):
        """Everything where none are given."""
        self.rules = [rule for rule in self.rules if rules is not None and rule not in rules]
        self._apply()

    @staticmethod
    def _set(addresses):
        return "{ " + ", ".join([addresses] if isinstance(addresses, str) else addresses) + " }"

    def _apply(self):
        lines = ["flush chain inet wires faults"] + [f"add rule inet wires faults {rule}" for rule in self.rules]
        self._run("nft", "-f", "-", text="\n".join(lines) + "\n")

    # MARK: Beginning and end

    def leave(self):
        """Back to the network from before."""
        self._call("setns", self._outside, CLONE_NEWNET)
        for descriptor in [self._outside, *self.namespaces.values()]:
            os.close(descriptor)

    def _call(self, name, *arguments):
        if getattr(self._libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")

    @staticmethod
    def _run(*command, text=None):
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}\n{text or ''}")


class HostFleet(Fleet):
    """Its agents run on `Hosts`; the databases' addresses are theirs."""

    def __init__(self, name, network, hosts, example=EXAMPLE):
        self.wires = hosts
        super().__init__(name, network, relayed=("*",), example=example)
        for host in self.hosts:
            hosts.add(self.address(host))

    def rewrite(self, text):
        text = re.sub(rf"\b127\.0\.{self.network}\.(\d+)\b", rf"10.{self.network}.0.\1", super().rewrite(text))
        return text.replace('"127.%"', '"10.%"')

    def relay_address(self, host):
        return self.wires.servers

    def entering(self, host):
        return self.wires.entering(self.address(host))

"""A systemd of a test's own: PID 1 of namespaces made for it, with units of the test and nothing of this machine's.

It knows the few targets that services rely on by default and what `add` brings. It shares files and network with this
machine, so that what it starts is seen from here.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BOOT_SECONDS = 60
COMMAND_SECONDS = 60
SYSTEMD = "/lib/systemd/systemd"
TARGETS = ("basic", "sysinit", "shutdown", "network", "network-online", "multi-user", "default")

BOOT = """set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/lock
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=evenkeel-test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$UNITS" \\
    SYSTEMD_GENERATOR_PATH=/nonexistent {systemd} --system --unit=default.target --log-target=console --log-level=info
"""


def obstacle():
    """Why no systemd can be had here; None where it can."""
    if os.geteuid() != 0:
        return "it needs root"
    missing = [name for name in (SYSTEMD, "systemd-run", "systemctl", "unshare", "nsenter") if not shutil.which(name)]
    if missing:
        return "there is no " + ", ".join(missing)
    return None if _cgroups() else "there is no cgroup2"


def _cgroups():
    """Where cgroup2 is mounted."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)


class Systemd:
    def __init__(self, log):
        self.units = pathlib.Path(tempfile.mkdtemp(prefix="ek-units-"))
        for name in TARGETS:
            self.add(f"{name}.target", f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
        self.group = pathlib.Path(_cgroups()) / f"evenkeel-test-{os.getpid()}"
        self.group.mkdir()
        environment = dict(os.environ, UNITS=str(self.units))
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "/bin/sh", "-c",
                 BOOT.format(systemd=SYSTEMD)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, preexec_fn=self._enter)
        end = time.monotonic() + BOOT_SECONDS
        while self.run("systemctl", "is-system-running", check=False).stdout.strip() != "running":
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"systemd did not come up:\n{pathlib.Path(log).read_text()}")
            time.sleep(0.05)

    def _enter(self):
        os.setsid()
        (self.group / "cgroup.procs").write_text("0")

    @property
    def pid(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else str(self.process.pid)

    def add(self, name, text):
        (self.units / name).write_text(text)

    def run(self, *command, check=True):
        """Runs a command beside it, in its namespaces."""
        done = subprocess.run(
            ["nsenter", "-t", self.pid, "--pid", "--mount", "--uts", "--ipc", "--cgroup", *command],
            capture_output=True, text=True, timeout=COMMAND_SECONDS)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def properties(self, unit, *names):
        shown = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def stop(self):
        """Ends it, and with it all that runs in its namespaces."""
        if self.process.poll() is None:
            os.kill(int(self.pid), signal.SIGKILL)
        self.process.wait(BOOT_SECONDS)
        for folder, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(folder)
        shutil.rmtree(self.units)

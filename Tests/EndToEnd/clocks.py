"""Hosts whose clock a test sets: the time of day alone, as when somebody or a time server corrects it (`clock.c`).

An agent and the server get it by their environment; a database gets nothing of its agent's, so that in its host's own view of
the files a script stands where the program is.
"""

import pathlib
import shutil
import struct
import subprocess
import time

import hosts
from harness import EXAMPLE

SOURCE = pathlib.Path(__file__).with_name("clock.c")
COMPILER = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
DATABASE = "/usr/sbin/mariadbd"
SERVER = "server"
TRUE_TIME = 0


def obstacle():
    """Why no clock can be set here; None where it can."""
    return None if COMPILER else "there is no C compiler"


class ClockFleet(hosts.HostFleet):
    def __init__(self, name, network, wires, example=EXAMPLE):
        super().__init__(name, network, wires, example)
        self.clocks = self.root / "clocks"
        self.clocks.mkdir()
        self.clocks.chmod(0o755)
        shutil.copy2(DATABASE, self.clocks / "mariadbd")
        self.library = self.clocks / "clock.so"
        subprocess.run([COMPILER, "-O1", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE), "-ldl"], check=True)
        for host in [SERVER, *self.hosts]:
            self.set_clock(host, TRUE_TIME)
            script = self.clocks / f"mariadbd-{host}"
            script.write_text(f'#!/bin/sh\nexec env {" ".join(self._faked(host))} {self.clocks}/mariadbd "$@"\n')
            script.chmod(0o755)

    def set_clock(self, host, seconds):
        """So many seconds before the true time (below 0: behind it), from now on."""
        # In its place: whoever runs has it in memory.
        with open(self.clocks / host, "r+b" if (self.clocks / host).exists() else "wb", buffering=0) as file:
            file.write(struct.pack("<q", seconds))

    def _faked(self, host):
        return [f"LD_PRELOAD={self.library}", f"CLOCK_OFFSET={self.clocks / host}"]

    def entering(self, host):
        return [
            *super().entering(host), "unshare", "--mount", "sh", "-c", f'mount --bind "$0" {DATABASE} && exec "$@"',
            str(self.clocks / f"mariadbd-{host}"), "env", *self._faked(host)]

    def entering_server(self):
        return ["env", *self._faked(SERVER)]

    def database_ahead(self, instance):
        """Seconds that an instance's clock is before ours."""
        return float(self.database(instance).value("SELECT UNIX_TIMESTAMP(NOW(6))")) - time.time()

    def server_ahead(self):
        return self.now() / 1000 - time.time()

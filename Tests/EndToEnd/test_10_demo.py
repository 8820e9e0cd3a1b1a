"""`make demo-down`: what it stops has ended before its files are removed."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import EXAMPLE

# As mariadbd at its end: it removes its own pid file first, and writes on until it is gone.
DATABASE = """
import os, pathlib, signal, sys, time
run = pathlib.Path(sys.argv[1]) / "run"

def end(*_):
    (run / "mysqld.pid").unlink()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        (run / f"file-{time.monotonic_ns()}").write_text("x")
        time.sleep(0.001)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
(run / "mysqld.pid").write_text(str(os.getpid()))
while True:
    signal.pause()
"""


class DemoDown(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ek-demo-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def test_a_database_has_ended_before_its_files_are_removed(self):
        instance = self.folder / "demo" / "hosts" / "hz-a-1" / "instances" / "0011223344-1"
        (instance / "run").mkdir(parents=True)
        database = subprocess.Popen([sys.executable, "-c", DATABASE, str(instance)])
        self.addCleanup(database.wait)
        self.addCleanup(database.kill)
        deadline = time.monotonic() + 10
        while not (instance / "run" / "mysqld.pid").exists():
            self.assertLess(time.monotonic(), deadline, "the stand-in did not start")
            time.sleep(0.01)
        done = subprocess.run(
            [str(EXAMPLE / "demo"), "down"], capture_output=True, text=True, timeout=60,
            env={**os.environ, "DEMO_DIR": str(self.folder / "demo"), "XDG_CONFIG_HOME": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIsNotNone(database.poll(), "the database ran on")
        self.assertFalse((self.folder / "demo").exists())


if __name__ == "__main__":
    unittest.main()

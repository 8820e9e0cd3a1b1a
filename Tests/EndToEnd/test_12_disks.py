"""The fault matrix: disks of a primary and of a replica that are full, or that do not answer any more."""

import contextlib
import errno
import subprocess
import time
import unittest

import disks
from databases import QueryFailed
from harness import wait_until
from matrix import BACK_SECONDS, sampled

FILL_BYTES = 1 << 20
FULL_SECONDS = 12
RETRY_SECONDS = 60  # A full disk is tried again by the database once a minute.
HOLD_SECONDS = 7
GAP_STALLED_SECONDS = 15.0  # The aim is 5.


@unittest.skipIf(disks.obstacle(), disks.obstacle())
@sampled(1)
class Disks(disks.OnDisks):
    network = 55

    @contextlib.contextmanager
    def full(self, instance):
        """Takes all that is free, again and again: a database gives room back when it begins a new binlog."""
        ballast = self.folder(instance["host"]) / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            for size in (FILL_BYTES, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        try:
                            file.write(bytes(size))
                        except OSError as error:
                            self.assertEqual(error.errno, errno.ENOSPC)
                            raise
        try:
            yield
        finally:
            ballast.unlink()

    def stalled(self, instance):
        return self.frozen_folder(self.folder(instance["host"]))

    @contextlib.contextmanager
    def frozen_folder(self, folder):
        """Whoever writes there waits, and cannot be killed."""
        folder = str(folder)
        subprocess.run(["fsfreeze", "-f", folder], check=True)
        thawed = []

        def thaw():
            if not thawed:
                thawed.append(subprocess.run(["fsfreeze", "-u", folder], check=True))

        self.addCleanup(thaw)
        try:
            yield
        finally:
            thaw()

    def test_primary_s_disk_is_stalled(self):
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            with self.stalled(self.old):
                new = self.wait_failed_over()
                self.writes(writer)
            self.wait_healed()
        self.judge(writer, loyal, gap_max=GAP_STALLED_SECONDS)
        self.assertEqual(self.fleet.primary()["name"], new["name"])

    def test_primary_s_disk_is_stalled_for_a_moment(self):
        """Whoever is the primary afterwards: it was a hiccup."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            for seconds in (0.5, 1.5, 3.0):
                self.writes(writer)
                with self.stalled(self.old):
                    end = time.monotonic() + seconds
                    self.fleet.wait_until(lambda end=end: time.monotonic() > end, BACK_SECONDS, "a moment")
                self.writes(writer)
            self.wait_healed()
        self.judge(writer, loyal)

    def test_primary_s_disk_is_full(self):
        """Its commits wait for room; somebody else takes over, or it is told and goes on when there is room."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            with self.full(self.old):
                self.wait_failed_over()
                self.writes(writer)
            self.wait_healed(RETRY_SECONDS + BACK_SECONDS)  # And what was written meanwhile is caught up with.
        self.judge(writer, loyal)

    def test_primary_s_disk_is_full_for_a_while(self):
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            with self.full(self.old):
                end = time.monotonic() + FULL_SECONDS
                self.fleet.wait_until(lambda: time.monotonic() > end, BACK_SECONDS, "it was full for a while")
            self.writes(writer, seconds=RETRY_SECONDS + BACK_SECONDS)
            self.wait_healed()
        self.judge(writer, loyal, gap_max=None)

    def replica_s_disk(self, fault):
        for replica in self.others:
            with self.subTest(replica=replica["name"]), self.writer() as writer:
                self.writes(writer)
                with fault(replica):
                    end = time.monotonic() + FULL_SECONDS
                    while time.monotonic() < end:
                        self.writes(writer, 10)
                self.wait_healed()
            self.judge(writer, gap_max=10.0)
            self.assert_no_failover()

    def test_replica_s_disk_is_stalled(self):
        self.replica_s_disk(self.stalled)

    def test_replica_s_disk_is_full(self):
        self.replica_s_disk(self.full)


    # MARK: The server's

    def test_store_does_not_answer(self):
        """Nothing that the server wants to do is in the store, so it does nothing; what runs goes on."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            with self.frozen_folder(self.fleet.root / "server"):
                end = time.monotonic() + FULL_SECONDS
                while time.monotonic() < end:
                    before = len(loyal.acknowledged)
                    wait_until(lambda before=before: len(loyal.acknowledged) > before, 5, "writes go on")
                before = loyal.acknowledged[:]
                self.lose(self.old)
                asked = set()
                end = time.monotonic() + HOLD_SECONDS
                while time.monotonic() < end:
                    for each in self.others:
                        with contextlib.suppress(QueryFailed, subprocess.TimeoutExpired):
                            self.assertEqual(self.root(each).value("SELECT @@read_only"), "1", "opened without the store")
                            asked.add(each["name"])
                self.assertEqual(asked, {each["name"] for each in self.others})
            self.wait_failed_over(60)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.assertGreaterEqual(len(loyal.acknowledged), len(before))
        self.judge(writer, loyal, gap_max=60)


if __name__ == "__main__":
    unittest.main()

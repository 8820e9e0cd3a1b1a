"""A full disk at the data directory, made of a small tmpfs; needs root."""

import os
import subprocess
import unittest

from harness import Fleet, FleetTestCase
from operations import OUT

CLONE_TOO_SMALL = "60m"
HEAL_SECONDS = 120


@unittest.skipUnless(os.geteuid() == 0, "mounting a file system needs root")
class FullDisk(FleetTestCase):
    network = 39

    @classmethod
    def prepare(cls):
        cls.fleet.edit((r"storage: \d+Gi", "storage: 256Mi"), message="Small")
        cls.fleet.start_server()
        cls.small = {}
        for host in cls.fleet.hosts:
            if host in ("hz-c-1", "hz-c-2"):
                folder = cls.fleet.root / "agents" / host
                folder.mkdir(parents=True)
                folder.chmod(0o755)
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "tmpfs", str(folder)], check=True)
                cls.small[host] = folder
            cls.fleet.start_agent(host)
        cls.fleet.converge()

    @staticmethod
    def resize(folder, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    def test_1_a_clone_onto_a_full_disk_leaves_nothing_half_made(self):
        used = next(each["host"] for each in self.fleet.instances() if each["zone"] == "cn-hangzhou-c")
        free = next(host for host in self.small if host != used)
        self.resize(self.small[free], CLONE_TOO_SMALL)
        OUT[0](self.fleet)
        self.fleet.wait_until(
            lambda: [task for task in self.fleet.tasks() if task["action"] == "clone" and task["state"] in ("failed", "refused")],
            60, "the clone fails")
        failed = next(task for task in self.fleet.tasks() if task["action"] == "clone" and task["state"] in ("failed", "refused"))
        self.assertRegex(failed["message"], r"(?i)space|disk|full|free")
        self.assertTrue(self.fleet.app().answers(), "the others go on")
        self.resize(self.small[free], "2g")
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound(instances=4)

    def test_2_a_replica_whose_disk_fills_up_comes_back_when_there_is_room(self):
        replica = next(each for each in self.fleet.replicas() if each["host"] in self.small)
        folder = self.small[replica["host"]]
        primary = self.fleet.database(self.fleet.primary())
        primary.rows("CREATE TABLE IF NOT EXISTS orders.filler (id INT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB)")
        ballast = folder / "ballast"
        room = os.statvfs(folder)
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
        for _ in range(4):
            primary.rows("INSERT INTO orders.filler (body) VALUES (REPEAT('x', 4000000))")
        others = [each for each in self.fleet.replicas() if each["name"] != replica["name"]]
        for other in others:
            self.fleet.wait_until(
                lambda: self.fleet.database(other).value("SELECT COUNT(*) FROM orders.filler") == "4", 30,
                f"{other['name']} goes on")
        self.assertTrue(self.fleet.app().answers())
        ballast.unlink()
        self.fleet.wait_until(
            lambda: self.fleet.database(replica).answers()
            and self.fleet.database(replica).value("SELECT COUNT(*) FROM orders.filler") == "4", HEAL_SECONDS,
            "the replica has caught up")
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound(instances=4)


if __name__ == "__main__":
    unittest.main()

"""A full disk at the data directory, made of a small tmpfs; needs root."""

import errno
import os
import subprocess
import unittest

from harness import FleetTestCase, processes_below
from operations import OUT

CLONE_TOO_SMALL = "60m"
HEAL_SECONDS = 120
# More than the 256 MiB that the manifest declares, less than the copy needs.
CLONE_ALMOST_LARGE_ENOUGH = "300m"
FILLER_ROWS = 80  # Of 4 MB each.
ROOM_LEFT_BY_A_FAILURE = 256 << 20


@unittest.skipUnless(os.geteuid() == 0, "mounting a file system needs root")
class SmallDisks(FleetTestCase):
    """The hosts of zone c have disks of their own."""

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

    @staticmethod
    def fill(path):
        """Takes all that is free; the databases write meanwhile, so that how much that is cannot be asked before."""
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free_host(self):
        """The host of zone c that holds no instance."""
        used = [each["host"] for each in self.fleet.instances() if each["zone"] == "cn-hangzhou-c"]
        return next(host for host in self.small if host not in used)

    def wait_failed_clone(self):
        """The first attempt to clone that failed."""
        return self.fleet.wait_until(
            lambda: next((task for task in self.fleet.carried_out("clone") if task["state"] in ("failed", "refused")), None),
            60, "the clone fails")


class FullDisk(SmallDisks):
    network = 39

    def test_1_a_clone_onto_a_full_disk_leaves_nothing_half_made(self):
        free = self.free_host()
        self.resize(self.small[free], CLONE_TOO_SMALL)
        OUT[0](self.fleet)
        failed = self.wait_failed_clone()
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
        self.fill(ballast)
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


class DiskFilledByAClone(SmallDisks):
    network = 45

    def test_1_a_disk_that_fills_up_in_the_middle_of_a_clone(self):
        primary = self.fleet.database(self.fleet.primary())
        primary.rows("CREATE TABLE orders.filler (id INT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB)")
        for _ in range(FILLER_ROWS):
            primary.rows("INSERT INTO orders.filler (body) VALUES (REPEAT('x', 4000000))")
        free = self.free_host()
        folder = self.small[free]
        self.resize(folder, CLONE_ALMOST_LARGE_ENOUGH)
        OUT[0](self.fleet)
        failed = self.wait_failed_clone()
        self.assertRegex(failed["message"], "is full")
        self.assertIn(str(folder), failed["message"])

        def room():
            disk = os.statvfs(folder)
            return disk.f_bavail * disk.f_frsize

        # Another instance of that host would need the room.
        self.fleet.wait_until(lambda: room() > ROOM_LEFT_BY_A_FAILURE, 20, "what the clone stored is removed")
        tools = ("mariadb-backup", "mariabackup", "mbstream")
        self.fleet.wait_until(
            lambda: not self.clones_running() or [
                command for _, command in processes_below(self.fleet.root) if command.split()[0].rsplit("/", 1)[-1] in tools] == [],
            20, "no tool is left over")
        self.assertTrue(self.fleet.app().answers(), "the others go on")
        for instance in self.fleet.instances():
            if instance["host"] != free:
                self.assertTrue(self.fleet.database(instance).answers(), instance["name"])
        self.resize(folder, "2g")
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound(instances=4)
        fourth = next(each for each in self.fleet.instances() if each["host"] == free)
        self.assertEqual(self.fleet.database(fourth).value("SELECT COUNT(*) FROM orders.filler"), str(FILLER_ROWS))

    def clones_running(self):
        return [task for task in self.fleet.tasks(20) if task["action"] == "clone" and task["state"] == "running"]


if __name__ == "__main__":
    unittest.main()

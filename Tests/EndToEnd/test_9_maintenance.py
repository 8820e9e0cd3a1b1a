"""Maintenance: what people work on is left alone, until a moment."""

import os
import signal
import time
import unittest
from datetime import datetime, timedelta, timezone

from databases import Writer
from harness import FleetTestCase

GAP_SECONDS = 15.0  # The aim is 8.
BACK_SECONDS = 30
LEFT_ALONE_SECONDS = 6  # An agent starts what was killed at once, a server within a pass.
HELD_SECONDS = 12  # Of the maintenance that ends by itself.


def until(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Maintenance(FleetTestCase):
    network = 58

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.fleet.make_table()

    def host_file(self, host):
        return next(path for path in sorted(self.fleet.repository.rglob("*.yaml")) if f"name: {host}" in path.read_text())

    def findings(self, unit):
        return {finding["reason"]: finding for finding in self.fleet.unit(unit)["findings"]}

    def kill(self, instance):
        """Returns once it has ended: its last thread may be in the kernel for a while."""
        pid = self.fleet.pid(instance)
        os.kill(pid, signal.SIGKILL)
        self.fleet.wait_until(lambda: self.fleet.pid(instance) != pid, BACK_SECONDS, f"{instance['name']} has ended")

    def stays_down(self, instance, seconds=LEFT_ALONE_SECONDS):
        """True where it did, all the time; what it was is looked at again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.fleet.pid(instance) is not None:
                return False
            time.sleep(0.2)
        return True

    def test_1_the_primary_leaves_a_host_and_what_is_killed_there_stays_down(self):
        old = self.fleet.primary()
        with Writer(lambda: self.where(), "app", self.fleet.passwords["orders-app"], "orders", first=1) as writer:
            writer.wait_for(50)
            file = self.fleet.edit(
                (f"name: {old['host']}\nspec:\n", f"name: {old['host']}\nspec:\n  maintenance: {{until: {until(3600)}, reason: new memory}}\n"),
                file=self.host_file(old["host"]), message="New memory")
            self.fleet.wait_until(
                lambda: self.fleet.primary() and self.fleet.primary()["name"] != old["name"], BACK_SECONDS, "the primary has left")
            writer.wait_for(50)
            self.assertLess(writer.gap_longest, GAP_SECONDS, writer.errors)
        self.fleet.wait_until(
            lambda: "Maintenance" in self.findings(f"Host/{old['host']}"), BACK_SECONDS, "the host says that it is in maintenance")
        self.fleet.wait_until(
            lambda: "HostMaintenance" in self.findings("Cluster/orders"), BACK_SECONDS, "the cluster says what is left alone")
        self.kill(old)
        self.assertTrue(self.stays_down(old), "it was started in maintenance")
        agent = self.fleet.agents[old["host"]]
        agent.kill()
        self.fleet.start_agent(old["host"])
        self.assertTrue(self.stays_down(old), "it was started by an agent that began anew")
        self.fleet.wait_until(
            lambda: self.findings("Cluster/orders").get("InstanceDown", {}).get("isMuted") is True, BACK_SECONDS,
            "what is down there is shown, muted")
        self.fleet.edit((r"  maintenance: .*\n", ""), file=file, message="Done")
        self.fleet.wait_until(lambda: self.fleet.pid(old) is not None, BACK_SECONDS, "it is started again")
        self.fleet.wait_until(
            lambda: self.fleet.primary() and self.fleet.primary()["name"] == old["name"], BACK_SECONDS, "the primary is back")
        self.fleet.wait_converged()
        self.assert_sound()

    def where(self):
        primary = self.fleet.primary()
        return (primary["address"], primary["port"]) if primary else None

    def test_2_a_killed_primary_of_a_cluster_in_maintenance_is_back_at_the_end(self):
        primary = self.fleet.primary()
        epoch = self.fleet.cluster()["epoch"]
        self.fleet.edit((r"^spec:\n", f"spec:\n  maintenance: {{until: {until(3600)}}}\n"), message="Hands off")
        self.fleet.wait_until(
            lambda: "Maintenance" in self.findings("Cluster/orders"), BACK_SECONDS, "the cluster says that it is in maintenance")
        self.kill(primary)
        self.assertTrue(self.stays_down(primary), "it was started in maintenance")
        self.assertEqual(self.fleet.cluster()["epoch"], epoch, "another took over in maintenance")
        self.fleet.edit((r"  maintenance: .*\n", f"  maintenance: {{until: {until(HELD_SECONDS)}}}\n"), message="Not for long")
        self.fleet.wait_until(lambda: self.fleet.pid(primary) is not None, HELD_SECONDS + BACK_SECONDS, "it is started at the end")
        self.fleet.wait_until(
            lambda: "Maintenance" not in self.findings("Cluster/orders"), BACK_SECONDS, "the maintenance is over")
        self.fleet.edit((r"  maintenance: .*\n", ""), message="Forget it")
        self.fleet.wait_converged()
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        self.assert_sound()


if __name__ == "__main__":
    unittest.main()

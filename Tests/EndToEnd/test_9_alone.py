"""A primary without anybody to acknowledge: `durability.whenAlone: continue`."""

import os
import signal
import unittest

from databases import Writer
from harness import FleetTestCase

ALONE_SECONDS = 60  # Hosts count as silent after 10 s, a commit as waiting after 5 s.
BACK_SECONDS = 60


class Alone(FleetTestCase):
    network = 59

    @classmethod
    def prepare(cls):
        cls.fleet.edit((r"  durability: semiSync\n", "  durability: {whenAlone: continue}\n"))
        cls.fleet.commit("Go on alone")
        super().prepare()
        cls.fleet.make_table()

    def test_1_both_replicas_are_lost_and_come_back(self):
        primary = self.fleet.primary()
        lost = self.fleet.replicas()

        def where():
            return primary["address"], primary["port"]

        def reasons():
            return {finding["reason"] for finding in self.fleet.unit("Cluster/orders")["findings"]}

        def semi_sync():
            rows = self.fleet.database(primary).rows("SELECT @@rpl_semi_sync_master_enabled")
            return int(rows[0][0]) == 1

        with Writer(where, "app", self.fleet.passwords["orders-app"], "orders", first=1) as writer:
            writer.wait_for(50)
            self.assertTrue(semi_sync())
            for instance in lost:  # The agents first, so that nobody starts the databases again.
                self.fleet.agents[instance["host"]].kill()
                os.kill(self.fleet.pid(instance), signal.SIGKILL)
            self.fleet.wait_until(lambda: "Unprotected" in reasons(), ALONE_SECONDS, "the primary goes on alone, and says so")
            self.assertFalse(semi_sync())
            writer.wait_for(50, ALONE_SECONDS)
            for instance in lost:
                self.fleet.start_agent(instance["host"])
            self.fleet.wait_until(semi_sync, BACK_SECONDS, "semi-sync is on again")
            self.fleet.wait_until(lambda: "Unprotected" not in reasons(), BACK_SECONDS, "nothing is unprotected any more")
            writer.wait_for(50, BACK_SECONDS)
        self.fleet.wait_converged()
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        acknowledged = set(writer.acknowledged)
        for instance in self.fleet.instances():
            database = self.fleet.database(instance)
            self.fleet.wait_until(
                lambda: not acknowledged - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")}, BACK_SECONDS,
                f"{instance['name']} has all of {len(acknowledged)} acknowledged rows")
        self.assert_sound()


if __name__ == "__main__":
    unittest.main()

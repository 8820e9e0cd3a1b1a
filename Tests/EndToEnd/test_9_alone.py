"""What a cluster may risk: a primary without anybody to acknowledge goes on, a failover without proof."""

import os
import signal
import unittest

from databases import Writer
from harness import FleetTestCase

ALONE_SECONDS = 60  # Hosts count as silent after 10 s, a commit as waiting after 5 s.
BACK_SECONDS = 60
HOLD_SECONDS = 30
PROMOTED_SECONDS = HOLD_SECONDS + 30


class RiskCase(FleetTestCase):
    changes = ()

    @classmethod
    def prepare(cls):
        cls.fleet.edit(*cls.changes)
        cls.fleet.commit("Accept a risk")
        super().prepare()
        cls.fleet.make_table()

    def where(self):
        primary = self.fleet.primary()
        return (primary["address"], primary["port"]) if primary else None

    def writer(self, where=None, first=1):
        return Writer(where or self.where, "app", self.fleet.passwords["orders-app"], "orders", first=first)

    def findings(self):
        return {finding["reason"]: finding["message"] for finding in (self.fleet.unit("Cluster/orders") or {}).get("findings", [])}

    def lose(self, instances):
        """Their hosts fall silent: the agents first, so that nobody starts the databases again."""
        for instance in instances:
            self.fleet.agents[instance["host"]].kill()
            os.kill(self.fleet.pid(instance), signal.SIGKILL)

    def bring_back(self, instances):
        for instance in instances:
            self.fleet.start_agent(instance["host"])

    def ids(self, instance):
        return {int(row[0]) for row in self.fleet.database(instance).rows("SELECT id FROM orders.acked")}

    def assert_has(self, instance, ids):
        self.fleet.wait_until(
            lambda: not ids - self.ids(instance), BACK_SECONDS, f"{instance['name']} has all of {len(ids)} acknowledged rows")


class Alone(RiskCase):
    network = 59
    changes = ((r"  durability: semiSync\n", "  durability: {whenAlone: continue}\n"),)

    def test_1_both_replicas_are_lost_and_come_back(self):
        primary = self.fleet.primary()
        lost = self.fleet.replicas()

        def semi_sync():
            rows = self.fleet.database(primary).rows("SELECT @@rpl_semi_sync_master_enabled")
            return int(rows[0][0]) == 1

        with self.writer(lambda: (primary["address"], primary["port"])) as writer:
            writer.wait_for(50)
            self.assertTrue(semi_sync())
            self.lose(lost)
            self.fleet.wait_until(lambda: "Unprotected" in self.findings(), ALONE_SECONDS, "the primary goes on alone, and says so")
            # It is told what will be, and then done: rows that nobody else can acknowledge tell that it is.
            writer.wait_for(50, ALONE_SECONDS)
            self.assertFalse(semi_sync())
            # Killed, it is started again by its agent and goes on as before.
            os.kill(self.fleet.pid(primary), signal.SIGKILL)
            writer.wait_for(50, ALONE_SECONDS)
            self.assertFalse(semi_sync())
            self.bring_back(lost)
            self.fleet.wait_until(semi_sync, BACK_SECONDS, "semi-sync is on again")
            self.fleet.wait_until(lambda: "Unprotected" not in self.findings(), BACK_SECONDS, "nothing is unprotected any more")
            writer.wait_for(50, BACK_SECONDS)
        self.fleet.wait_converged()
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        for instance in self.fleet.instances():
            self.assert_has(instance, set(writer.acknowledged))
        self.assert_sound()

    def test_2_the_primary_is_lost_while_it_is_alone(self):
        primary = self.fleet.primary()
        others = self.fleet.replicas()
        with self.writer(lambda: (primary["address"], primary["port"]), first=1_000_000) as writer:
            writer.wait_for(50)
            self.lose(others)
            self.fleet.wait_until(lambda: "Unprotected" in self.findings(), ALONE_SECONDS, "the primary goes on alone")
            writer.wait_for(50, ALONE_SECONDS)
            self.lose([primary])
        self.bring_back(others)
        held = self.fleet.wait_until(lambda: self.findings().get("FailoverHeld"), ALONE_SECONDS, "nobody takes over")
        self.assertIn("wrote without waiting", held)
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        self.bring_back([primary])
        self.fleet.wait_converged()
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        for instance in self.fleet.instances():
            self.assert_has(instance, set(writer.acknowledged))
        self.assert_sound()

    def test_3_relay_logs_are_synced_and_the_plan_says_the_price(self):
        def sync():
            return {self.fleet.database(each).value("SELECT @@sync_relay_log") for each in self.fleet.instances()}

        default = sync()
        self.assertNotIn("1", default)
        self.fleet.edit((r"whenAlone: continue\}", "whenAlone: continue, relaySync: always}"))
        plan = self.fleet.cli("plan", "--path", str(self.fleet.repository), status=(2,)).stdout
        self.assertRegex(plan, r"durability.relaySync\W+os.*always")
        self.assertIn("700 commits a second", plan)
        self.fleet.commit("Sync relay logs")
        self.fleet.converge()
        self.assertEqual(sync(), {"1"})
        self.fleet.edit((r"whenAlone: continue, relaySync: always\}", "whenAlone: continue}"), message="Do not sync relay logs")
        self.fleet.converge()
        self.assertEqual(sync(), default)
        self.assert_sound()


class AtRisk(RiskCase):
    network = 60
    changes = (
        (r"  durability: semiSync\n", "  durability: {whenAlone: continue}\n  failover: {maxDataLoss: 100000}\n"),)

    def test_1_the_last_one_takes_over_after_the_hold_time(self):
        primary = self.fleet.primary()
        last, other = self.fleet.replicas()
        with self.writer(lambda: (primary["address"], primary["port"])) as before:
            before.wait_for(50)
            # It may not acknowledge what comes now, and may not be asked by whoever is left.
            self.lose([other, primary])
        self.fleet.wait_finding("FailoverHeld", HOLD_SECONDS)
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        self.fleet.wait_until(
            lambda: self.fleet.primary()["name"] == last["name"], PROMOTED_SECONDS, f"{last['name']} takes over without proof")
        told = self.fleet.wait_until(lambda: self.findings().get("DataAtRisk"), 10, "what is at risk is told")
        self.assertRegex(told, r"\d+ commits that were seen are missing")
        self.assertIn("unknown and comes on top", told)
        with self.writer(lambda: (last["address"], last["port"]), first=1_000_000) as after:
            after.wait_for(50, ALONE_SECONDS)
            self.bring_back([other, primary])
            self.fleet.wait_until(
                lambda: len(self.fleet.instances()) == 3 and all(each["serving"] for each in self.fleet.instances()), BACK_SECONDS,
                "all three serve")
            after.wait_for(50, BACK_SECONDS)
        kept = self.ids(last)
        self.fleet.wait_until(lambda: set(self.findings()) == {"DataAtRisk"}, BACK_SECONDS, "nothing else is found")
        for instance in self.fleet.instances():
            self.assert_has(instance, set(after.acknowledged) | kept)
        self.assert_sound()


if __name__ == "__main__":
    unittest.main()

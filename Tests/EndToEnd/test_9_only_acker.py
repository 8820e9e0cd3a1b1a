"""Two instances: what takes the only replica that acknowledges away may hold commits up, and never for good."""

import unittest

from databases import Writer
from harness import CATCH_UP_SECONDS, FleetTestCase

GAP_SECONDS = 15.0  # The aim is 8.
OWN_ACTS = {"ReplicationBroken", "SemiSyncOff", "InstanceDown", "WriterClosed", "ConfigurationDrift", "ParameterDrift"}


class OnlyAcker(FleetTestCase):
    network = 52

    @classmethod
    def prepare(cls):
        cls.fleet.edit((r"    - \{zone: cn-hangzhou-c, replicas: 1\}\n", ""), message="Two instances")
        super().prepare()
        cls.fleet.make_table()

    def writer(self, first):
        def where():
            primary = self.fleet.primary()
            return (primary["address"], primary["port"]) if primary else None

        return Writer(where, "app", self.fleet.passwords["orders-app"], "orders", first=first)

    def assert_written(self, writer):
        self.assertLess(writer.gap_longest, GAP_SECONDS, writer.errors)
        acknowledged = set(writer.acknowledged)
        for instance in self.fleet.instances():
            database = self.fleet.database(instance)
            self.fleet.wait_until(
                lambda: not acknowledged - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")}, CATCH_UP_SECONDS,
                f"{instance['name']} has all of {len(acknowledged)} acknowledged rows")

    def test_1_a_parameter_that_needs_restarts(self):
        since = self.fleet.now()
        with self.writer(1) as writer:
            writer.wait_for(50)
            self.fleet.edit((r"parameters: \{max_connections: 200\}", "parameters: {max_connections: 200, back_log: 90}"), message="A backlog")
            self.fleet.converge(120)
            writer.wait_for(50)
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("back_log"), "90")
        self.assert_written(writer)
        self.assert_sound(instances=2)
        told = [event for event in self.fleet.events(300) if event["time"] >= since and event["reason"] in OWN_ACTS]
        self.assertEqual(told, [], "our own restarts were told as drift")

    def test_2_replication_stopped_by_hand(self):
        replica = self.fleet.replicas()[0]
        with self.writer(1_000_000) as writer:
            writer.wait_for(50)
            self.fleet.database(replica).rows("STOP SLAVE")
            self.fleet.wait_finding("ReplicationBroken", 15)
            writer.wait_for(50, 30)
        self.fleet.wait_converged(60)
        self.assert_written(writer)

    def test_3_acknowledging_turned_off_by_hand(self):
        database = self.fleet.database(self.fleet.replicas()[0])
        with self.writer(2_000_000) as writer:
            writer.wait_for(50)
            database.rows("SET GLOBAL rpl_semi_sync_slave_enabled = OFF")
            database.rows("STOP SLAVE IO_THREAD")
            database.rows("START SLAVE IO_THREAD")
            self.fleet.wait_finding("SemiSyncOff", 15)
            writer.wait_for(50, 30)
        self.fleet.wait_converged(60)
        self.assert_written(writer)

    def test_4_a_parameter_that_no_server_knows(self):
        pids = [self.fleet.pid(each) for each in self.fleet.instances()]
        self.fleet.edit((r"back_log: 90", "back_log: 90, bakc_log: 1"), message="A typo")
        told = self.fleet.wait_finding("ParameterUnknown", 20)
        self.assertIn("did you mean back_log?", told)
        self.fleet.edit((r", bakc_log: 1", ""), message="Mended")
        self.fleet.converge(60)
        self.assertEqual(pids, [self.fleet.pid(each) for each in self.fleet.instances()])

    def test_5_our_own_account_dropped_by_hand(self):
        replica = self.fleet.replicas()[0]
        account = f"evenkeel_repl_{self.fleet.cluster()['uid']}_{replica['ordinal']}"
        primary = self.fleet.database(self.fleet.primary())
        primary.rows(f"DROP USER '{account}'@'%'")
        self.fleet.wait_until(
            lambda: primary.value(f"SELECT COUNT(*) FROM mysql.global_priv WHERE User = '{account}'") == "1", 20,
            "the replication account is made again")
        self.fleet.wait_converged(60)


if __name__ == "__main__":
    unittest.main()

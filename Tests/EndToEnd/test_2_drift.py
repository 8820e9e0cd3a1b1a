"""Step 6: what is changed by hand is named within seconds, and healed; what is killed comes back, closed."""

import os
import signal
import time
import unittest

from databases import QueryFailed
from harness import FleetTestCase, processes_below

HEAL_SECONDS = 45
RESTART_SECONDS = 60


class Drift(FleetTestCase):
    network = 31

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.fleet.make_table()

    def heals(self, reason, cause, check):
        """`cause` is a change by hand: it is named soon, and `check` holds again when all has converged."""
        since = self.fleet.now()
        cause()
        told = self.fleet.wait_drift(reason, since)
        self.fleet.wait_until(check, HEAL_SECONDS, f"{reason} is healed")
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound()
        return told

    def test_01_a_dropped_account(self):
        primary = self.fleet.database(self.fleet.primary())
        told = self.heals("AccountDrift", lambda: primary.rows("DROP USER app@'127.%'"), lambda: self.fleet.app().answers())
        self.assertIn("app@127.%", told)

    def test_02_a_changed_password_and_grant(self):
        primary = self.fleet.database(self.fleet.primary())
        self.heals(
            "AccountDrift", lambda: primary.rows("SET PASSWORD FOR app@'127.%' = PASSWORD('guessed'); GRANT CREATE ON orders.* TO app@'127.%'"),
            lambda: self.fleet.app().answers())
        self.fleet.wait_until(
            lambda: "CREATE" not in str(primary.rows("SHOW GRANTS FOR app@'127.%'")[1:]), HEAL_SECONDS, "the grant is taken back")

    def test_03_a_variable_on_a_replica(self):
        replica = self.fleet.database(self.fleet.replicas()[0])
        told = self.heals(
            "ParameterDrift", lambda: replica.rows("SET GLOBAL max_connections = 50"),
            lambda: replica.variable("max_connections") == "200")
        self.assertIn("max_connections is 50", told)

    def test_04_a_variable_on_the_primary(self):
        primary = self.fleet.database(self.fleet.primary())
        self.heals(
            "ParameterDrift", lambda: primary.rows("SET GLOBAL max_connections = 51"),
            lambda: primary.variable("max_connections") == "200")

    def test_05_stopped_replication(self):
        replica = self.fleet.database(self.fleet.replicas()[0])
        self.heals(
            "ReplicationBroken", lambda: replica.rows("STOP SLAVE"), lambda: replica.replication()["Slave_IO_Running"] == "Yes")

    def test_06_a_writable_replica(self):
        replica = self.fleet.database(self.fleet.replicas()[0])
        self.heals(
            "ReplicaWritable", lambda: replica.rows("SET GLOBAL read_only = 0"), lambda: replica.variable("read_only") == "1")

    def test_07_semi_sync_off_on_the_primary(self):
        primary = self.fleet.database(self.fleet.primary())
        self.heals(
            "SemiSyncOff", lambda: primary.rows("SET GLOBAL rpl_semi_sync_master_enabled = 0"),
            lambda: primary.variable("rpl_semi_sync_master_enabled") == "1")

    def test_08_a_deleted_configuration_file(self):
        replica = self.fleet.replicas()[1]
        file = self.fleet.directory(replica) / "my.cnf"
        text = file.read_text()
        self.heals("ConfigurationDrift", file.unlink, lambda: file.exists() and file.read_text() == text)

    def test_09_an_edited_configuration_file(self):
        file = self.fleet.directory(self.fleet.primary()) / "my.cnf"
        text = file.read_text()
        self.heals(
            "ConfigurationDrift", lambda: file.write_text(text + "max_connections=7\n"), lambda: file.read_text() == text)

    def test_10_a_dropped_database(self):
        primary = self.fleet.database(self.fleet.primary())
        self.heals("DatabaseDrift", lambda: primary.rows("DROP DATABASE orders"), lambda: primary.rows("SHOW DATABASES LIKE 'orders'"))

    def test_11_a_killed_replica(self):
        replica = self.fleet.replicas()[0]
        self.fleet.wait_started_again(replica, lambda pid: os.kill(pid, signal.SIGKILL))
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound()

    def test_12_a_killed_primary_is_closed_until_semi_sync_is_on(self):
        primary = self.fleet.primary()
        database = self.fleet.database(primary)
        before = self.fleet.pid(primary)
        os.kill(before, signal.SIGKILL)
        seen = []

        def is_open():
            try:
                row = database.rows("SELECT @@GLOBAL.read_only, @@GLOBAL.rpl_semi_sync_master_enabled")[0]
            except QueryFailed:
                return False
            seen.append(tuple(row))
            return row[0] == "0"

        self.fleet.wait_until(is_open, HEAL_SECONDS, "the primary is open again", poll=0)
        self.assertNotIn(("0", "0"), seen, "it was open without semi-sync")
        command = dict(processes_below(self.fleet.directory(primary)))[self.fleet.pid(primary)]
        self.assertRegex(command, r"--read[-_]only(=1|=ON)?\b")
        self.assertRegex(command, r"--skip[-_]slave[-_]start\b")
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assertEqual(self.fleet.primary()["name"], primary["name"])
        self.assert_sound()

    def test_13_a_killed_replica_comes_back_without_a_server(self):
        replica = self.fleet.replicas()[0]
        database = self.fleet.database(replica)
        before = self.fleet.pid(replica)
        self.fleet.server.kill()
        os.kill(before, signal.SIGKILL)
        self.fleet.wait_until(
            lambda: self.fleet.pid(replica) not in (None, before), RESTART_SECONDS, "its agent starts it again")
        self.fleet.wait_until(database.answers, RESTART_SECONDS, "it answers")
        self.assertEqual(database.variable("read_only"), "1")
        self.fleet.start_server()
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound()

    def test_14_a_killed_primary_comes_back_without_a_server_by_its_grant(self):
        self.fleet.make_table()
        primary = self.fleet.primary()
        database = self.fleet.database(primary)
        before = self.fleet.pid(primary)
        self.fleet.server.kill()
        os.kill(before, signal.SIGKILL)
        self.fleet.wait_until(
            lambda: database.answers() and database.variable("read_only") == "0", HEAL_SECONDS,
            "it is open again, because a member of its ack set still follows it")
        self.assertEqual(database.variable("rpl_semi_sync_master_enabled"), "1")
        app = self.app_at(primary)
        app.rows("INSERT INTO acked VALUES (1400)")
        self.fleet.start_server()
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound()

    def test_15_a_killed_primary_stays_closed_while_no_replica_follows_it(self):
        primary = self.fleet.primary()
        replicas = self.fleet.replicas()
        database = self.fleet.database(primary)
        self.fleet.server.kill()
        for replica in replicas:  # Their agents are gone, and nothing attaches them again.
            self.fleet.agents[replica["host"]].kill()
        databases = [self.fleet.database(replica) for replica in replicas]
        for each in databases:
            each.rows("STOP SLAVE")
        os.kill(self.fleet.pid(primary), signal.SIGKILL)
        self.fleet.wait_until(database.answers, RESTART_SECONDS, "it is started again")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self.assertEqual(database.variable("read_only"), "1", "it was opened though nobody would acknowledge")
            time.sleep(0.2)
        for replica in replicas:
            self.fleet.start_agent(replica["host"])
        self.fleet.start_server()
        self.fleet.wait_converged(HEAL_SECONDS)
        self.assert_sound()

    def app_at(self, instance):
        return self.fleet.database(instance, "app", self.fleet.passwords["orders-app"], "orders")


if __name__ == "__main__":
    unittest.main()

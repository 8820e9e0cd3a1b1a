"""The fault matrix: what people do by hand, replicas that lag or stand still, switchovers that cannot go well, bad commits."""

import subprocess
import threading
import time
import unittest

from databases import QueryFailed
from matrix import (
    BACK_SECONDS, FAILOVER_SECONDS, GAP_SECONDS, MANY, ROWS_BEFORE, STOP_SECONDS, UNDISTURBED_SECONDS, MatrixCase, known, sampled)
from operations import Trigger, begins, known_attempts, swap

HEAL_SECONDS = 30
COLLISION = 900_000_000  # A row that is there already where a replica is to apply it.
ERRANT = 910_000_000
ALTERED_ROWS = 400_000
DELAY_SECONDS = 3600
SWITCH_SECONDS = 30
CLONES = 8


class Helpers(MatrixCase):
    def insert(self, instance, number, before=""):
        self.root(instance).rows(f"{before} INSERT INTO orders.acked (id) VALUES ({number})")

    def standing_still(self, replica, number):
        """Its applier is stopped by a row that is there already."""
        self.insert(replica, number, "SET sql_log_bin=0;")
        self.insert(self.old, number)
        self.fleet.wait_until(
            lambda: self.root(replica).replication().get("Slave_SQL_Running") == "No", STOP_SECONDS,
            f"the applier of {replica['name']} stands still", poll=0.01)

    def cut_from_primary(self, replica):
        self.wires.cut(self.address(self.old), replica["address"])
        self.fleet.wait_until(
            lambda: self.root(replica).replication().get("Slave_IO_Running") != "Yes", STOP_SECONDS, f"{replica['name']} is cut off")

    def wait_value(self, instance, sql, wanted, seconds=HEAL_SECONDS):
        def is_so():
            try:
                return self.root(instance).value(sql) == wanted
            except (QueryFailed, OSError, subprocess.TimeoutExpired):
                return False

        self.fleet.wait_until(is_so, seconds, f"{sql} at {instance['name']} is {wanted}")


@sampled(1)
class Replicas(Helpers):
    """Replicas in a state of their own when the primary is lost."""

    network = 53

    def lost_with(self, prepare, then=lambda: None, to=None, gap_max=GAP_SECONDS, is_alone=False):
        """The primary is lost right after `prepare`; `then` is done once that is known. `is_alone`: whoever takes over has
        nobody to acknowledge before the lost one is back."""
        with self.writer() as writer:
            self.writes(writer)
            prepare()
            self.writes(writer)
            self.lose(self.old)
            self.fleet.wait_finding("Failover", FAILOVER_SECONDS, self.since)
            then()
            self.wait_failed_over(to=to)
            if is_alone:
                self.bring_back(self.old)
            self.writes(writer, seconds=60)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=None if is_alone else gap_max)

    def test_all_replicas_lag(self):
        held = []
        self.lost_with(
            lambda: held.extend(self.hold(each) for each in self.others), lambda: [session.end() for session in held])

    def test_all_replicas_are_delayed_by_hand(self):
        def delay():
            for each in self.others:
                self.root(each).rows(f"STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={DELAY_SECONDS}; START SLAVE")

        self.lost_with(delay)

    def test_an_applier_stands_still(self):
        self.lost_with(lambda: self.standing_still(self.others[0], COLLISION + 1), to=self.others[1], is_alone=True)

    def test_the_applier_of_who_received_all_stands_still(self):
        """The only one that has received everything cannot apply it."""
        def prepare():
            self.cut_from_primary(self.others[1])
            self.standing_still(self.others[0], COLLISION + 2)

        self.lost_with(prepare, to=self.others[0], gap_max=60)

    def test_primary_is_lost_while_a_broken_replica_is_attached_again(self):
        """What it has received and not applied is nowhere else: attaching it again must not throw that away."""
        alone, row = self.others[0], COLLISION + 3
        with self.writer() as writer:
            self.writes(writer)
            self.cut_from_primary(self.others[1])
            self.writes(writer)
            begun = begins("replicate", known_attempts(self.fleet))
            with Trigger(
                    self.fleet, lambda journals, host: host == alone["host"] and begun(journals, host),
                    lambda _: self.lose(self.old)) as trigger:
                self.standing_still(alone, row)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "it is attached again")
            self.fleet.wait_finding("Failover", FAILOVER_SECONDS, self.since)
            self.root(alone).rows(f"SET sql_log_bin=0; DELETE FROM orders.acked WHERE id = {row}")
            self.wait_failed_over(60)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=None)

    def test_most_received_is_not_most_applied(self):
        held = []

        def prepare():
            self.cut_from_primary(self.others[0])
            held.append(self.hold(self.others[1]))

        self.lost_with(prepare, lambda: held[0].end(), to=self.others[1])

    def test_errant_row_on_a_replica(self):
        """It is not followed, and is not there any more at the end."""
        self.lost_with(lambda: self.insert(self.others[0], ERRANT + 1), is_alone=True)
        self.assertFalse(any(ERRANT + 1 in self.rows(each) for each in self.fleet.instances()))

    def test_semi_sync_is_switched_off_by_hand_and_on_again(self):
        def switch_off():
            self.root(self.old).rows("SET GLOBAL rpl_semi_sync_master_enabled=OFF")
            self.wait_value(self.old, "SELECT @@rpl_semi_sync_master_enabled", "1")

        self.lost_with(switch_off)

    def test_semi_sync_is_off_and_rows_are_on_the_primary_alone(self):
        """Its process dies and cannot be started; its host, with the binlog that has these rows, lives."""
        with self.writer() as writer:
            self.writes(writer)
            for each in self.others:
                self.cut_from_primary(each)
            # An agent that is silent for longer passes for a lost host, and nobody could know of these rows.
            with self.frozen(self.agent(self.old).pid):
                self.root(self.old).rows("SET GLOBAL rpl_semi_sync_master_enabled=OFF")
                self.writes(writer)
                self.kill(self.old)
            self.wires.mend()
            self.fleet.wait_until(lambda: self.is_settled(), BACK_SECONDS, "somebody takes writes")
            self.writes(writer)
            self.wait_healed()
        self.judge(writer, gap_max=60)

    def is_settled(self):
        primary = self.fleet.primary()
        return primary and primary["serving"]

    def test_rows_that_nobody_else_has_come_back_with_the_primary(self):
        """Cut off and alone, it takes a row with semi-sync off by hand: the row is not acknowledged by the cluster."""
        with self.writer() as writer:
            self.writes(writer)
            self.isolate(self.old)
            self.root(self.old).rows("SET GLOBAL rpl_semi_sync_master_enabled=OFF")
            self.insert(self.old, ERRANT + 2)
            new = self.wait_failed_over()
            self.writes(writer)
            self.wires.mend()
            self.wait_healed()
        # What the writer was told in that time by the lonely one is not counted: it was reached by nobody.
        self.judge(writer)
        self.assertEqual(self.fleet.primary()["name"], new["name"])
        self.assertFalse(any(ERRANT + 2 in self.rows(each) for each in self.fleet.instances()))

    def test_binlog_is_purged_beyond_a_replica_s_need(self):
        replica = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            self.isolate(replica)
            self.writes(writer)
            self.root(self.old).rows("SET sql_log_bin=0; FLUSH LOCAL BINARY LOGS")
            self.writes(writer)
            self.fleet.wait_until(self.purge, STOP_SECONDS, "the binlog is purged")
            self.wires.mend()
            self.wait_healed()
        self.judge(writer)
        self.assert_no_failover()

    def purge(self):
        logs = self.root(self.old).rows("SHOW BINARY LOGS")
        self.root(self.old).rows(f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
        return len(self.root(self.old).rows("SHOW BINARY LOGS")) == 1

    def test_events_run_on_the_primary_only(self):
        root = self.root(self.old)
        root.rows("CREATE TABLE IF NOT EXISTS orders.ticks (id BIGINT AUTO_INCREMENT PRIMARY KEY, server BIGINT, at TIMESTAMP(6))")
        root.rows("CREATE EVENT IF NOT EXISTS orders.tick ON SCHEDULE EVERY 1 SECOND DO "
                  "INSERT INTO orders.ticks (server, at) VALUES (@@server_id, NOW(6))")
        self.addCleanup(lambda: self.root(self.fleet.primary()).rows("DROP EVENT IF EXISTS orders.tick; DROP TABLE IF EXISTS orders.ticks"))
        with self.writer() as writer:
            self.writes(writer)
            self.ticks(self.old)
            target = self.others[0]
            self.fleet.cli("switchover", "orders", "--to", target["name"])
            self.promoted.append(target["name"])
            self.ticks(target)
            before, self.old, self.epoch = self.old, target, self.fleet.cluster()["epoch"]
            self.lose(target)
            self.ticks(self.wait_failed_over())
            self.bring_back(target)
            self.wait_healed()
            self.assertNotEqual(before["name"], target["name"])
        self.judge(writer)
        statuses = {each["name"]: self.root(each).value("SELECT @@event_scheduler") for each in self.fleet.instances()}
        self.assertEqual([name for name, is_on in statuses.items() if is_on == "ON"], [self.fleet.primary()["name"]], statuses)

    def ticks(self, instance):
        """An event's rows are written by this one, and by no other, from now on."""
        server, last = self.root(instance).rows("SELECT @@server_id, IFNULL(MAX(id), 0) FROM orders.ticks")[0]
        self.wait_value(instance, f"SELECT COUNT(*) >= 3 FROM orders.ticks WHERE id > {last} AND server = {server}", "1")
        self.assertEqual(self.root(instance).value(f"SELECT COUNT(*) FROM orders.ticks WHERE id > {last} AND server <> {server}"), "0")


@sampled(1)
class ByHand(Helpers):
    """Drift that would cost rows, or a second writer."""

    network = 54

    def drifts(self, drift, healed, gap_max=GAP_SECONDS, fails_over=True):
        """`healed()` is true again after `drift()`, and nothing is lost; then the primary is lost as well."""
        with self.writer() as writer:
            self.writes(writer)
            drift()
            self.fleet.wait_until(lambda: self.asked(healed), HEAL_SECONDS, "it is healed")
            self.writes(writer)
            self.wait_healed()
            self.assert_no_failover()
            if fails_over:
                self.lost_and_back(writer)
        self.judge(writer, gap_max=gap_max)

    def has(self, instance, sql, wanted):
        return lambda: self.root(instance).value(sql) == wanted

    def test_semi_sync_master_on_a_replica(self):
        replica = self.others[0]
        self.drifts(
            lambda: self.root(replica).rows("SET GLOBAL rpl_semi_sync_master_enabled=ON"),
            self.has(replica, "SELECT @@rpl_semi_sync_master_enabled", "0"))

    def test_replica_made_writable(self):
        replica = self.others[0]
        self.drifts(
            lambda: self.root(replica).rows("SET GLOBAL read_only=OFF"), self.has(replica, "SELECT @@read_only", "1"))

    def test_primary_made_read_only(self):
        self.drifts(
            lambda: self.root(self.old).rows("SET STATEMENT max_statement_time=5 FOR SET GLOBAL read_only=ON"),
            self.has(self.old, "SELECT @@read_only", "0"))

    def test_two_writers(self):
        """A replica is made writable, and an application writes there, too."""
        replica = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            self.root(replica).rows("SET GLOBAL read_only=OFF")
            self.fleet.app(replica).rows(f"INSERT INTO acked (id) VALUES ({ERRANT + 3})")
            self.wait_value(replica, "SELECT @@read_only", "1")
            self.writes(writer)
            self.wait_healed()
        self.judge(writer)
        self.assert_no_failover()
        self.assertFalse(any(ERRANT + 3 in self.rows(each) for each in self.fleet.instances()))

    def test_replicas_follow_each_other(self):
        one, other = self.others
        self.drifts(
            lambda: self.root(one).rows(f"STOP SLAVE; CHANGE MASTER TO MASTER_HOST='{other['address']}'; START SLAVE"),
            lambda: self.root(one).replication().get("Master_Host") == self.old["address"])

    def test_primary_follows_a_replica(self):
        """A circle, made with the replica's own account."""
        replica = self.others[0]
        account = self.root(replica).replication()["Master_User"]
        self.drifts(
            lambda: self.root(self.old).rows(
                f"CHANGE MASTER TO MASTER_HOST='{replica['address']}', MASTER_PORT={replica['port']}, MASTER_USER='{account}', "
                "MASTER_USE_GTID=slave_pos; START SLAVE"),
            lambda: not self.root(self.old).replication())

    # MARK: Switchovers that cannot go well

    def switch(self, target):
        return self.fleet.cli("switchover", "orders", "--to", target["name"], "--timeout", str(SWITCH_SECONDS), status=None)

    def test_switchover_while_clients_wait_for_an_acknowledgement(self):
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            for each in self.others:
                self.cut_from_primary(each)
            done = self.switch(self.others[0])
            self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)
            self.wires.mend()
            self.writes(writer)
            self.wait_healed()
        self.judge(writer, loyal, gap_max=None)

    def test_switchover_to_a_lagging_target(self):
        """It is refused, waited for or given up; the primary is not closed meanwhile."""
        target = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            session = self.hold(target)
            self.writes(writer)
            done = []
            client = threading.Thread(target=lambda: done.append(self.switch(target)))
            client.start()
            self.goes_on_writing(writer)
            session.end()
            client.join(BACK_SECONDS)
            self.assertTrue(done, "switchover has no end")
            self.writes(writer)
            self.wait_healed()
            self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, gap_max=10.0)

    def test_switchover_while_a_table_is_locked(self):
        """Nobody is held up meanwhile, who is in the way is told, and it is carried out as soon as that is over."""
        target = self.others[0]
        root = self.root(self.old)
        root.rows("CREATE TABLE IF NOT EXISTS orders.aside (id INT PRIMARY KEY) ENGINE=InnoDB")
        with self.writer() as writer:
            self.writes(writer)
            session = self.hold(self.old, "LOCK TABLES orders.aside WRITE")
            done = []
            client = threading.Thread(target=lambda: done.append(self.switch(target)))
            client.start()
            self.fleet.wait_until(
                lambda: "orders.aside by LOCK TABLES" in self.fleet.cli("describe", "cluster", "orders", "-o", "json").stdout, SWITCH_SECONDS, "it says why it waits")
            self.goes_on_writing(writer)
            self.assertEqual(done, [])
            session.end()
            client.join(BACK_SECONDS)
            self.assertEqual([each.returncode for each in done], [0], done)
            self.writes(writer)
            self.wait_healed()
            self.promoted.append(self.fleet.primary()["name"])
        self.assertEqual(self.promoted[-1], target["name"])
        self.judge(writer)
        self.root(target).rows("DROP TABLE orders.aside")

    def test_switchover_with_a_long_change_in_the_applier(self):
        root = self.root(self.old)
        root.rows("CREATE TABLE IF NOT EXISTS orders.wide (id INT PRIMARY KEY, text VARCHAR(200)) ENGINE=InnoDB")
        root.rows(f"INSERT IGNORE INTO orders.wide SELECT seq, REPEAT('x', 150) FROM orders.seq_1_to_{ALTERED_ROWS}")
        self.fleet.wait_until(
            lambda: all(self.root(each).value("SELECT COUNT(*) FROM orders.wide") == str(ALTERED_ROWS) for each in self.others),
            BACK_SECONDS, "the rows are everywhere")
        with self.writer() as writer:
            self.writes(writer)
            root.rows("ALTER TABLE orders.wide MODIFY text VARCHAR(210) CHARACTER SET utf8mb3, FORCE, ALGORITHM=COPY")
            self.assertEqual(
                self.root(self.others[0]).value(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'system user' AND info LIKE 'ALTER TABLE%'"),
                "1", "it is to be in the applier, and is not long enough")
            done = self.switch(self.others[0])
            self.writes(writer)
            self.wait_healed()
            self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, gap_max=10.0)
        self.root(self.fleet.primary()).rows("DROP TABLE orders.wide")
        self.assertIn(done.returncode, (0, 1), done.stderr)

    def test_switchover_to_a_dead_target(self):
        target = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            self.lose(target)
            done = self.switch(target)
            self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)
            self.writes(writer)
            self.bring_back(target)
            self.wait_healed()
        self.judge(writer)
        # It was asked for; once the target is back and has caught up it may take over.
        self.assertIn(self.fleet.primary()["name"], (self.old["name"], target["name"]))

    def switchover_with_a_killed_server(self, action):
        def restart(_):
            self.fleet.server.kill()
            self.fleet.start_server()

        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins(action, known_attempts(self.fleet)), restart) as trigger:
                self.switch(self.others[0])
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
            self.writes(writer)
            self.wait_healed()
            self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, gap_max=GAP_SECONDS + STOP_SECONDS)

    def test_server_is_killed_while_the_primary_is_demoted(self):
        self.switchover_with_a_killed_server("demote")

    def test_server_is_killed_while_the_target_is_promoted(self):
        self.switchover_with_a_killed_server("promote")

    def switchover_with_a_death(self, action, who):
        """Whoever dies in the middle of it: it ends with one writer and every row."""
        target = self.others[0]
        victim = {"target": target, "primary": self.old}[who]
        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins(action, known_attempts(self.fleet)), lambda _: self.lose(victim)) as trigger:
                self.switch(target)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
            self.writes(writer, seconds=60)
            self.bring_back(victim)
            # For a moment longer the last report before its loss may say that it serves.
            self.fleet.wait_until(lambda: self.root(victim).answers(), BACK_SECONDS, f"{victim['name']} answers")
            self.wait_healed()
            self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, gap_max=None)

    def test_target_is_lost_while_the_primary_is_demoted(self):
        self.switchover_with_a_death("demote", "target")

    def test_target_is_lost_while_it_is_promoted(self):
        self.switchover_with_a_death("promote", "target")

    def test_primary_is_lost_while_it_is_demoted(self):
        self.switchover_with_a_death("demote", "primary")

    # MARK: Commits

    def test_cluster_is_deleted_by_a_bad_commit(self):
        """It waits for somebody's approval; also when that was given the databases go on, and are the cluster's again when
        the commit is taken back."""
        pids = [self.fleet.pid(each) for each in self.members]
        place = (self.old["address"], self.old["port"])
        writer = self.writer()
        writer.where = lambda: place
        file, text = self.fleet.cluster_file, self.fleet.cluster_file.read_text()
        with writer:
            self.writes(writer)
            file.unlink()
            head = self.fleet.commit("All gone")
            self.fleet.wait_until(
                lambda: "no longer declares" in self.fleet.cli("get", "sources").stdout, HEAL_SECONDS, "approval is asked for")
            self.goes_on_writing(writer)
            self.assertIsNotNone(self.fleet.primary())
            self.fleet.cli("approve", head)
            self.fleet.wait_until(
                lambda: any((each.get("accepted") or {}).get("commit") == head for each in self.fleet.document()["sources"]),
                HEAL_SECONDS, "the commit is in force")
            self.goes_on_writing(writer)
            file.write_text(text)
            self.fleet.commit("All back")
            self.fleet.converge(BACK_SECONDS)
            self.wait_healed()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()
        self.assertEqual([self.fleet.pid(each) for each in self.members], pids)

    def test_primary_is_lost_during(self):
        """While a commit's restarts, or the clone of a fourth instance, are under way."""
        type(self).failovers = MANY  # What it leaves is not for another row: there are four instances.
        for action, change in (
                ("restart", (r"max_connections: 200\}", "max_connections: 200, back_log: 93}")),
                ("clone", (r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"))):
            with self.subTest(action=action):
                self.look()
                known = known_attempts(self.fleet)
                with self.writer() as writer:
                    self.writes(writer)
                    with Trigger(self.fleet, begins(action, known), lambda _: self.lose(self.old)) as trigger:
                        self.fleet.edit(change, message="A change")
                        self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
                        self.wait_failed_over(60)
                    self.writes(writer)
                    self.bring_back(self.old)
                    self.needs = 4 if action == "clone" else 3
                    self.wait_healed()
                self.judge(writer, gap_max=60)

    def test_primary_is_lost_while_a_replica_does_not_start_for_a_parameter(self):
        """A value that only a start finds wrong: one replica was tried, and all have it in their files."""
        change = ("max_connections: 200}", "max_connections: 200, innodb_temp_data_file_path: 'ibtmp1:1'}")
        with self.writer() as writer:
            self.writes(writer)
            swap(*change)(self.fleet)
            self.fleet.wait_finding("RolloutHalted", FAILOVER_SECONDS, self.since)
            self.writes(writer)
            self.lose(self.old)
            self.wait_failed_over(60)
            self.writes(writer)  # Who was tried runs as before, and acknowledges.
            self.bring_back(self.old)
            self.fleet.wait_until(
                lambda: all(each["serving"] for each in self.fleet.instances()), BACK_SECONDS, "the old primary is back, as before too")
            swap(*reversed(change))(self.fleet)
            self.wait_healed()
        self.judge(writer, gap_max=60)

    def test_clones_of_a_busy_replica(self):
        """Each of them begins exactly where the copy ends: nothing is applied twice, nothing is missing."""
        type(self).failovers = MANY  # Retired instances are left.
        with self.writer() as writer:
            for _ in range(CLONES):
                self.writes(writer)
                self.fleet.edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"), message="One more")
                self.needs = 4
                self.wait_healed()
                self.fleet.edit((r"cn-hangzhou-c, replicas: 2", "cn-hangzhou-c, replicas: 1"), message="One less")
                self.needs = 3
                self.wait_healed()
        self.judge(writer)

    def test_donor_is_lost_during_a_clone(self):
        """The new instance is cloned from another one then."""
        names = [each["name"] for each in self.members]
        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins("clone", known_attempts(self.fleet)), lambda _: self.lose(self.others[0])) as trigger:
                self.fleet.edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"), message="One more")
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "clone has begun")
                self.writes(writer)
                self.fleet.wait_until(
                    lambda: [each["serving"] for each in self.fleet.instances() if each["name"] not in names] == [True],
                    BACK_SECONDS, "the new one serves")
            self.bring_back(self.others[0])
            self.fleet.edit((r"cn-hangzhou-c, replicas: 2", "cn-hangzhou-c, replicas: 1"), message="One less")
            self.wait_healed()
        self.judge(writer)
        self.assert_no_failover()


if __name__ == "__main__":
    unittest.main()

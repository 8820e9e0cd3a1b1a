"""Rolling changes under a writing client: another version, values and versions that do not start, a primary lost meanwhile."""

import re
import sys
import unittest

import engines
import hosts
from matrix import FAILOVER_SECONDS, UNDISTURBED_SECONDS, MatrixCase, sampled
from operations import Trigger, begins, known_attempts, swap

UPGRADE_SECONDS = 180
HALT_SECONDS = 60
KILLED_SECONDS = 20.0
BAD = ("max_connections: 200}", "max_connections: 200, innodb_temp_data_file_path: 'ibtmp1:1'}")
BROKEN = "10.11.99"


class RollingCase(MatrixCase):
    changes = MatrixCase.changes + ((r'version: "10.11"', f'version: "{engines.OLD}"'),)

    @classmethod
    def setUpClass(cls):
        cls.old_engine, obstacle = engines.unpacked()
        if obstacle:
            raise unittest.SkipTest(obstacle)
        cls.new = engines.installed()
        if cls.new == engines.OLD:
            raise unittest.SkipTest(f"the host's own MariaDB is {engines.OLD} too")
        super().setUpClass()

    @classmethod
    def prepare(cls):
        engines.put(cls.fleet, cls.old_engine)
        engines.put_broken(cls.fleet, BROKEN)
        super().prepare()

    # MARK: Versions

    @property
    def declared(self):
        return re.search(r'type: mariadb, version: "([0-9.]+)"', self.fleet.cluster_file.read_text())[1]

    def declare(self, version):
        swap(f'version: "{self.declared}"', f'version: "{version}"')(self.fleet)

    def version(self, instance):
        return self.root(instance).value("SELECT @@version").split("-")[0]

    def assert_versions(self, wanted):
        self.assertEqual({each["name"]: self.version(each) for each in self.members}, {each["name"]: wanted for each in self.members})
        self.assertEqual(self.fleet.cluster()["version"], wanted)

    def pids(self, instances=None):
        return {each["name"]: self.fleet.pid(each) for each in instances or self.members}

    def done(self, action, known):
        """(instance, began, ended) of each attempt of an action since, in order."""
        return [
            (each["target"], each["startedMilliseconds"], each["endedMilliseconds"])
            for each in self.fleet.carried_out(action, known)]

    def say(self, what, writer):
        print(f"{type(self).__name__}: {what}: {writer.gap_longest:.2f} s without writes", file=sys.stderr, flush=True)


@unittest.skipIf(hosts.obstacle(), hosts.obstacle())
class Upgrade(RollingCase):
    network = 63

    def test_an_upgrade_and_a_downgrade_under_load(self):
        """Replicas first, the primary by a switchover, one at a time; nothing lost, and no failover for it."""
        for version in (engines.OLD if self.declared == self.new else self.new, self.declared):
            with self.subTest(version=version):
                self.look()
                known = known_attempts(self.fleet)
                self.assertNotEqual(self.version(self.old), version)
                with self.writer() as writer:
                    self.writes(writer)
                    self.declare(version)
                    self.fleet.converge(UPGRADE_SECONDS)
                    self.writes(writer)
                self.assert_versions(version)
                self.assert_sound()
                upgrades = sorted(self.done("upgrade", known), key=lambda each: each[1])
                self.assertEqual(len(upgrades), 3, upgrades)
                self.assertEqual(upgrades[-1][0], self.old["name"], upgrades)
                for before, after in zip(upgrades, upgrades[1:]):
                    self.assertLessEqual(before[2], after[1], "two at once")
                failovers = [each for each in self.fleet.events(500) if each["time"] >= self.since and each["reason"] == "Failover"]
                self.assertEqual(failovers, [])
                self.judge(writer, gap_max=UNDISTURBED_SECONDS)
                self.say(f"to {version}", writer)


@sampled(2)
class Rolling(RollingCase):
    network = 64

    def test_primary_is_lost_during_an_upgrade(self):
        version = engines.OLD if self.declared == self.new else self.new
        known = known_attempts(self.fleet)
        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins("upgrade", known), lambda _: self.lose(self.old)) as trigger:
                self.declare(version)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "an upgrade has begun")
                self.wait_failed_over(60)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed(UPGRADE_SECONDS)
        self.assert_versions(version)
        self.judge(writer, gap_max=60)
        self.say("primary's host lost during an upgrade", writer)

    def test_primary_is_killed_during_a_rolling_restart(self):
        """kill -9 while the first replica is restarted: nobody takes over, it is started in place."""
        known = known_attempts(self.fleet)
        change = ("max_connections: 200}", "max_connections: 200, back_log: 91}")
        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins("restart", known), lambda _: self.kill(self.old)) as trigger:
                swap(*change)(self.fleet)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "a restart has begun")
            self.writes(writer)
            self.wait_healed(UPGRADE_SECONDS)
            self.assertEqual({self.root(each).variable("back_log") for each in self.members}, {"91"})
            swap(*reversed(change))(self.fleet)
            self.fleet.converge(UPGRADE_SECONDS)
        self.judge(writer, gap_max=KILLED_SECONDS)
        self.say("primary killed during a rolling restart", writer)

    def test_a_restart_that_is_asked_for(self):
        """Each instance once and one at a time, the primary as a replica; without the mark, or with the same again, nobody."""
        mark = ("  topology: primaryReplica\n", '  topology: primaryReplica\n  restart: "2026-11-22 new OpenSSL"\n')
        before, known = self.pids(), known_attempts(self.fleet)
        with self.writer() as writer:
            self.writes(writer)
            swap(*mark)(self.fleet)
            self.fleet.converge(UPGRADE_SECONDS)
            self.writes(writer)
            restarts = sorted(self.done("restart", known), key=lambda each: each[1])
            self.assertEqual(sorted(each[0] for each in restarts), sorted(before), restarts)
            self.assertEqual(restarts[-1][0], self.old["name"], restarts)
            for one, other in zip(restarts, restarts[1:]):
                self.assertLessEqual(one[2], other[1], "two at once")
            after = self.pids()
            self.assertEqual([name for name in before if before[name] == after[name]], [])
            for change in (reversed(mark), mark, reversed(mark)):
                swap(*change)(self.fleet)
                self.fleet.converge(UPGRADE_SECONDS)
                self.assertEqual(self.pids(), after, "nobody is restarted for it")
        failovers = [each for each in self.fleet.events(500) if each["time"] >= self.since and each["reason"] == "Failover"]
        self.assertEqual(failovers, [])
        self.assert_sound()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.say("a restart that was asked for", writer)

    def halt(self, writer, change, *, tells):
        """One replica is tried and rolled back, and nobody else is touched, also not by a death meanwhile."""
        before = self.pids()
        since = self.fleet.now()
        change()
        told = self.fleet.wait_finding("RolloutHalted", HALT_SECONDS, since)
        for text in tells:
            self.assertIn(text, told)
        self.fleet.wait_until(
            lambda: all(each["serving"] for each in self.fleet.instances()), HALT_SECONDS, "who was tried serves again")
        after = self.pids()
        changed = [name for name in before if before[name] != after[name]]
        self.assertEqual(len(changed), 1, (before, after))
        self.assertNotEqual(changed[0], self.old["name"])
        self.assertIn(changed[0], told)
        self.writes(writer, 200)
        self.assertEqual(self.pids(), after, "it is not tried again")
        return changed[0]

    def test_a_parameter_that_does_not_start(self):
        with self.writer() as writer:
            self.writes(writer)
            self.halt(writer, lambda: swap(*BAD)(self.fleet), tells=("ibtmp1:1", "spec.parameters.innodb_temp_data_file_path"))
            self.kill(self.old)
            self.writes(writer, seconds=FAILOVER_SECONDS)
            self.fleet.wait_until(
                lambda: all(each["serving"] for each in self.fleet.instances()), HALT_SECONDS,
                "who was killed with the bad value in its file serves again")
            self.assert_no_failover()
            pids = self.pids()
            swap(*reversed(BAD))(self.fleet)
            self.fleet.converge(UPGRADE_SECONDS)
            self.assertEqual(self.pids(), pids, "taken back, it needs no restart")
        self.assert_sound()
        self.judge(writer, gap_max=KILLED_SECONDS)

    def test_a_version_that_does_not_start(self):
        running = self.declared
        with self.writer() as writer:
            self.writes(writer)
            self.halt(writer, lambda: self.declare(BROKEN), tells=("a bad build", "spec.engine.version"))
            self.assert_no_failover()
            self.assertEqual({self.version(each) for each in self.members}, {running})
            pids = self.pids()
            self.declare(running)
            self.fleet.converge(UPGRADE_SECONDS)
            self.assertEqual(self.pids(), pids, "taken back, it needs no restart")
        self.assert_sound()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)

    def test_a_version_that_a_host_lacks(self):
        """Nobody is touched, and the plan says how it comes there."""
        pids = self.pids()
        running = self.declared
        self.declare("10.11.98")
        told = self.fleet.wait_finding("EngineMissing", HALT_SECONDS)
        self.assertIn("engines/mariadb-10.11.98", told)
        plan = self.fleet.cli("plan", status=None).stdout
        self.assertIn("engines/mariadb-10.11.98", plan)
        self.assertEqual(self.pids(), pids)
        self.declare(running)
        self.fleet.converge(UPGRADE_SECONDS)
        self.assertEqual(self.pids(), pids)

    def test_another_series_is_refused(self):
        before = self.declared
        path = self.fleet.edit((re.escape(f'version: "{before}"'), 'version: "11.4"'))
        done = self.fleet.cli("validate", str(self.fleet.repository), status=(1,))
        self.assertIn("11.4", done.stdout + done.stderr)
        self.fleet.edit((r'version: "11.4"', f'version: "{before}"'), file=path)

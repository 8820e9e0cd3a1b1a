"""The fault matrix: three servers that share a store. One is lost, the leader at the worst moments, all of them, or the store;
databases go on meanwhile, and whoever leads next ends what was begun."""

import contextlib
import os
import signal
import time
import unittest

from harness import wait_until
from matrix import FAILOVER_SECONDS, GAP_SECONDS, STOP_SECONDS, UNDISTURBED_SECONDS, MatrixCase, sampled
from operations import Trigger, begins, known_attempts
from orders import OldOrder
from servers import LEAD_SECONDS, LEASE_SECONDS, SERVERS, ServersFleet
from test_11_failover import NEW_LEADER_SECONDS

# A new leader takes the lease, and lets silent agents say hello.
TAKEN_OVER_SECONDS = GAP_SECONDS + LEAD_SECONDS + NEW_LEADER_SECONDS
AWAY_SECONDS = 3 * LEASE_SECONDS


@sampled(1)
class Servers(MatrixCase):
    network = 69
    fleet_kind = ServersFleet

    def begin(self):
        for number in range(SERVERS):
            if not self.fleet.servers[number].is_running:
                self.fleet.start_one(number)
        self.leader = self.fleet.wait_leader()
        self.term = self.fleet.term(self.leader)
        super().begin()

    def is_following(self, number):
        return (self.fleet.says(number) or "").startswith("ready: follows")

    def test_a_follower_is_killed(self):
        """Nobody notices, and a failover meanwhile is like any other."""
        follower = next(number for number in range(SERVERS) if number != self.leader)
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.servers[follower].kill()
            self.goes_on_writing(writer)
            both = ",".join(f"http://127.0.0.1:{self.fleet.ports[number]}" for number in (follower, self.leader))
            self.assertIn("orders", self.fleet.cli("get", "clusters", "--server", both).stdout)
            self.lost_and_back(writer)
            self.assertEqual(self.fleet.term(self.leader), self.term)
            self.fleet.start_one(follower)
            self.fleet.wait_until(lambda: self.is_following(follower), STOP_SECONDS, "it follows again")
        self.judge(writer)

    def test_the_leader_is_killed(self):
        """Another one leads, under the next term; databases notice nothing. Then the primary is lost."""
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.servers[self.leader].kill()
            new = self.fleet.wait_leader(but=[self.leader])
            self.assertEqual(self.fleet.term(new), self.term + 1)
            self.writes(writer)
            self.fleet.wait_converged()
            self.assert_no_failover()
            self.assertLess(writer.gap_longest, UNDISTURBED_SECONDS, writer.errors[-5:])
            self.lost_and_back(writer)
            self.fleet.start_one(self.leader)
            self.fleet.wait_until(lambda: self.is_following(self.leader), STOP_SECONDS, "it follows")
        self.judge(writer)

    def lost_in_the_middle(self, writer, action, strike):
        """The primary is lost, and the leader by `strike` when that action of the failover has begun; another one ends it."""
        with Trigger(self.fleet, begins(action, known_attempts(self.fleet)), lambda _: strike()) as trigger:
            self.lose(self.old)
            wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
        new = self.fleet.wait_leader(but=[self.leader])
        self.assertGreater(self.fleet.term(new), self.term)
        self.wait_failed_over(FAILOVER_SECONDS + NEW_LEADER_SECONDS)
        self.writes(writer)
        return new

    def killed_in_the_middle(self, action):
        with self.writer() as writer:
            self.writes(writer)
            self.lost_in_the_middle(writer, action, lambda: self.fleet.servers[self.leader].kill())
            self.fleet.start_one(self.leader)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=TAKEN_OVER_SECONDS)

    def test_the_leader_is_killed_while_replicas_are_revoked(self):
        self.killed_in_the_middle("revoke")

    def test_the_leader_is_killed_while_another_is_promoted(self):
        self.killed_in_the_middle("promote")

    def test_the_leader_sleeps_beyond_its_lease_and_is_woken(self):
        """It is stopped in the middle of a failover, which another one ends. Woken, it changes nothing and follows; an order of
        its term, should one come late, is refused."""
        rule = OldOrder("revoke")
        self.addCleanup(self.let_pass)
        for door in self.fleet.doors:
            door.rule = rule
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            asleep = []
            new = self.lost_in_the_middle(
                writer, "revoke", lambda: asleep.append(self.freeze(self.fleet.servers[self.leader].pid)))
            term, epoch = self.fleet.term(new), self.fleet.cluster()["epoch"]
            asleep[0]()
            self.fleet.wait_until(lambda: self.is_following(self.leader), STOP_SECONDS, "who was woken follows")
            self.goes_on_writing(writer)
            self.refused(rule)
            self.assertEqual((self.fleet.term(new), self.fleet.cluster()["epoch"]), (term, epoch))
            self.bring_back(self.old)
            self.wait_healed()
            self.assertLessEqual(len(set(watch.turns())), 2, "a third instance was opened")
        self.judge(writer, gap_max=TAKEN_OVER_SECONDS)

    def let_pass(self):
        for door in self.fleet.doors:
            door.rule = lambda direction, data: "pass"

    def refused(self, rule):
        """By whichever agent it comes to."""
        self.assertEqual(rule.order["term"], self.term)
        rule.send()
        self.fleet.wait_until(lambda: rule.answer, STOP_SECONDS, f"an agent answers an order of term {self.term}")
        self.assertIn("refused", rule.answer)
        self.assertRegex(rule.answer, "the order's term is .* has promised")

    def test_the_store_is_away_for_a_while(self):
        """Nothing is decided without it, and databases go on; then all is as before."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            store = self.fleet.store.child.pid
            os.kill(store, signal.SIGSTOP)
            self.addCleanup(lambda: self.wake(store))
            end = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < end:
                before = len(loyal.acknowledged)
                wait_until(lambda before=before: len(loyal.acknowledged) > before, STOP_SECONDS, "writes go on")
            self.assertIsNone(self.fleet.leader(), "a server leads without the store")
            self.assertEqual(self.root(self.old).value("SELECT @@read_only"), "0")
            self.wake(store)
            self.fleet.wait_leader()
            self.fleet.wait_converged()
            self.assert_no_failover()
            self.lost_and_back(writer)
        self.judge(writer, loyal, gap_max=60)

    @staticmethod
    def wake(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def test_the_store_is_killed_and_starts_again(self):
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.store.child.kill()
            self.goes_on_writing(writer)
            self.fleet.others = [each for each in self.fleet.others if each is not self.fleet.store.child]
            self.fleet.others.append(self.fleet.store.start())
            self.fleet.wait_leader()
            self.lost_and_back(writer)
        self.judge(writer, gap_max=60)

    def test_all_are_killed_and_started_again(self):
        """The primary is lost meanwhile."""
        place = (self.old["address"], self.old["port"])
        writer = self.writer()
        find, writer.where = writer.where, lambda: place
        with writer:
            self.writes(writer)
            for server in self.fleet.servers:
                server.kill()
            self.goes_on_writing(writer)
            self.lose(self.old)
            writer.where = find
            self.fleet.start_server()
            self.wait_failed_over(FAILOVER_SECONDS + NEW_LEADER_SECONDS)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=TAKEN_OVER_SECONDS)

    def test_a_server_with_another_key_does_not_start(self):
        """It says why, and nobody is disturbed."""
        follower = next(number for number in range(SERVERS) if number != self.leader)
        key = self.fleet.root / f"server-{follower}" / "fleet.key"
        right = key.read_text()
        self.fleet.servers[follower].kill()
        with self.writer() as writer:
            self.writes(writer)
            for wrong in ("0" * 64, None):
                if wrong:
                    key.write_text(wrong)
                else:
                    key.unlink()
                child = self.fleet.start_one(follower, has_key=False)
                self.assertNotEqual(child.process.wait(STOP_SECONDS), 0)
                self.assertIn("fleet key", child.tail())
                self.assertIn("Copy fleet.key", child.tail())
            key.write_text(right)
            key.chmod(0o600)
            self.fleet.start_one(follower)
            self.fleet.wait_until(lambda: self.is_following(follower), STOP_SECONDS, "it follows")
            self.goes_on_writing(writer)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()


if __name__ == "__main__":
    unittest.main()

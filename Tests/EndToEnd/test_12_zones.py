"""The fault matrix: four instances, two of them in the primary's zone, of which only those outside it acknowledge."""

import time
import unittest

from matrix import FAILOVER_SECONDS, MANY, STOP_SECONDS, MatrixCase, in_turn, sampled
from operations import known_attempts

ZONE_SECONDS = 10.0  # The aim for a whole zone is 3.
HOLD_SECONDS = 7  # Longer than any diagnosis takes.
AFTER_SECONDS = 5
BACK_SECONDS = 120
LONG_SECONDS = 20  # A failover that is possible has begun and ended.


@in_turn
@sampled(1)
class Zones(MatrixCase):
    network = 77
    changes = MatrixCase.changes + ((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"),)
    needs = 4

    def setUp(self):
        super().setUp()
        if self.fleet.primary()["zone"] != "cn-hangzhou-c":
            target = next(each for each in self.others if each["zone"] == "cn-hangzhou-c")
            self.fleet.cli("switchover", "orders", "--to", target["name"])
            self.fleet.converge()
            self.look()
        self.fellow = next(each for each in self.others if each["zone"] == self.old["zone"])
        self.ackers = [each for each in self.others if each["zone"] != self.old["zone"]]

    def test_zone_with_a_second_instance_is_killed(self):
        """Two of four are lost at once, and nobody waits for either: what the second one has, others have."""
        with self.writer() as writer:
            self.writes(writer)
            self.lose(self.old, self.fellow)
            new = self.wait_failed_over()
            self.assertIn(new["name"], [each["name"] for each in self.ackers])
            self.writes(writer)
            self.bring_back(self.old, self.fellow)
            self.wait_healed()
        self.judge(writer, gap_max=ZONE_SECONDS)

    def test_zone_with_a_second_instance_is_partitioned(self):
        """The two hear each other, and nobody who could be promoted: the primary is killed by its agent. Clients reach both sides."""
        zone = self.address(self.old, self.fellow)
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            self.wires.cut(zone, [*self.address(*self.ackers), self.wires.servers])
            new = self.wait_failed_over()
            self.assertIn(new["name"], [each["name"] for each in self.ackers])
            self.fleet.wait_until(
                lambda: not self.root(self.old).answers(), STOP_SECONDS, f"{self.old['name']} is killed by its agent")
            before = len(loyal.acknowledged)
            end = time.monotonic() + AFTER_SECONDS
            while time.monotonic() < end:
                self.writes(writer, 10)
            self.assertEqual(len(loyal.acknowledged), before, "the old primary acknowledged a write after another took over")
            self.wires.mend()
            self.wait_healed()
        self.judge(writer, loyal, gap_max=ZONE_SECONDS)
        self.assertEqual(self.fleet.primary()["name"], new["name"])

    def test_primary_and_all_but_one_are_lost(self):
        """The last one may lack what another acker has: it waits, and takes over once that one is back."""
        last, other = self.ackers
        with self.writer() as writer:
            self.writes(writer)
            self.lose(self.old, self.fellow, other)
            told = self.fleet.wait_finding("FailoverHeld", STOP_SECONDS, self.since)
            self.assertIn(other["host"], told)
            end = time.monotonic() + HOLD_SECONDS
            while time.monotonic() < end:
                self.assert_no_failover()
                self.assertEqual(self.root(last).value("SELECT @@read_only"), "1", "opened without proof")
            self.bring_back(other)
            new = self.wait_failed_over()
            self.assertIn(new["name"], (last["name"], other["name"]))
            self.writes(writer)
            self.bring_back(self.old, self.fellow)
            self.wait_healed()
        self.judge(writer, gap_max=None)

    def remove_the_place_of(self, instance):
        self.fleet.edit((f"    - {{zone: {instance['zone']}, replicas: 1}}\n", ""), message="One less")
        head = self.fleet.head
        self.fleet.wait_until(
            lambda: any((each.get("accepted") or {}).get("commit") == head for each in self.fleet.document()["sources"]),
            STOP_SECONDS, "the commit is in force")

    def leaving_last(self, writer):
        """One acker's host is lost and refused, and a commit wants the other one's place gone: that one stays, and
        acknowledges, for as long as nobody else does."""
        type(self).failovers = MANY
        last, other = self.ackers
        self.writes(writer)
        before = known_attempts(self.fleet)
        self.lose(other)
        self.wires.mend()  # Its connections end: a silent one would count for up to a minute.
        self.fleet.wait_until(
            lambda: any(each["action"] == "expel" and each["state"] == "succeeded" and each["id"] not in before for each in self.fleet.tasks()),
            FAILOVER_SECONDS, f"{other['name']} is refused")
        self.writes(writer)
        self.remove_the_place_of(last)
        end = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < end:
            self.writes(writer, 10)
            self.assertIsNotNone(self.fleet.pid(last), "the last one that acknowledges was taken away")
        self.assert_no_failover()
        self.assertLess(writer.gap_longest, ZONE_SECONDS, writer.errors[-5:])

    def left(self, writer):
        """It goes once that harms nobody."""
        self.needs = 3
        self.wait_healed(BACK_SECONDS)
        self.assertNotIn(self.ackers[0]["name"], [each["name"] for each in self.fleet.instances()])
        self.writes(writer)

    def test_scale_in_would_take_the_last_acker(self):
        with self.writer() as writer:
            self.leaving_last(writer)
            self.bring_back(self.ackers[1])
            self.left(writer)
            self.assert_no_failover()
        self.judge(writer)

    def test_primary_is_lost_while_the_last_acker_is_to_leave(self):
        with self.writer() as writer:
            self.leaving_last(writer)
            self.lose(self.old)
            self.wait_failed_over(FAILOVER_SECONDS, to=self.ackers[0])
            self.writes(writer, seconds=FAILOVER_SECONDS)  # With the old primary's fellow, which is in another zone now.
            self.bring_back(self.old, self.ackers[1])
            self.left(writer)
        self.judge(writer)

    def test_scale_in_takes_one_acker_as_the_other_is_lost(self):
        """Nobody knows yet that it is: what the one that goes has acknowledged alone must not go with it and the primary."""
        type(self).failovers = MANY
        going, other = self.ackers
        with self.writer() as writer:
            self.writes(writer)
            self.lose(other)
            self.remove_the_place_of(going)
            self.fleet.wait_finding("HostSilent", 2 * STOP_SECONDS, self.since)
            self.lose(self.old)
            acknowledged = {number for each in (writer, *writer.beside) for number in each.acknowledged}
            self.bring_back(other)
            end = time.monotonic() + LONG_SECONDS
            while time.monotonic() < end and self.fleet.primary()["name"] == self.old["name"]:
                time.sleep(0.2)
            new = self.fleet.primary()
            if new["name"] != self.old["name"]:
                self.promoted.append(new["name"])
                missing = acknowledged - self.rows(new)
                self.assertEqual(len(missing), 0, f"LOST at {new['name']}, which took over: {sorted(missing)[:20]}")
            self.bring_back(self.old)
            self.needs = 3
            self.wait_healed(BACK_SECONDS)
            self.writes(writer)
        self.judge(writer, gap_max=None)


if __name__ == "__main__":
    unittest.main()

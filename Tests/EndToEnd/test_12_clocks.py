"""The fault matrix: the clock of one host, or of the server, jumps. Nothing that matters may be measured by it."""

import unittest

import clocks
from matrix import FAILOVER_SECONDS, GAP_SECONDS, MANY, STOP_SECONDS, UNDISTURBED_SECONDS, in_turn, sampled
from test_12_by_hand import Helpers
from test_11_failover import NEW_LEADER_SECONDS

HOUR = 3600
EXACT_SECONDS = 5.0
JUMPS = (HOUR, -HOUR, clocks.TRUE_TIME)


@unittest.skipIf(clocks.obstacle(), clocks.obstacle())
@in_turn
@sampled(1)
class Clocks(Helpers):
    network = 76
    fleet_kind = clocks.ClockFleet

    def tearDown(self):
        super().tearDown()
        for host in [clocks.SERVER, *self.fleet.hosts]:
            self.fleet.set_clock(host, clocks.TRUE_TIME)

    def jump(self, instance, seconds):
        self.fleet.set_clock(instance["host"], seconds)
        self.fleet.wait_until(
            lambda: abs(self.fleet.database_ahead(instance) - seconds) < EXACT_SECONDS, STOP_SECONDS,
            f"the clock of {instance['host']} is {seconds} s ahead")
        self.assert_faked(self.agent(instance))

    def assert_faked(self, child):
        """A process that tells nobody the time: it would get the wrong one."""
        with open(f"/proc/{child.pid}/maps") as file:
            self.assertIn(str(self.fleet.library), file.read(), f"{child.name} has the true time")

    def test_the_primary_s_clock_jumps(self):
        with self.writer() as writer:
            for seconds in JUMPS:
                self.writes(writer)
                self.jump(self.old, seconds)
                self.writes(writer, 200)
            self.wait_healed()
            self.assert_no_failover()
            self.assertLess(writer.gap_longest, UNDISTURBED_SECONDS, writer.errors[-5:])
            self.jump(self.old, -HOUR)
            self.lost_and_back(writer)
        self.judge(writer)

    def test_a_replica_s_clock_jumps_and_it_takes_over(self):
        target, behind = self.others
        with self.writer() as writer:
            self.writes(writer)
            self.jump(target, HOUR)
            self.cut_from_primary(behind)
            self.writes(writer)
            self.lose(self.old)
            self.wait_failed_over(to=target)
            self.writes(writer)
            self.jump(target, -HOUR)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    def test_the_primary_s_clock_jumps_as_it_is_cut_off(self):
        """Its agent measures by another clock for how long it has heard nobody."""
        pid = self.fleet.pid(self.old)
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            self.jump(self.old, HOUR)
            self.fleet.set_clock(self.old["host"], -HOUR)
            self.isolate(self.old)
            new = self.wait_failed_over()
            self.fleet.wait_until(
                lambda: self.fleet.pid(self.old) != pid, STOP_SECONDS, "the primary that is cut off is killed by its agent")
            before = len(loyal.acknowledged)
            self.writes(writer, 200)
            self.assertEqual(len(loyal.acknowledged), before, "the old primary acknowledged a write after another took over")
            self.wires.mend()
            self.wait_healed()
        self.judge(writer, loyal)
        self.assertEqual(self.fleet.primary()["name"], new["name"])

    def test_a_clone_between_clocks_that_are_hours_apart(self):
        """What secures a copy is made for it, and may not look at the time."""
        type(self).failovers = MANY  # There are four instances afterwards.
        used, zone = {each["host"] for each in self.members}, "cn-hangzhou-c"
        receiver = next(
            name for name, text in sorted(self.fleet.declared("Host").items()) if name not in used and f"zone: {zone}" in text)
        with self.writer() as writer:
            self.writes(writer)
            self.jump(self.others[0], -HOUR)
            self.jump(self.others[1], -HOUR)
            self.fleet.set_clock(receiver, HOUR)
            self.fleet.edit((f"{zone}, replicas: 1", f"{zone}, replicas: 2"), message="One more")
            self.needs = 4
            self.wait_healed()
            self.assertIn(receiver, [each["host"] for each in self.fleet.instances()])
            self.assertGreater(self.fleet.database_ahead(self.fleet.instances()[-1]), HOUR - EXACT_SECONDS)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()

    def test_the_server_s_clock_jumps(self):
        """Nobody takes over for it, and whoever is lost meanwhile is replaced as ever."""
        self.assert_faked(self.fleet.server)
        with self.writer() as writer:
            for seconds in JUMPS[:2]:
                self.writes(writer)
                self.fleet.set_clock(clocks.SERVER, seconds)
                self.writes(writer, 200)
            self.wait_healed()
            self.assert_no_failover()
            self.assertLess(writer.gap_longest, UNDISTURBED_SECONDS, writer.errors[-5:])
            self.lost_and_back(writer)
        self.judge(writer)

    def test_the_server_starts_an_hour_behind(self):
        """What it finds in its store is from the future."""
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.server.kill()
            self.fleet.set_clock(clocks.SERVER, -HOUR)
            self.fleet.start_server()
            self.assertLess(abs(self.fleet.server_ahead() + HOUR), EXACT_SECONDS, "it has the true time")
            self.writes(writer)
            self.wait_healed()
            self.assert_no_failover()
            self.lose(self.old)
            self.wait_failed_over(FAILOVER_SECONDS + NEW_LEADER_SECONDS)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=GAP_SECONDS + NEW_LEADER_SECONDS)


if __name__ == "__main__":
    unittest.main()

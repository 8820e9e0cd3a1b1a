"""Failover: a lost primary is replaced by a member that provably holds every acknowledged write, and by nothing else.

The class has a network of its own, so that a host is lost as hosts are: silently, and only then are its processes
killed. Rows that are not in the sample of this run belong to the full matrix (`EVENKEEL_TEST_FULL`).
"""

import contextlib
import errno
import math
import os
import signal
import socket
import struct
import sys
import threading
import time
import unittest

import figures
import network
from databases import Connection, QueryFailed, Writer
from harness import CATCH_UP_SECONDS, Fleet, FleetTestCase, processes_below, sample, wait_until
from operations import Trigger, begins, known_attempts

GAP_SECONDS = 20.0
UNDISTURBED_SECONDS = 4.0  # Where nothing happens to writes: what a loaded machine makes of it.
NEW_LEADER_SECONDS = 15.0  # For so long a new leader lets silent agents say hello.
FAILOVER_SECONDS = 30
BACK_SECONDS = 60
TOLD_SECONDS = 90  # The end of a failover is told a minute after it.
PATIENCE_SECONDS = 1.0  # Of the writing client: what is cut off never answers.
HOLD_SECONDS = 7  # Longer than any diagnosis takes.
STOP_SECONDS = 15
WATCH_SECONDS = 0.02
ROWS_BEFORE = 50
FAILOVERS_MAX = 3  # Of one cluster in an hour; the rest waits for the hour's end.
FAILOVERS_AT_ONCE = 2  # Of one test.

SAMPLED = [
    "test_5_only_the_network_is_lost", "test_6_a_primary_that_hangs", "test_7_a_primary_that_cannot_start",
    "test_8_the_directory_is_gone", "test_9_unseen_primary_and_a_replica_that_hangs", "test_a_manual",
    "test_a_manual_by_command",
    "test_b_primary_and_an_acker_at_once", "test_c_the_server_killed_in_the_middle", "test_d_twice_in_a_row",
]
CHOSEN = sample(SAMPLED, 1)


def sampled(test):
    assert test.__name__ in SAMPLED
    return unittest.skipUnless(test.__name__ in CHOSEN, "not in this run's sample; EVENKEEL_TEST_FULL=1 runs all")(test)


CHANNEL = """\
apiVersion: evenkeel.dev/v1
kind: AlertChannel
metadata:
  name: on-call
spec:
  script: {name: note}
  route:
    matchers: {severity: critical}
"""


class CuttableFleet(Fleet):
    """Each agent reaches the server by a relay at an address of its host's own, which is cut with the host."""

    def relay_address(self, host):
        front, last = self.address(host).rsplit(".", 1)
        return f"{front}.{100 + int(last)}"


class Watch:
    """Asks every instance (of `orders` where none are given) again and again whether it takes writes; remembers
    (when it was asked, when it had answered, instance) of each that did."""

    def __init__(self, fleet, instances=None):
        instances = instances or fleet.instances()
        self.fleet = fleet
        self.open = []
        self.asked = {each["name"]: 0 for each in instances}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,), daemon=True) for each in instances]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _run(self, instance):
        connection = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = Connection(
                        instance["address"], instance["port"], "app", self.fleet.passwords["orders-app"], "orders",
                        PATIENCE_SECONDS)
                asked = time.monotonic()
                value = connection.value("SELECT @@read_only")
                self.asked[instance["name"]] += 1
                if value == "0":
                    self.open.append((asked, time.monotonic(), instance["name"]))
            except (OSError, QueryFailed, IndexError, ValueError, struct.error):
                if connection:
                    connection.close()
                connection = None
            time.sleep(WATCH_SECONDS)
        if connection:
            connection.close()

    def turns(self):
        """The instances that were seen open, in order, without repetition: `a, b, a` says that two were at once."""
        return fewest_turns(self.open)


def fewest_turns(seen):
    """Names in an order that fits `seen`, (asked, answered, name), each of which was so at some moment between the two;
    of all orders that do, one with the fewest changes: what a busy machine is late to ask or to hear proves nothing."""
    answers = {}
    for asked, answered, name in sorted(seen):
        answers.setdefault(name, []).append((asked, answered))
    ways, known = [((), dict.fromkeys(answers, 0))], set()
    for turns, told in ways:  # It grows while it is walked: those with fewer turns come first.
        left = [name for name in answers if told[name] < len(answers[name])]
        if not left:
            return list(turns)
        for name in left:
            # Until somebody else's answer, which came before they were asked.
            until = min((answers[other][told[other]][1] for other in left if other != name), default=math.inf)
            next_told = told[name]
            while next_told < len(answers[name]) and answers[name][next_told][0] <= until:
                next_told += 1
            after = {**told, name: next_told}
            if next_told > told[name] and (key := tuple(after.values())) not in known:
                known.add(key)
                ways.append(((*turns, name), after))
    return []


class Squatter:
    """Takes an address and port away from a server that is about to start, and turns everybody away."""

    def __init__(self, address, port):
        self._listener = wait_until(lambda: self._listen(address, port), STOP_SECONDS, f"{address}:{port} is free", poll=0.005)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _listen(address, port):
        """None while what is being killed has it still."""
        try:
            return socket.create_server((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return None

    def _run(self):
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(STOP_SECONDS)


@unittest.skipIf(network.obstacle(), network.obstacle())
class Failover(FleetTestCase):
    network = 47
    relayed = ("*",)

    @classmethod
    def setUpClass(cls):
        cls.wires = network.Network()
        cls.addClassCleanup(cls.wires.leave)
        super().setUpClass()

    @classmethod
    def make_fleet(cls):
        return CuttableFleet(cls.__name__, cls.network, relayed=cls.relayed)

    @classmethod
    def prepare(cls):
        # A preferred zone would have the primary back while the next test begins.
        cls.fleet.edit((r"  primary: \{.*\}\n", ""), message="A primary anywhere")
        (cls.fleet.repository / "channel.yaml").write_text(CHANNEL)
        cls.fleet.commit("Wake somebody up")
        super().prepare()
        cls.fleet.make_table()
        cls.first = 1
        cls.failovers = 0

    def setUp(self):
        super().setUp()
        self.promoted = []
        if self.failovers + FAILOVERS_AT_ONCE > FAILOVERS_MAX:
            self.fleet.stop()
            type(self).fleet = self.make_fleet()
            self.prepare()
        self.look()

    def look(self):
        """What is there before something happens."""
        self.epoch = self.fleet.cluster()["epoch"]
        self.since = self.fleet.now()
        self.old = self.fleet.primary()

    def tearDown(self):
        self.wires.mend()

    # MARK: What happens

    def addresses(self, host):
        return self.fleet.address(host), self.fleet.relay_address(host)

    def lose(self, *hosts):
        """Cut off first, then without power."""
        self.wires.cut(*[address for host in hosts for address in self.addresses(host)])
        for host in hosts:
            self.fleet.agents[host].kill()
            for pid, _ in processes_below(self.fleet.root / "agents" / host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def bring_back(self, *hosts):
        self.wires.mend(*[address for host in hosts for address in self.addresses(host)])
        for host in hosts:
            self.fleet.start_agent(host)

    def suspend(self, instance):
        """SIGSTOP for a database; it goes on at the test's end at the latest."""
        pid = self.fleet.pid(instance)
        os.kill(pid, signal.SIGSTOP)

        def go_on():
            if self.fleet.pid(instance) == pid:
                os.kill(pid, signal.SIGCONT)

        self.addCleanup(go_on)
        return go_on

    def killed_while_its_agent_waits(self, instance, then):
        """Kills a database and does `then` before its agent can start it again."""
        agent = self.fleet.agents[instance["host"]]
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            os.kill(self.fleet.pid(instance), signal.SIGKILL)
            self.fleet.wait_until(lambda: self.fleet.pid(instance) is None, STOP_SECONDS, "the database is gone", poll=0.005)
            return then()
        finally:
            os.kill(agent.pid, signal.SIGCONT)

    # MARK: What is written

    def writer(self):
        def where():
            primary = self.fleet.primary()
            return (primary["address"], primary["port"]) if primary else None

        first, type(self).first = self.first, self.first + 1_000_000
        return Writer(
            where, "app", self.fleet.passwords["orders-app"], "orders", first=first, patience=PATIENCE_SECONDS)

    def rows(self, instance):
        return {int(row[0]) for row in self.fleet.database(instance).rows("SELECT id FROM orders.acked")}

    def assert_nothing_lost(self, writer):
        """Every acknowledged row is on every instance that serves, and all of them hold the same."""
        acknowledged = set(writer.acknowledged)
        figures.tell(self.id(), writer.gap_longest, promoted=self.promoted)
        self.assertGreater(len(acknowledged), ROWS_BEFORE)
        serving = [each for each in self.fleet.instances() if each["serving"]]
        self.assertTrue(serving)
        for instance in serving:
            try:
                self.fleet.wait_until(
                    lambda instance=instance: not acknowledged - self.rows(instance), CATCH_UP_SECONDS,
                    f"{instance['name']} has all of {len(acknowledged)} acknowledged rows")
            except AssertionError:
                figures.tell(self.id(), lost=len(acknowledged - self.rows(instance)))
                raise
        self.fleet.wait_until(
            lambda: len({frozenset(self.rows(each)) for each in serving}) == 1, CATCH_UP_SECONDS,
            "all instances hold the same rows")

    # MARK: What follows

    def wait_failed_over(self, seconds=FAILOVER_SECONDS):
        """The new primary, once it takes writes under a new epoch."""
        def opened():
            cluster = self.fleet.cluster()
            primary = self.fleet.primary_in(cluster)
            if not primary or primary["name"] == self.old["name"] or cluster["epoch"] <= self.epoch:
                return None
            return primary if self.fleet.database(primary).value("SELECT @@read_only") == "0" else None

        new = self.fleet.wait_until(opened, seconds, "another instance is the primary")
        type(self).failovers += 1
        self.promoted.append(new["name"])
        return new

    def holds_for(self, seconds, what):
        """Nothing else becomes the primary for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            cluster = self.fleet.cluster()
            if cluster:
                self.assertEqual(cluster["primary"], self.old["name"], f"{what}: a failover\n{self.fleet.describe()}")
            time.sleep(0.2)

    def assert_no_failover(self):
        self.assertEqual(self.fleet.primary()["name"], self.old["name"])
        self.assertEqual(self.fleet.cluster()["epoch"], self.epoch)

    def assert_whole(self, new=None):
        """Everything is back, the lost primary as a replica."""
        self.fleet.wait_converged(BACK_SECONDS)
        self.assert_sound()
        if new:
            self.assertEqual(self.fleet.primary()["name"], new["name"])
            self.assertEqual(self.fleet.database(self.fleet.instance(self.old["name"])).value("SELECT @@read_only"), "1")

    def judge(self, writer, gap_max=GAP_SECONDS):
        """Nothing is lost, and how long nobody could write is told."""
        self.assert_nothing_lost(writer)
        print(f"{self._testMethodName}: {writer.gap_longest:.2f} s without writes", file=sys.stderr)
        self.assertLess(writer.gap_longest, gap_max, writer.errors[-5:])

    # MARK: Always

    def test_1_the_primary_s_host_is_lost(self):
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old["host"])
            new = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
        self.judge(writer)
        type(self).lost = (self.old, new, writer)

    def test_2_and_comes_back(self):
        old, new, before = self.lost
        self.old = old
        with self.writer() as writer, Watch(self.fleet) as watch:
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(old["host"])
            self.assert_whole(new)
            self.fleet.wait_until(lambda: watch.asked[old["name"]] > 0, BACK_SECONDS, "the old primary was asked")
        self.judge(writer)
        self.assertEqual(watch.turns(), [new["name"]])
        self.assertEqual(self.fleet.cluster()["epoch"], self.epoch)
        self.assert_nothing_lost(before)

    def test_3_only_the_process_is_killed(self):
        pid = self.fleet.pid(self.old)
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            os.kill(pid, signal.SIGKILL)
            self.fleet.wait_until(
                lambda: self.fleet.pid(self.old) not in (None, pid), STOP_SECONDS, "it is started in place")
            writer.wait_for(ROWS_BEFORE)
            self.assert_whole()
        self.judge(writer)
        self.assert_no_failover()

    def test_4_only_the_agent_is_killed(self):
        pid = self.fleet.pid(self.old)
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.fleet.agents[self.old["host"]].kill()
            self.holds_for(HOLD_SECONDS, "only the agent is lost")
            writer.wait_for(ROWS_BEFORE)
            self.fleet.start_agent(self.old["host"])
            self.assert_whole()
        self.judge(writer, UNDISTURBED_SECONDS)
        self.assert_no_failover()
        self.assertEqual(self.fleet.pid(self.old), pid)

    def test_4_the_failover_was_told_once(self):
        old, new, _ = self.lost

        def told(status):
            return [each for each in self.fleet.scripted(status) if each["labels"]["alertname"] == "Failover"]

        over = self.fleet.wait_until(lambda: told("resolved"), TOLD_SECONDS, "the end of the failover is told")
        begun = told("firing")
        self.assertEqual([each["labels"]["subject"] for each in begun + over], [old["name"]] * 2)
        self.assertIn("UnreachablePrimary: ", begun[0]["annotations"]["description"])
        self.assertIn(f"{new['name']} took over", over[0]["annotations"]["description"])
        self.assertIn("another member takes over", begun[0]["annotations"]["mend"])

    # MARK: A sample

    @sampled
    def test_5_only_the_network_is_lost(self):
        """The old primary lives on, open, and is there again while another one writes: nothing that it is told in
        between may be acknowledged."""
        old = self.fleet.database(self.old)
        told = []

        def insist():
            """A client on the lost host itself."""
            try:
                old.rows("SET STATEMENT max_statement_time=60 FOR INSERT INTO orders.acked (id) VALUES (-1)")
                told.append("acknowledged")
            except Exception as error:  # Whatever else it hears: it was not acknowledged.
                told.append(str(error))

        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.wires.cut(*self.addresses(self.old["host"]))
            client = threading.Thread(target=insist, daemon=True)
            client.start()
            new = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            pid = self.fleet.pid(self.old)
            with Watch(self.fleet) as watch:
                self.wires.mend()
                self.assert_whole(new)
            client.join(STOP_SECONDS)
        self.judge(writer)
        self.assertNotIn("acknowledged", told)
        self.assertTrue(told)
        self.assertNotEqual(self.fleet.pid(self.old), pid, "it went on as the open primary that it was")
        self.assertEqual(watch.turns()[-1], new["name"])
        self.assertEqual(len({frozenset(self.rows(each)) for each in self.fleet.instances()}), 1)

    @sampled
    def test_6_a_primary_that_hangs(self):
        pid = self.fleet.pid(self.old)
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.suspend(self.old)
            new = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            self.assert_whole(new)
        self.judge(writer)
        self.assertNotEqual(self.fleet.pid(self.old), pid)

    @sampled
    def test_7_a_primary_that_cannot_start(self):
        """Its port is taken by something else."""
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            with self.killed_while_its_agent_waits(
                    self.old, lambda: Squatter(self.old["address"], self.old["port"])):
                new = self.wait_failed_over()
                writer.wait_for(ROWS_BEFORE)
            self.assert_whole(new)
        self.judge(writer)

    @sampled
    def test_8_the_directory_is_gone(self):
        directory = self.fleet.directory(self.old)
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.killed_while_its_agent_waits(self.old, lambda: directory.rename(self.fleet.root / "taken-away"))
            new = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            self.assert_whole(new)
        self.judge(writer)

    @sampled
    def test_9_unseen_primary_and_a_replica_that_hangs(self):
        """Nobody sees the primary but the other replica, which is enough to know that it lives."""
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            go_on = self.suspend(self.fleet.replicas()[0])
            self.fleet.agents[self.old["host"]].kill()
            self.fleet.wait_finding("HostSilent", 2 * STOP_SECONDS, self.since)
            self.holds_for(HOLD_SECONDS, "one replica still follows")
            writer.wait_for(ROWS_BEFORE)
            go_on()
            self.fleet.start_agent(self.old["host"])
            self.assert_whole()
        self.judge(writer)
        self.assert_no_failover()

    @sampled
    def test_a_manual(self):
        self.fleet.edit((r"durability: semiSync", "durability: semiSync\n  failover: manual"), message="By hand")
        self.fleet.converge(BACK_SECONDS)
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old["host"])
            told = self.fleet.wait_finding("FailoverManual", FAILOVER_SECONDS, self.since)
            self.assertIn("manual", told)
            self.holds_for(HOLD_SECONDS, "manual")
            self.bring_back(self.old["host"])
            writer.wait_for(ROWS_BEFORE, BACK_SECONDS)
            self.assert_whole()
        self.assert_nothing_lost(writer)
        self.assert_no_failover()
        self.fleet.edit((r"  failover: manual\n", ""), message="By itself")
        self.fleet.converge(BACK_SECONDS)

    @sampled
    def test_a_manual_by_command(self):
        """Nobody takes over by himself; whoever is asked to does, with the same proof."""
        self.fleet.edit((r"durability: semiSync", "durability: semiSync\n  failover: manual"), message="By hand")
        self.fleet.converge(BACK_SECONDS)
        self.assertRegex(self.fleet.cli("failover", "orders", status=(1,)).stderr, r"is not known to be lost.*evenkeel switchover")
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old["host"])
            self.assertIn("evenkeel failover orders", self.fleet.wait_finding("FailoverManual", FAILOVER_SECONDS, self.since))
            told = self.fleet.cli("failover", "orders", "--timeout", str(FAILOVER_SECONDS)).stdout
            new = self.wait_failed_over()
            self.assertEqual(told, f"{new['name']} is the primary of orders; it took over from {self.old['name']}.\n")
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(self.old["host"])
            self.assert_whole(new)
        self.judge(writer)
        self.fleet.edit((r"  failover: manual\n", ""), message="By itself")
        self.fleet.converge(BACK_SECONDS)

    @sampled
    def test_b_primary_and_an_acker_at_once(self):
        """That acker may hold a row which nobody else has: nothing is promoted before it was asked."""
        acker = self.fleet.replicas()[0]
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old["host"], acker["host"])
            told = self.fleet.wait_finding("FailoverHeld", FAILOVER_SECONDS, self.since)
            self.assertIn(acker["host"], told)
            self.holds_for(HOLD_SECONDS, "an acker is lost too")
            self.bring_back(acker["host"])
            new = self.wait_failed_over(BACK_SECONDS)
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(self.old["host"])
            self.assert_whole(new)
        self.assert_nothing_lost(writer)

    @sampled
    def test_c_the_server_killed_in_the_middle(self):
        def restart(fleet, _):
            fleet.server.kill()
            fleet.start_server()

        for action in ("revoke", "promote"):
            with self.subTest(action=action):
                self.server_killed_when(action, restart)

    def server_killed_when(self, action, restart):
        self.look()
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            moment = begins(action, known_attempts(self.fleet))
            with Trigger(self.fleet, moment, lambda host: restart(self.fleet, host)) as trigger:
                self.lose(self.old["host"])
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
                new = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(self.old["host"])
            self.assert_whole(new)
        self.judge(writer, GAP_SECONDS + NEW_LEADER_SECONDS)

    @sampled
    def test_d_twice_in_a_row(self):
        """The second primary is lost as soon as the first one is back."""
        with self.writer() as writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old["host"])
            first, second = self.old, self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(first["host"])
            self.assert_whole(second)
            self.look()
            self.lose(second["host"])
            third = self.wait_failed_over()
            writer.wait_for(ROWS_BEFORE)
            self.bring_back(second["host"])
            self.assert_whole(third)
        self.judge(writer)


if __name__ == "__main__":
    unittest.main()

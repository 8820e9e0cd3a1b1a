"""What every row of the fault matrix stands on: a fleet on hosts of its own, a writing client, and the verdict.

Each test is a row and independent of the others: a fleet is used again only where the row before left it whole and with
failovers to spare. A row of the sample of this run is run, the others with `EVENKEEL_TEST_FULL`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import threading
import unittest

import figures
import hosts
from databases import Connection, QueryFailed, Writer
from harness import CATCH_UP_SECONDS, FleetTestCase, is_full, processes_below, sample, wait_until
from test_11_failover import UNDISTURBED_SECONDS, Watch

BACK_SECONDS = 90
FAILOVER_SECONDS = 40
FAILOVERS_MAX = 1  # Of the rows before; three in an hour are the limit, a row may need two.
GAP_SECONDS = 20.0
PATIENCE_SECONDS = 1.0
LOYAL_SECONDS = 120.0
ASK_SECONDS = 0.05
CROWD = 4
CROWD_ROWS = 200_000
ROWS_BEFORE = 50
ROW_SECONDS = 1  # Two syncs of a busy disk.
WHILE_SECONDS = 5.0
STOP_SECONDS = 15
MANY = 99  # Failovers of a row after which nobody uses its fleet again.
IN_TURN = ("Power", "Clocks", "Zones", "Between")
IN_TURN_AT_ONCE = 2


def sampled(count):
    """Of a class's rows, those that are not in this run's sample are skipped."""
    def decorate(kind):
        names = [name for name in vars(kind) if name.startswith("test_") and not getattr(vars(kind)[name], "__unittest_skip__", False)]
        for name in set(names) - set(sample(names, count)):
            setattr(kind, name, unittest.skip("not in this run's sample; EVENKEEL_TEST_FULL=1 runs all")(vars(kind)[name]))
        return unittest.skipIf(hosts.obstacle(), hosts.obstacle())(kind)
    return decorate


def in_turn(kind):
    """Of the classes that take turns, those that are not in this run's sample are skipped whole."""
    assert kind.__name__ in IN_TURN, kind
    if kind.__name__ in sample(IN_TURN, IN_TURN_AT_ONCE):
        return kind
    return unittest.skip("not this class's turn; EVENKEEL_TEST_FULL=1 runs all")(kind)


def known(fault):
    """A row that shows a fault which is not mended yet; with `EVENKEEL_TEST_KNOWN` it is run all the same."""
    return unittest.skipIf(not os.environ.get("EVENKEEL_TEST_KNOWN"), "known: " + fault)


class Loyal(threading.Thread):
    """A client with one connection that it never gives up: it goes on writing to the instance that it once found."""

    def __init__(self, fleet, instance, first):
        super().__init__(daemon=True)
        self.connection = Connection(
            instance["address"], instance["port"], "app", fleet.passwords["orders-app"], "orders", LOYAL_SECONDS)
        self.first = first
        self.acknowledged = []
        self.error = None
        self._stopped = threading.Event()

    def run(self):
        number = self.first
        while not self._stopped.is_set():
            try:
                self.connection.execute(f"INSERT INTO acked (id) VALUES ({number})")
            except (OSError, QueryFailed, IndexError, ValueError) as error:
                self.error = str(error) or type(error).__name__
                return
            self.acknowledged.append(number)
            number += 1
            self._stopped.wait(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        with contextlib.suppress(OSError):
            self.connection.socket.shutdown(2)
        self.join(STOP_SECONDS)
        self.connection.close()


class Crowd(Writer):
    """A writer whose gaps are measured, and others beside it, so that more than one commit is on its way when a fault strikes."""

    def __init__(self, where, *arguments, first, patience):
        super().__init__(where, *arguments, first=first, patience=patience)
        self.beside = [
            Writer(lambda: self.where(), *arguments, first=first + number * CROWD_ROWS, patience=patience)
            for number in range(1, CROWD)]

    def __enter__(self):
        for each in self.beside:
            each.__enter__()
        return super().__enter__()

    def __exit__(self, *of):
        super().__exit__(*of)
        for each in self.beside:
            each.__exit__(*of)


class Session:
    """A client as root that stays: it runs one statement after another until it is ended."""

    def __init__(self, fleet, instance, sql):
        self.process = subprocess.Popen(
            ["mariadb", "--no-defaults", "--socket", fleet.socket(instance), "-u", "root", "--batch", "--unbuffered", "-N"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.process.stdin.write(sql + ";\nSELECT 'done';\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if line != "done":
            self.end()
            raise AssertionError(f"{sql}: {line}")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()


class MatrixCase(FleetTestCase):
    """`network`: as everywhere. `changes`: to the cluster's manifest before anything is started."""

    changes = ((r"  primary: \{.*\}\n", ""),)  # A preferred zone would have the primary back in the middle of a row.
    needs = 3
    fleet_kind = hosts.HostFleet

    @classmethod
    def setUpClass(cls):
        cls.fleet = None
        cls.wires = hosts.Hosts(f"10.{cls.network}.0")
        cls.addClassCleanup(cls.wires.leave)
        cls.addClassCleanup(lambda: cls.end_fleet())
        cls.first = 1

    @classmethod
    def end_fleet(cls):
        fleet, cls.fleet = cls.fleet, None
        if fleet:
            cls.wires.mend()
            fleet.stop(failed=cls.has_failed)

    def setUp(self):
        if self.fleet is None or type(self).has_failed or self.failovers > FAILOVERS_MAX:
            self.renew()
        self.fleet.name = f"{type(self).__name__}-{self._testMethodName}"
        self.begin()

    def renew(self):
        """A fleet that nothing has happened to."""
        kind = type(self)
        self.end_fleet()
        kind.fleet = kind.fleet_kind(f"{kind.__name__}-{self._testMethodName}", self.network, self.wires)
        kind.has_failed = True  # Until it stands.
        self.fleet.edit(*self.changes, message="A primary anywhere")
        self.prepare()
        kind.failovers = 0
        kind.has_failed = False

    def begin(self):
        self.fleet.make_table()
        self.look()
        self.promoted = []

    @classmethod
    def prepare(cls):
        cls.fleet.start()
        cls.fleet.converge()

    def look(self):
        """What is there before something happens."""
        self.epoch = self.fleet.cluster()["epoch"]
        self.since = self.fleet.now()
        self.old = self.fleet.primary()
        self.others = sorted(self.fleet.replicas(), key=lambda each: each["ordinal"])
        self.members = self.fleet.instances()

    def tearDown(self):
        self.wires.mend()

    def run(self, result=None):
        result = super().run(result)
        if self.has_failed and self.fleet:
            self.tell()
        return result

    def tell(self):
        """What is asked first when something failed, while there is somebody to answer, into the logs."""
        status = self.fleet.describe()
        for arguments in (("events", "--limit", "300"), ("tasks", "--limit", "150", "-o", "wide")):
            status += self.fleet.cli(*arguments, status=None).stdout
        status += "\n" + json.dumps(self.fleet.unit(), indent=1)
        for instance in getattr(self, "members", ()):
            with contextlib.suppress(QueryFailed, OSError, subprocess.TimeoutExpired):
                status += f"\n{instance['name']}: {self.root(instance).replication()}"
        (self.fleet.root / "status.log").write_text(status)

    # MARK: Faults

    def address(self, *instances):
        return [each["address"] for each in instances]

    def isolate(self, *instances):
        """From each other host, from the servers and from clients."""
        return self.wires.cut(self.address(*instances))

    @staticmethod
    def asked(condition):
        """What a condition that asks databases says; false while one of them does not answer."""
        try:
            return condition()
        except (QueryFailed, OSError, IndexError, subprocess.TimeoutExpired):
            return False

    def lose(self, *instances):
        """Their hosts: cut off first, then without power."""
        self.isolate(*instances)
        for host in {each["host"] for each in instances}:
            self.fleet.agents[host].kill()
            for pid, _ in processes_below(self.fleet.root / "agents" / host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def bring_back(self, *instances):
        gone = self.address(*instances)
        self.wires.mend([rule for rule in self.wires.rules if any(f" {address} " in rule for address in gone)])
        for host in {each["host"] for each in instances}:
            if not self.fleet.agents[host].is_running:
                self.fleet.start_agent(host)

    def kill(self, *instances):
        """SIGKILL for the databases, at once."""
        pids = [self.fleet.pid(each) for each in instances]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    def agent(self, instance):
        return self.fleet.agents[instance["host"]]

    def freeze(self, pid):
        """SIGSTOP; what is called then, or the row's end, lets it go on."""
        os.kill(pid, signal.SIGSTOP)

        def go_on():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        self.addCleanup(go_on)
        return go_on

    @contextlib.contextmanager
    def frozen(self, *pids):
        ways = [self.freeze(pid) for pid in pids]
        try:
            yield
        finally:
            for go_on in ways:
                go_on()

    def hold(self, instance, sql="LOCK TABLES orders.acked READ"):
        """A session as root that keeps what `sql` takes; READ holds an applier back and lets rows be looked for."""
        session = Session(self.fleet, instance, sql)
        self.addCleanup(session.end)
        return session

    def root(self, instance):
        return self.fleet.database(instance)

    # MARK: Load

    def writer(self, patience=PATIENCE_SECONDS):
        asked = [0.0, None]
        lock = threading.Lock()

        def where():
            with lock:  # All of them ask one after another, and not more often than one of them would.
                if time.monotonic() - asked[0] > ASK_SECONDS:
                    primary = self.fleet.primary()
                    asked[:] = time.monotonic(), (primary["address"], primary["port"]) if primary else None
                return asked[1]

        return Crowd(
            where, "app", self.fleet.passwords["orders-app"], "orders", first=self.next_rows(), patience=patience)

    def next_rows(self):
        first, type(self).first = self.first, self.first + 1_000_000
        return first

    def loyal(self, instance):
        return Loyal(self.fleet, instance, self.next_rows())

    def watch(self):
        return Watch(self.fleet)

    def rows(self, instance):
        return {int(row[0]) for row in self.root(instance).rows("SELECT id FROM orders.acked")}

    def writes(self, writer, count=ROWS_BEFORE, seconds=FAILOVER_SECONDS):
        """So many rows more are acknowledged, within `seconds` and a second a row."""
        seconds = max(seconds, count * ROW_SECONDS)
        target = len(writer.acknowledged) + count
        self.fleet.wait_until(
            lambda: len(writer.acknowledged) >= target, seconds, f"{count} rows more are acknowledged")

    def goes_on_writing(self, writer, seconds=WHILE_SECONDS):
        """Rows are acknowledged again and again, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.writes(writer, 10)

    def lost_and_back(self, writer, to=None):
        """A failover like any other one; the lost one comes back without a copy, unless it is moved aside for its rows."""
        before = self.clones()
        self.lose(self.old)
        self.wait_failed_over(to=to)
        self.writes(writer)
        self.bring_back(self.old)
        self.wait_healed()
        self.assert_cloned_for_rows_only(before)

    def clones(self):
        return [task["id"] for task in self.fleet.tasks() if task["action"] == "clone"]

    def assert_cloned_for_rows_only(self, before):
        """A failover may leave anybody with rows that nobody acknowledged: such a one is cloned. Returns (cluster, moved
        aside, cloned again) of each, in order."""
        tasks = [task for task in self.fleet.tasks() if task["startedMilliseconds"] >= self.since]
        moved = {task["target"]: task["startedMilliseconds"] for task in tasks
                 if task["action"] == "rejoin" and "moved aside" in task.get("message", "")}
        cloned = {task["target"]: task["endedMilliseconds"] for task in tasks if task["action"] == "clone" and task["id"] not in before}
        self.assertEqual(set(cloned) - set(moved), set(), "cloned, but not for its rows")
        return sorted((name.rsplit("-", 1)[0], moved[name], end) for name, end in cloned.items())

    # MARK: What follows

    def wait_failed_over(self, seconds=FAILOVER_SECONDS, to=None):
        """The new primary, once it takes writes under a new epoch."""
        def opened():
            cluster = self.fleet.cluster()
            primary = self.fleet.primary_in(cluster)
            if not primary or primary["name"] == self.old["name"] or cluster["epoch"] <= self.epoch:
                return None
            return primary if self.root(primary).value("SELECT @@read_only") == "0" else None

        new = self.fleet.wait_until(opened, seconds, f"another instance is the primary than {self.old['name']}")
        type(self).failovers += 1
        self.promoted.append(new["name"])
        if to:
            self.assertEqual(new["name"], to["name"])
        return new

    def assert_no_failover(self):
        self.assertEqual(self.fleet.primary()["name"], self.old["name"])
        self.assertEqual(self.fleet.cluster()["epoch"], self.epoch)

    def wait_healed(self, seconds=BACK_SECONDS):
        """Everything is back, by itself."""
        self.fleet.wait_converged(seconds)
        self.assert_sound(instances=self.needs)

    def assert_nothing_twice(self, fleet=None, name="orders"):
        """Whoever is lost twice is let in twice: that is no fault here."""

    def holders(self):
        """All instances that are to hold every row."""
        return self.fleet.instances()

    def judge(self, writer, *others, gap_max=GAP_SECONDS):
        """Each row that was acknowledged is on every instance, all hold the same, and the seconds without writes are told."""
        acknowledged = {number for each in (writer, *writer.beside, *others) for number in each.acknowledged}
        self.assertGreater(len(writer.acknowledged), ROWS_BEFORE)
        members = self.holders()
        self.assertEqual(len(members), self.needs)
        print(
            f"{type(self).__name__}.{self._testMethodName}: {writer.gap_longest:.2f} s without writes, "
            f"promoted: {', '.join(self.promoted) or 'none'}, {len(acknowledged)} acknowledged", file=sys.stderr, flush=True)
        figures.tell(self.id(), writer.gap_longest, promoted=self.promoted)
        for instance in members:
            missing = acknowledged
            def complete(instance=instance):
                nonlocal missing
                missing = acknowledged - self.rows(instance)
                return not missing
            try:
                self.fleet.wait_until(complete, CATCH_UP_SECONDS, f"{instance['name']} has all of {len(acknowledged)} acknowledged rows")
            except AssertionError as error:
                figures.tell(self.id(), lost=len(missing))
                raise AssertionError(f"LOST {len(missing)} ROWS at {instance['name']}: {sorted(missing)[:20]}\n{error}") from None
        differing = {}

        def are_equal():
            held = {each["name"]: self.rows(each) for each in members}
            everywhere = set.intersection(*held.values())
            differing.clear()
            differing.update((name, sorted(rows - everywhere)[:20]) for name, rows in held.items())
            return not any(differing.values())
        try:
            self.fleet.wait_until(are_equal, CATCH_UP_SECONDS, "all instances hold the same rows")
        except AssertionError as error:
            raise AssertionError(f"DIVERGED: held by some only {differing}\n{error}") from None
        if gap_max is not None:
            self.assertLess(writer.gap_longest, gap_max, writer.errors[-5:])

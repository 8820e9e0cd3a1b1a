"""Standby clusters on the fleet of `examples/two-regions`: a cluster in Shanghai follows the one in Hangzhou, takes the lead
by two commits, gives it back by one, and goes on alone where Hangzhou is lost.

Each class is one walk, in the order of its tests; every region has hosts of its own, which are lost as hosts are.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import hosts
from databases import Writer
from harness import CATCH_UP_SECONDS, ROOT, FleetTestCase, TimedOut, binary, is_full
from matrix import (
    ASK_SECONDS, BACK_SECONDS, PATIENCE_SECONDS, ROWS_BEFORE, STOP_SECONDS, UNDISTURBED_SECONDS, Crowd, Loyal, MatrixCase, sampled)
from operations import Trigger, begins, known_attempts
from test_11_failover import Watch
from test_9_rebuild import STORE, Rebuilding

EXAMPLE = ROOT / "examples" / "two-regions"
LEAD, STANDBY = "orders", "orders-sh"
FOLLOW_SECONDS = 30
MOVE_SECONDS = 60
TOLD_SECONDS = 20
HOLD_SECONDS = 5  # Nothing is done in that time that is not to be done at all.
FENCE_SECONDS = 5  # An agent that is heard again is told to kill a writer that was given up.
TOKEN = r"\b[0-9a-f]{10}\.\d+\.\d+-\d+-\d+(?:[^\s.]\d+-\d+-\d+)*\.[0-9a-f]{8}\b"


def standby_of(cluster):
    return f"standbyOf: {{cluster: {cluster}}}"


def by_token(token):
    return f"promotion: {{token: {token}}}"


def by_loss(epoch):
    return f"promotion: {{acceptLoss: {epoch}}}"


@unittest.skipIf(hosts.obstacle(), hosts.obstacle())
class StandbyCase(MatrixCase):
    """One fleet for all tests of a class, with load that finds whichever cluster leads."""

    needs = 5

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.has_failed = True  # Until it stands.
        cls.fleet = hosts.HostFleet(cls.__name__, cls.network, cls.wires, example=EXAMPLE)
        cls.prepare()
        cls.fleet.make_table()
        cls.failovers = 0
        cls.has_failed = False

    def setUp(self):
        FleetTestCase.setUp(self)
        self.look()
        self.members = self.holders()
        self.promoted = []

    def holders(self):
        return [each for name in (LEAD, STANDBY) for each in self.fleet.instances(name)]

    def first_of(self, cluster):
        """The primary of the cluster that leads, the head of one that follows."""
        document = self.fleet.cluster(cluster)
        name = document.get("primary") or document.get("head")
        return next((each for each in document.get("instances", ()) if each["name"] == name), None)

    # MARK: What the manifests say

    @classmethod
    def file(cls, cluster):
        return cls.fleet.repository / "clusters" / f"{cluster}.yaml"

    def declare(self, message, **roles):
        """Commits (where there is a message) what `spec` says of each cluster's role, None: nothing. A cluster's name with
        `_` for `-`."""
        for name, role in roles.items():
            file = self.file(name.replace("_", "-"))
            text = re.sub(r"^  (standbyOf|promotion):.*\n", "", file.read_text(), flags=re.M)
            self.assertIn("spec:\n", text)
            file.write_text(text.replace("spec:\n", f"spec:\n  {role}\n", 1) if role else text)
        if message:
            self.fleet.commit(message)

    def said(self, cluster):
        """All that is said of a cluster now, a line each."""
        unit = self.fleet.unit(f"Cluster/{cluster}") or {}
        told = [*unit.get("conditions", ()), *unit.get("findings", ())]
        return "\n".join([
            *(f"{each['reason']}: {each['message']}" for each in told), *unit.get("waits", ()), *unit.get("warnings", ()),
            unit.get("refusal", "")])

    def wait_said(self, cluster, *patterns, seconds=TOLD_SECONDS):
        """Waits until all of them are said of a cluster whose newest manifest is in force; returns what is said."""
        newest = self.fleet.git("log", "-1", "--format=%H", "--", f"clusters/{cluster}.yaml").strip()

        def told():
            if (self.fleet.unit(f"Cluster/{cluster}") or {}).get("revision") != newest:
                return None
            text = self.said(cluster)
            return text if all(re.search(pattern, text) for pattern in patterns) else None

        try:
            return self.fleet.wait_until(told, seconds, f"of {cluster} is said {patterns}")
        except TimedOut as error:
            raise AssertionError(f"what is said of {cluster} instead:\n{self.said(cluster)}\n{error}") from None

    def token(self, cluster):
        """The demotion token, as people and programs are shown it."""
        def shown():
            found = re.findall(TOKEN, self.fleet.cli("describe", "cluster", cluster).stdout)
            return found[0] if found else None

        token = self.fleet.wait_until(shown, MOVE_SECONDS, f"the demotion token of {cluster} is shown")
        self.assertEqual(
            set(re.findall(TOKEN, self.fleet.cli("describe", "cluster", cluster, "-o", "json").stdout)), {token})
        return token

    # MARK: Load

    def writer(self, patience=PATIENCE_SECONDS):
        """An application that knows the primary, or head, of each cluster, and tries one after another."""
        asked, known, turn = [0.0], {}, [0]
        lock = threading.Lock()

        def where():
            with lock:
                if time.monotonic() - asked[0] > ASK_SECONDS:
                    for name in (LEAD, STANDBY):
                        primary = self.first_of(name)
                        if primary:
                            known[name] = (primary["address"], primary["port"])
                    asked[0] = time.monotonic()
                turn[0] += 1
                places = list(known.values())
                return places[turn[0] % len(places)] if places else None

        return Crowd(
            where, "app", self.fleet.passwords["orders-app"], "orders", first=self.next_rows(), patience=patience)

    def stubborn(self, instance):
        """An application that knows one instance only and comes back to it again and again."""
        place = (instance["address"], instance["port"])
        return Writer(
            lambda: place, "app", self.fleet.passwords["orders-app"], "orders", first=self.next_rows(), patience=PATIENCE_SECONDS)

    def watch(self, *instances):
        return Watch(self.fleet, instances or self.members)

    def acknowledged(self, writer):
        return {number for each in (writer, *writer.beside) for number in each.acknowledged}

    # MARK: What must hold

    def is_closed(self, *instances):
        return self.asked(lambda: all(self.root(each).value("SELECT @@read_only") == "1" for each in instances))

    def read_only(self, *instances):
        """Of each whether it is closed, once all of them answer."""
        return self.fleet.wait_until(
            lambda: [self.root(each).value("SELECT @@read_only") == "1" for each in instances], FOLLOW_SECONDS, "all of them answer")

    def follows(self, instance, source):
        wanted = {
            "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Using_Gtid": "Slave_Pos", "Master_Host": source["address"]}
        return self.asked(lambda: wanted.items() <= self.root(instance).replication().items())

    def acknowledges(self, instance, primary):
        return instance["name"] != primary["name"] and self.follows(instance, primary) and self.asked(
            lambda: self.root(instance).status("Rpl_semi_sync_slave_status") == "ON")

    def is_following(self, standby, lead):
        """The head replicates asynchronously from a replica that acknowledges for the primary that leads, the others from the
        head, and none takes writes."""
        primary, head, members = self.first_of(lead), self.first_of(standby), self.fleet.instances(standby)
        if not (primary and head and members and self.is_closed(*members)):
            return False
        acknowledging = [each for each in self.fleet.instances(lead) if self.acknowledges(each, primary)]
        return (
            any(self.follows(head, each) for each in acknowledging)
            and all(self.follows(each, head) for each in members if each["name"] != head["name"])
            and self.asked(lambda: self.root(head).variable("rpl_semi_sync_slave_enabled") == "0")
            and self.asked(lambda: self.root(primary).value("SELECT @@read_only") == "0"))

    def wait_following(self, standby=STANDBY, lead=LEAD, seconds=FOLLOW_SECONDS):
        self.fleet.wait_until(lambda: self.is_following(standby, lead), seconds, f"{standby} follows {lead} as it should")

    def wait_leads(self, cluster):
        self.fleet.wait_until(
            lambda: self.asked(lambda: self.root(self.first_of(cluster)).value("SELECT @@read_only") == "0"), MOVE_SECONDS,
            f"the primary of {cluster} takes writes")

    def assert_leads(self, lead, standby):
        """Everything is converged in these roles."""
        self.fleet.converge(BACK_SECONDS)
        self.wait_following(standby, lead)
        self.assert_sound(name=lead, instances=3 if lead == LEAD else 2)

    def lives(self, *clusters):
        """Of each instance its process, and the directory of its data: neither changes where nothing is cloned or restarted."""
        return {
            each["name"]: (self.fleet.pid(each), (self.fleet.directory(each) / "data").stat().st_ino)
            for cluster in clusters for each in self.fleet.instances(cluster)}

    def nothing_opens(self, *instances, seconds=HOLD_SECONDS):
        """For so long none of them takes a write, whatever is tried."""
        with self.watch(*instances) as watch:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.2)
        self.assertEqual(watch.open, [], self.fleet.describe())
        return watch

    def is_cut_off(self, replica):
        return self.asked(lambda: self.root(replica).replication().get("Slave_IO_Running") != "Yes")

    def epochs(self):
        return {name: self.fleet.cluster(name)["epoch"] for name in (LEAD, STANDBY)}

    def health(self, instance, role):
        """The status by which a load balancer is told whether it may send clients there."""
        try:
            with urllib.request.urlopen(
                    f"http://{instance['address']}:{self.fleet.health_port}/{role}?cluster={instance['cluster']}",
                    timeout=STOP_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def tell(self):
        """What failed is kept, and what each database said then."""
        super().tell()
        with open(self.fleet.root / "status.log", "a", encoding="utf-8") as file:
            file.write(f"\n{self._testMethodName}\n{self.said(LEAD)}\n-\n{self.said(STANDBY)}\n")


class Standby(StandbyCase):
    network = 65

    @classmethod
    def prepare(cls):
        """Only the cluster that leads."""
        cls.kept = cls.file(STANDBY).read_text()
        cls.file(STANDBY).unlink()
        cls.fleet.commit("Hangzhou alone")
        super().prepare()

    def test_1_it_is_made_while_the_lead_is_written_to(self):
        lives = self.lives(LEAD)
        with self.writer() as writer:
            self.writes(writer)
            self.file(STANDBY).write_text(self.kept)
            self.fleet.commit("A standby in Shanghai")
            self.fleet.converge()
            self.writes(writer)
            self.wait_following()
            self.fleet.wait_converged(BACK_SECONDS)  # Nothing is found on either.
            self.writes(writer)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assertEqual(self.lives(LEAD), lives)
        hangzhou = {each["address"] for each in self.fleet.instances(LEAD)}
        across = [
            each["name"] for each in self.fleet.instances(STANDBY) if self.root(each).replication()["Master_Host"] in hangzhou]
        self.assertEqual(across, [self.fleet.cluster(STANDBY)["head"]], "every row crosses between the regions once")
        self.assert_sound()

    def test_2_applications_are_not_led_to_it(self):
        self.fleet.cli("endpoint", STANDBY, status=(4,))
        for instance in self.fleet.instances(STANDBY):
            self.assertEqual(self.health(instance, "primary"), 503, instance["name"])
        self.assertEqual(self.health(self.fleet.primary(), "primary"), 200)
        self.assertRegex(self.fleet.cli("switchover", STANDBY, status=(1,)).stderr, LEAD)

    def test_3_it_follows_a_switchover(self):
        lives, clones = self.lives(LEAD, STANDBY), self.clones()
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.cli("switchover", LEAD)
            self.wait_following()
            self.writes(writer)
            self.fleet.wait_converged(BACK_SECONDS)
        self.assertNotEqual(self.fleet.primary()["name"], self.old["name"])
        self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer)
        self.assertEqual((self.lives(LEAD, STANDBY), self.clones()), (lives, clones))
        self.assert_sound()

    def test_4_it_follows_a_failover(self):
        lives, clones = self.lives(STANDBY), self.clones()
        with self.writer() as writer:
            self.writes(writer)
            self.lose(self.old)
            self.wait_failed_over()
            self.wait_following()
            self.writes(writer)
            self.bring_back(self.old)
            self.fleet.wait_converged(BACK_SECONDS)
        self.judge(writer)
        self.assert_cloned_for_rows_only(clones)
        if self.clones() == clones:
            self.assertEqual(self.lives(STANDBY), lives)
        self.wait_following()
        self.assert_sound()

    def test_5_another_one_becomes_its_head(self):
        head = self.first_of(STANDBY)
        (other,) = [each for each in self.fleet.instances(STANDBY) if each["name"] != head["name"]]
        life, clones = self.lives(STANDBY)[other["name"]], self.clones()
        with self.writer() as writer:
            self.writes(writer)
            self.lose(head)
            self.fleet.wait_until(
                lambda: any(self.follows(other, each) for each in self.fleet.instances(LEAD)), FOLLOW_SECONDS,
                f"{other['name']} follows the cluster that leads")
            acknowledged = self.acknowledged(writer)
            self.fleet.wait_until(
                lambda: self.asked(lambda: not acknowledged - self.rows(other)), CATCH_UP_SECONDS, f"{other['name']} has every row")
            self.writes(writer)
            self.bring_back(head)
            self.fleet.wait_converged(BACK_SECONDS)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.wait_following()
        self.assert_no_failover()
        self.assertEqual((self.lives(STANDBY)[other["name"]], self.clones()), (life, clones))

    def test_6_a_demotion_is_taken_back(self):
        lives, epoch = self.lives(LEAD, STANDBY), self.epochs()[LEAD]
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.declare(None, orders=standby_of(STANDBY))
            self.fleet.wait_until(
                lambda: f"stop writes: the lead goes to {STANDBY}" in self.fleet.cli(
                    "plan", "--path", str(self.fleet.repository), status=(2, 4)).stdout, TOLD_SECONDS, "a plan shows what is to be done")
            self.assertEqual(self.read_only(self.old), [False], "a plan closed it")
            self.declare("Give the lead away", orders=standby_of(STANDBY))
            type(self).stale = self.token(LEAD)
            self.assertTrue(all(self.read_only(*self.members)), "a token is shown while somebody takes writes")
            self.declare("Keep it after all", orders=None)
            self.writes(writer, seconds=MOVE_SECONDS)
            self.fleet.converge(BACK_SECONDS)
        self.judge(writer, gap_max=None)
        self.assertEqual(watch.turns(), [self.old["name"]])
        self.assertGreater(self.epochs()[LEAD], epoch)
        self.assert_leads(LEAD, STANDBY)
        self.assertEqual(self.lives(LEAD, STANDBY), lives)

    def test_7_no_other_way_to_lead(self):
        """A token of a demotion that is not in force; a loss to accept where nothing is lost; neither; a field that is wrong."""
        lives, epochs = self.lives(LEAD, STANDBY), self.epochs()
        self.assertNotEqual(self.stale.split(".")[1], str(epochs[LEAD]), "the token is that of the epoch in force")
        wrong = [
            (by_token(self.stale), (r"(?i)token|takes writes",)),
            (by_loss(epochs[LEAD]), (r"(?i)takes writes|in sight|acceptLoss",)),
            (None, (r"(?i)standbyOf|promotion|token|demot",)),
        ]
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            for role, patterns in wrong:
                with self.subTest(role=role):
                    self.declare(f"Try {role}", orders_sh=role)
                    print(f"{role}:\n{self.wait_said(STANDBY, *patterns)}", file=sys.stderr)
                    self.writes(writer, 200)
            self.declare("A typing error", orders_sh=standby_of("odrers"))
            place = rf"clusters/orders-sh\.yaml:{self.fleet.line_of('standbyOf', self.file(STANDBY))}:\d+"
            self.fleet.wait_until(
                lambda: re.search(place, self.said(STANDBY)), TOLD_SECONDS, "the place of the mistake is told")
            self.writes(writer, 200)
            self.declare("As before", orders_sh=standby_of(LEAD))
            self.fleet.converge()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assertEqual(watch.turns(), [self.old["name"]])
        self.assertEqual((self.lives(LEAD, STANDBY), self.epochs()), (lives, epochs))
        self.wait_following()

    def test_8_the_lead_moves_by_two_commits(self):
        lives, clones, epochs = self.lives(LEAD, STANDBY), self.clones(), self.epochs()
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            began = time.monotonic()
            self.declare("Give the lead away", orders=standby_of(STANDBY))
            token = self.token(LEAD)
            self.assertTrue(all(self.read_only(*self.members)), "a token is shown while somebody takes writes")
            self.declare("A token of another demotion", orders_sh=by_token(self.stale))
            print(self.wait_said(STANDBY, r"(?i)token"), file=sys.stderr)
            self.assertTrue(all(self.read_only(*self.members)))
            shown = time.monotonic()
            self.declare("Take the lead", orders_sh=by_token(token))
            self.writes(writer, 1, MOVE_SECONDS)
            print(
                f"both commits {shown - began:.2f} s apart, writes {time.monotonic() - shown:.2f} s after the second",
                file=sys.stderr, flush=True)
            self.writes(writer)
            self.fleet.converge(BACK_SECONDS)
            self.writes(writer)
        new = self.first_of(STANDBY)
        self.promoted.append(new["name"])
        self.judge(writer, gap_max=None)
        self.assertEqual(watch.turns(), [self.old["name"], new["name"]], "both took writes")
        self.assertGreater(self.epochs()[STANDBY], max(epochs.values()))
        self.assert_leads(STANDBY, LEAD)
        self.assertEqual((self.lives(LEAD, STANDBY), self.clones()), (lives, clones))
        self.fleet.cli("endpoint", STANDBY)
        self.fleet.cli("endpoint", LEAD, status=(4,))

    def test_9_and_back_by_one_and_there_and_back(self):
        """Each time by what the last demotion left, and not by an older one."""
        lives, clones, rows = self.lives(LEAD, STANDBY), self.clones(), set()
        for lead, other in ((STANDBY, LEAD), (LEAD, STANDBY), (STANDBY, LEAD)):
            epochs, old = self.epochs(), self.first_of(lead)
            with self.writer() as writer, self.watch() as watch:
                self.writes(writer)
                self.declare("Exchange", **{lead.replace("-", "_"): standby_of(other), other.replace("-", "_"): None})
                self.wait_leads(other)
                self.writes(writer)
                self.fleet.converge(BACK_SECONDS)
                self.writes(writer)
            new = self.first_of(other)
            self.promoted.append(new["name"])
            rows |= self.acknowledged(writer)
            self.judge(writer)
            self.assertEqual(watch.turns(), [old["name"], new["name"]], "both took writes")
            self.assertGreater(self.epochs()[other], max(epochs.values()))
            self.assert_leads(other, lead)
        for instance in self.holders():
            self.assertEqual(rows - self.rows(instance), set(), instance["name"])
        self.assertEqual((self.lives(LEAD, STANDBY), self.clones()), (lives, clones))

    def test_a_what_is_its_own(self):
        """Parameters are the standby's; content comes with the rows, and what is declared of it there waits for its lead."""
        lives = self.lives(LEAD)
        shanghai, hangzhou = self.file(STANDBY), self.file(LEAD)
        database = (r"    - \{name: orders, characterSet: utf8mb4\}\n", "    - {name: orders, characterSet: utf8mb4}\n    - {name: %s}\n")
        account = (r"  accounts:\n", '  accounts:\n    - {name: report, host: "10.%", passwordFrom: {file: orders-report}, '
                   'grants: [{on: "orders.*", privileges: [SELECT]}]}\n')
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.edit((r"  resources:", "  parameters: {back_log: 91}\n  resources:"), file=shanghai)
            self.fleet.edit((database[0], database[1] % "in_shanghai"), file=shanghai)
            self.fleet.edit((database[0], database[1] % "in_hangzhou"), account, file=hangzhou, message="Changes of both")
            self.fleet.converge()
            self.writes(writer)
            self.assertEqual({self.root(each).variable("back_log") for each in self.fleet.instances(STANDBY)}, {"91"})
            self.assertNotIn("91", {self.root(each).variable("back_log") for each in self.fleet.instances(LEAD)})
            self.wait_following()
            for each in self.holders():
                self.fleet.wait_until(lambda each=each: self.content(each) == {"in_hangzhou", "report"}, STOP_SECONDS, f"{each['name']} has it")
            self.declare("The lead to Shanghai", orders=standby_of(STANDBY), orders_sh=None)
            self.wait_leads(STANDBY)
            self.fleet.wait_until(
                lambda: all("in_shanghai" in self.content(each) for each in self.holders()), FOLLOW_SECONDS, "what it declares is made")
            self.assertTrue(all(self.content(each) >= {"in_hangzhou", "report"} for each in self.holders()))
            self.fleet.wait_converged(BACK_SECONDS)
            self.writes(writer)
        self.judge(writer)
        self.assertEqual(self.lives(LEAD), lives)

    def content(self, instance):
        return {row[0] for row in self.root(instance).rows(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'in\\_%' "
            "UNION SELECT user FROM mysql.user WHERE user = 'report'")}


class RegionLost(StandbyCase):
    """Both clusters come up from one commit; then Hangzhou is lost with rows that are nowhere else, and later Shanghai."""

    network = 66

    def region(self, cluster):
        return sorted({each["address"] for each in self.fleet.instances(cluster)})

    def kept_rows(self, cluster):
        """Numbers of the rows in the decoded files of a cluster's hosts."""
        kept = set()
        for instance in self.fleet.instances(cluster):
            for file in (self.fleet.root / "agents" / instance["host"] / "instances").rglob("tail.sql"):
                kept |= {int(number) for number in re.findall(r"^###\s+@1=(\d+)", file.read_text(errors="replace"), re.M)}
        return kept

    def is_heard(self, instance):
        hosts = (self.fleet.document() or {}).get("hosts", [])
        return any(each["name"] == instance["host"] and each["state"] == "connected" for each in hosts)

    def accept_loss(self, cluster, of):
        """Commits in `cluster` that the lead is given up, as the condition says; returns the epoch that it names."""
        members = self.fleet.instances(cluster)
        self.declare("Without the lead", **{cluster.replace("-", "_"): None})
        text = self.wait_said(cluster, r"acceptLoss: \d+|epoch \d+", r"\d+-\d+-\d+", seconds=MOVE_SECONDS)
        print(text, file=sys.stderr)
        epoch = int(re.search(r"acceptLoss: (\d+)", text)[1] if "acceptLoss: " in text else re.search(r"epoch (\d+)", text)[1])
        self.assertEqual(epoch, self.fleet.cluster(of)["epoch"])
        self.nothing_opens(*members)
        self.declare("A wrong number", **{cluster.replace("-", "_"): by_loss(epoch + 1)})
        self.wait_said(cluster, rf"\b{epoch}\b")
        self.nothing_opens(*members)
        self.declare("Without the rest", **{cluster.replace("-", "_"): by_loss(epoch)})
        self.wait_leads(cluster)
        self.assertGreater(self.fleet.cluster(cluster)["epoch"], epoch)
        return epoch

    def assert_kept(self, lost, cluster):
        """What was given up is in no database any more, in a decoded file, and told."""
        for instance in self.holders():
            self.assertEqual(lost & self.rows(instance), set(), instance["name"])
        self.assertEqual(lost - self.kept_rows(cluster), set(), "rows that are in no file")
        told = [event["message"] for event in self.fleet.events() if event["time"] >= self.since]
        self.assertRegex("\n".join(told), "not held|kept in|set-aside|moved aside")

    def test_1_the_region_that_leads_is_lost(self):
        hangzhou, lives = self.fleet.instances(LEAD), self.lives(STANDBY)
        type(self).gone = self.old
        self.wait_following()
        with self.writer() as writer:
            self.writes(writer)
            # The link between the regions is the first to go: what is written then is in Hangzhou only.
            self.wires.cut(self.region(LEAD), self.region(STANDBY))
            self.fleet.wait_until(
                lambda: self.is_cut_off(self.first_of(STANDBY)), STOP_SECONDS, "the head is cut off")
            self.writes(writer)
            self.lose(*hangzhou)
            began = time.monotonic()
            held = set.intersection(*(self.rows(each) for each in self.fleet.instances(STANDBY)))
            self.accept_loss(STANDBY, LEAD)
            self.writes(writer)
            print(f"{time.monotonic() - began:.1f} s after the loss", file=sys.stderr)
        self.assertEqual(self.lives(STANDBY), lives)
        type(self).lost = self.acknowledged(writer) - self.rows(self.first_of(STANDBY))
        self.assertGreaterEqual(len(self.lost), ROWS_BEFORE)
        self.assertEqual(self.lost & held, set(), "rows are missing that it had")
        type(self).acknowledged_before = self.acknowledged(writer) - self.lost

    def test_2_it_comes_back_and_takes_no_writes(self):
        hangzhou, epoch = self.fleet.instances(LEAD), self.epochs()[STANDBY]
        new = self.first_of(STANDBY)
        with self.writer() as writer, self.stubborn(self.gone) as stubborn, self.watch() as watch:
            self.writes(writer)
            # One after another: an agent that is not welcomed within 5 s opens its writer by the grant that it has.
            for instance in hangzhou:
                self.bring_back(instance)
                self.fleet.wait_until(
                    lambda instance=instance: self.is_heard(instance), BACK_SECONDS, f"the agent of {instance['host']} is heard")
            self.wait_said(LEAD, r"(?i)supersed")
            self.declare("It wants the lead back", orders=by_loss(epoch))
            self.wait_said(LEAD, r"(?i)supersed|takes writes")
            self.nothing_opens(*hangzhou)
            self.writes(writer)
        self.assertEqual(watch.turns(), [new["name"]])
        self.assertEqual(stubborn.acknowledged, [])
        self.assertTrue(stubborn.errors)
        self.assertEqual(self.epochs()[STANDBY], epoch)
        type(self).acknowledged_before = self.acknowledged_before | self.acknowledged(writer)

    def test_3_it_is_a_standby_once_it_is_declared_as_one(self):
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.declare("Hangzhou follows", orders=standby_of(STANDBY))
            self.fleet.converge()
            self.writes(writer)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_leads(STANDBY, LEAD)
        self.assertEqual(watch.turns(), [self.first_of(STANDBY)["name"]])
        for instance in self.holders():
            self.assertEqual(self.acknowledged_before - self.rows(instance), set(), instance["name"])
        self.assert_kept(self.lost, LEAD)

    def test_4_two_leads_end_when_one_sees_the_other(self):
        """Shanghai leads, is cut off with its clients, and goes on; Hangzhou is told to go on without it."""
        shanghai, old = self.region(STANDBY), self.first_of(STANDBY)
        pid = self.fleet.pid(old)
        with Loyal(self.fleet, old, self.next_rows()) as loyal, self.watch() as watch:
            self.fleet.wait_until(lambda: len(loyal.acknowledged) > ROWS_BEFORE, STOP_SECONDS, "its client writes")
            self.wires.cut(shanghai, [*self.region(LEAD), self.wires.servers])
            self.fleet.wait_until(lambda: self.is_cut_off(self.first_of(LEAD)), STOP_SECONDS, "Hangzhou is cut off")
            before = len(loyal.acknowledged)
            self.fleet.wait_until(
                lambda: len(loyal.acknowledged) > before + ROWS_BEFORE, STOP_SECONDS, "Shanghai goes on: nothing tells it otherwise")
            self.accept_loss(LEAD, STANDBY)
            new = self.first_of(LEAD)
            with self.stubborn(new) as writer:
                writer.wait_for(ROWS_BEFORE)
                self.fleet.wait_until(lambda: not self.is_heard(old), STOP_SECONDS, "its agent is silent")
                mended, heard = time.monotonic(), []

                def is_killed():
                    # From when on it is heard, not from the mending: an agent tries again after a while.
                    if not heard and self.is_heard(old):
                        heard.append(time.monotonic())
                    return not pathlib.Path(f"/proc/{pid}").exists()

                self.wires.mend()
                self.fleet.wait_until(is_killed, BACK_SECONDS, "the old primary is killed", poll=0.01)
                killed = time.monotonic()
                self.wait_said(STANDBY, r"(?i)supersed|orders leads")
                writer.wait_for(ROWS_BEFORE)
                self.declare("Shanghai follows", orders_sh=standby_of(LEAD))
                self.fleet.converge()
                writer.wait_for(ROWS_BEFORE)
        print(f"two leads until {killed - mended:.2f} s after it was seen again", file=sys.stderr)
        self.assertLess(killed - (heard or [killed])[0], FENCE_SECONDS)
        self.assertEqual([name for asked, _, name in watch.open if asked > killed and name != new["name"]], [])
        self.assertTrue(loyal.error, "its client was told nothing")
        self.assert_leads(LEAD, STANDBY)
        for instance in self.holders():
            self.fleet.wait_until(
                lambda instance=instance: not set(writer.acknowledged) - self.rows(instance), CATCH_UP_SECONDS,
                f"{instance['name']} has every row")
        lost = set(loyal.acknowledged) - self.rows(new)
        self.assertGreater(len(lost), ROWS_BEFORE)
        self.assert_kept(lost, STANDBY)


@sampled(1)
class Disturbed(StandbyCase):
    """The lead moves while something else happens. Whoever led before a row: it goes to the other one."""

    network = 67

    @classmethod
    def prepare(cls):
        """No budget of failovers: together the rows take more than there may be in an hour."""
        for cluster in (LEAD, STANDBY):
            file = cls.file(cluster)
            file.write_text(file.read_text().replace("spec:\n", "spec:\n  gameDay: allowed\n", 1))
        cls.fleet.commit("Failovers without a budget")
        super().prepare()

    def setUp(self):
        super().setUp()
        self.look_again()

    def look_again(self):
        roles = (LEAD, STANDBY)
        self.lead, self.other = roles[::-1] if all(self.read_only(self.first_of(LEAD))) else roles
        self.old = self.first_of(self.lead)
        self.lives_before, self.clones_before = self.lives(LEAD, STANDBY), self.clones()

    def give(self):
        """The first of two commits."""
        self.declare("Give the lead away", **{self.lead.replace("-", "_"): standby_of(self.other)})

    def take(self, token):
        self.declare("Take the lead", **{self.other.replace("-", "_"): by_token(token)})

    def exchange(self):
        """Both in one."""
        self.declare("Exchange", **{self.lead.replace("-", "_"): standby_of(self.other), self.other.replace("-", "_"): None})

    def restart_server(self):
        self.fleet.server.kill()
        self.fleet.start_server()

    def wait_closed(self):
        self.fleet.wait_until(lambda: self.is_closed(self.old), MOVE_SECONDS, f"{self.old['name']} is closed", poll=0.005)

    def end(self, writer, watch, fails_over=False):
        """The other one leads, and everything is as it should be."""
        self.wait_leads(self.other)
        self.writes(writer)
        self.fleet.wait_converged(BACK_SECONDS)
        self.assert_leads(self.other, self.lead)
        self.promoted.append(self.first_of(self.other)["name"])
        turns = watch.turns()
        self.assertEqual(sorted(set(turns)), sorted(turns), "two took writes")
        self.assertEqual(turns[0], self.old["name"])
        if fails_over:
            self.assert_cloned_for_rows_only(self.clones_before)
        else:
            self.assertEqual(self.clones(), self.clones_before)

    def test_server_is_killed_while_the_lead_is_closed(self):
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.give()
            self.wait_closed()
            self.restart_server()
            token = self.token(self.lead)
            self.restart_server()
            self.assertEqual(self.token(self.lead), token, "a new server has another token")
            self.take(token)
            self.restart_server()
            self.end(writer, watch)
        self.judge(writer, gap_max=None)
        self.assertEqual(self.lives(LEAD, STANDBY), self.lives_before)

    def test_server_is_killed_while_both_exchange(self):
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.exchange()
            self.wait_closed()
            self.restart_server()
            self.end(writer, watch)
        self.judge(writer, gap_max=None)
        self.assertEqual(self.lives(LEAD, STANDBY), self.lives_before)

    def test_primary_is_lost_once_the_token_is_shown(self):
        """The standby needs it no more; it comes back as one."""
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.give()
            token = self.token(self.lead)
            self.fleet.wait_until(
                lambda: self.asked(lambda: set.intersection(*(self.rows(each) for each in self.members)) >= self.acknowledged(writer)),
                CATCH_UP_SECONDS, "every row is everywhere")
            self.lose(self.old)
            self.take(token)
            self.wait_leads(self.other)
            self.bring_back(self.old)
            self.end(writer, watch)
        self.judge(writer, gap_max=None)

    def test_head_is_lost_before_it_is_promoted(self):
        """The other one of the standby gets what it lacks from the primary that was closed."""
        head = self.first_of(self.other)
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.give()
            token = self.token(self.lead)
            self.lose(head)
            self.take(token)
            self.fleet.wait_until(
                lambda: (self.first_of(self.other) or head)["name"] != head["name"], MOVE_SECONDS, "another one is promoted")
            self.bring_back(head)  # Who leads alone has nobody to acknowledge.
            self.end(writer, watch)
        self.judge(writer, gap_max=None)

    def test_regions_are_cut_from_each_other(self):
        """A lead is not closed before the standby is near: it goes on until the link is back."""
        ours, theirs = ([each["address"] for each in self.fleet.instances(name)] for name in (self.lead, self.other))
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.wires.cut(ours, theirs)
            self.fleet.wait_until(
                lambda: not self.first_of(self.other)["serving"], STOP_SECONDS, "the server knows that they are cut from each other")
            self.writes(writer)
            self.exchange()
            head = self.fleet.head
            self.fleet.wait_until(
                lambda: (self.fleet.unit(f"Cluster/{self.lead}") or {}).get("revision") == head, TOLD_SECONDS, "the commit is in force")
            self.nothing_opens(*self.fleet.instances(self.other))
            self.goes_on_writing(writer)
            self.assertLess(writer.gap_longest, UNDISTURBED_SECONDS, writer.errors[-5:])
            self.wires.mend()
            self.end(writer, watch)
        self.judge(writer)
        self.assertEqual(self.lives(LEAD, STANDBY), self.lives_before)

    def lost_when(self, action, victim):
        """The lead moves by one commit, and a host is lost as soon as an attempt of that kind has begun."""
        begun = begins(action, known_attempts(self.fleet))
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            with Trigger(self.fleet, begun, lambda _: self.lose(victim)) as trigger:
                self.exchange()
                self.fleet.wait_until(trigger.happened.is_set, MOVE_SECONDS, f"{action} has begun")
                known = self.fleet.now()
                self.fleet.wait_until(lambda: self.fleet.now() > known + 1000 * HOLD_SECONDS, MOVE_SECONDS, "it is away for a while")
            self.bring_back(victim)
            self.end(writer, watch, fails_over=True)
        self.judge(writer, gap_max=None)

    def test_primary_is_lost_while_it_is_demoted(self):
        """What it acknowledged last is with its own side only: that takes over, before the lead goes on. The three of
        Hangzhou: two are left, and whoever takes over locks the lost one out."""
        if self.lead != LEAD:
            self.exchange()
            self.fleet.converge(BACK_SECONDS)
            self.look_again()
        self.lost_when("demote", self.old)

    def test_head_is_lost_while_it_is_promoted(self):
        self.lost_when("promote", self.first_of(self.other))

    def head_holds_more(self):
        """The lead's primary sends the head what nobody acknowledges, and is lost: the head is ahead of the next primary."""
        ackers = [each for each in self.fleet.instances(self.lead) if each["name"] != self.old["name"]]
        head = self.first_of(self.other)
        with self.writer() as writer:
            self.writes(writer)
            self.wires.cut(self.address(self.old), self.address(*ackers))
            self.fleet.wait_until(
                lambda: self.asked(lambda: self.rows(head) - set.union(*(self.rows(each) for each in ackers))), STOP_SECONDS,
                "the head alone has rows of the primary", poll=0.01)
            self.lose(self.old)
            self.fleet.wait_until(
                lambda: (self.first_of(self.lead) or self.old)["name"] != self.old["name"], MOVE_SECONDS, "another one is promoted")
            self.bring_back(self.old)
            self.wait_leads(self.lead)
            self.writes(writer)
            self.fleet.wait_converged(BACK_SECONDS)
            self.wait_following(self.other, self.lead)
            self.writes(writer)
        self.judge(writer, gap_max=None)
        return self.assert_cloned_for_rows_only(self.clones_before)

    def test_head_holds_what_was_never_acknowledged(self):
        self.head_holds_more()

    def test_standby_is_not_thrown_away_at_once(self):
        away = self.head_holds_more()
        for (cluster, _, end), (other, begin, _) in zip(away, away[1:]):
            if cluster == other:
                self.assertLessEqual(end, begin, f"two of {cluster} are away at once")


@unittest.skipUnless(is_full(), "EVENKEEL_TEST_FULL=1 runs it")
class StoreLost(StandbyCase, Rebuilding):
    """The store is made anew: who leads is what the agents know, and no old store says otherwise."""

    network = 68

    def exchange(self, lead, other):
        self.declare("Exchange", **{lead.replace("-", "_"): standby_of(other), other.replace("-", "_"): None})
        self.fleet.converge(BACK_SECONDS)

    def rebuild(self, lead, standby, lose, new_token=True):
        """`lose()` ends the store in use: the same instance goes on being written to, and nothing is restarted or copied."""
        lives, old = self.lives(LEAD, STANDBY), self.first_of(lead)
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            lose()
            self.start_rebuilding(new_token=new_token)
            shown = {each["name"]: each for each in self.when_ready()["clusters"]}
            self.assertEqual(shown[lead]["writer"], old["name"])
            self.writes(writer)
            self.approve()
            self.fleet.wait_converged(BACK_SECONDS)
            self.writes(writer)
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assertEqual(watch.turns(), [old["name"]])
        self.assertEqual(self.lives(LEAD, STANDBY), lives)
        self.assert_leads(lead, standby)

    def test_1_the_lead_is_known_by_its_agents(self):
        self.rebuild(LEAD, STANDBY, self.remove_store)
        shutil.rmtree(self.fleet.root / "gone")

    def test_2_and_moves_as_ever(self):
        clones = self.clones()
        with self.writer() as writer, self.watch() as watch:
            self.writes(writer)
            self.exchange(LEAD, STANDBY)
            self.writes(writer)
        self.judge(writer)
        self.assertEqual(watch.turns(), [self.old["name"], self.first_of(STANDBY)["name"]])
        self.assertEqual(self.clones(), clones)

    def test_3_a_store_is_lost_after_the_lead_has_moved(self):
        self.rebuild(STANDBY, LEAD, self.remove_store)
        shutil.rmtree(self.fleet.root / "gone")

    def test_4_a_backup_from_before_a_move(self):
        """By it Shanghai leads."""
        copy = self.fleet.root / "copy"
        copy.mkdir()
        self.fleet.server.kill()
        for file in self.data().glob(STORE + "*"):
            shutil.copy(file, copy)
        self.fleet.start_server()
        self.exchange(STANDBY, LEAD)
        self.assert_leads(LEAD, STANDBY)

        def put_back():
            self.remove_store()
            self.move_store(copy, self.data())

        self.rebuild(LEAD, STANDBY, put_back, new_token=False)


class Mistakes(unittest.TestCase):
    """What `validate` says of a fleet whose clusters cannot follow each other as declared."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ek-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.fleet = self.folder / "fleet"
        shutil.copytree(EXAMPLE, self.fleet)
        self.standby = self.fleet / "clusters" / "orders-sh.yaml"

    def validate(self, status):
        done = subprocess.run([binary(), "validate", str(self.fleet)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def assert_mistake(self, role, pattern):
        """`role` in the place of `standbyOf` is an error there, which says `pattern`."""
        text = self.standby.read_text()
        before, after = text.split(standby_of(LEAD))
        first = before.count("\n") + 1
        lines = "|".join(str(first + number) for number in range(len(role.splitlines())))
        self.standby.write_text(before + role + after)
        with self.subTest(role=role):
            self.assertRegex(self.validate(status=1), rf"clusters/orders-sh\.yaml:({lines}):\d+: error: .*({pattern})")
        self.standby.write_text(text)

    def test_the_example_is_valid(self):
        self.assertIn("valid", self.validate(status=0))

    def test_both_may_be_declared_standbys_of_each_other(self):
        """As between the two commits that move the lead."""
        lead = self.fleet / "clusters" / "orders.yaml"
        lead.write_text(lead.read_text().replace("spec:\n", f"spec:\n  {standby_of(STANDBY)}\n", 1))
        self.validate(status=0)

    def test_whom_it_follows(self):
        self.assert_mistake(standby_of("odrers"), "odrers")
        self.assert_mistake(standby_of(STANDBY), "itself")
        self.assert_mistake("standbyOf: orders", "standbyOf")
        self.assert_mistake("standbyOf: {}", "cluster")
        self.assert_mistake("standbyOf: {cluster: orders, region: cn-hangzhou}", "region")

    def test_a_standby_of_a_standby(self):
        third = self.fleet / "clusters" / "orders-third.yaml"
        third.write_text(self.standby.read_text().replace("name: orders-sh", "name: orders-third").replace("port: 3306", "port: 3307"))
        self.validate(status=0)  # Two standbys of one cluster are none.
        text = third.read_text()
        third.write_text(text.replace(standby_of(LEAD), standby_of(STANDBY)))
        line = next(number for number, each in enumerate(third.read_text().splitlines(), 1) if "standbyOf" in each)
        self.assertRegex(self.validate(status=1), rf"clusters/orders-third\.yaml:{line}:\d+: error:.*orders-sh")

    def test_how_it_is_promoted(self):
        token = "77e19d9f04.7.16777217-16777217-1234.ccd48916"
        self.assert_mistake(f"{standby_of(LEAD)}\n  {by_loss(7)}", "standbyOf")
        self.assert_mistake(f'{standby_of(LEAD)}\n  {by_token(token)}', "standbyOf")
        self.assert_mistake(f'promotion: {{token: "{token}", acceptLoss: 7}}', "token|acceptLoss")
        self.assert_mistake(by_token("nonsense"), "token")
        self.assert_mistake(by_token(token.replace("1234", "1243")), "token")  # A slip of the hand.
        self.assert_mistake(by_loss("all"), "acceptLoss|all")
        self.assert_mistake(by_loss(-1), "acceptLoss|-1")


if __name__ == "__main__":
    unittest.main()

"""A lost store is made anew from git and the agents, and one that was put back from a backup is brought up to date, under
a writing client: no database is restarted, no write is lost, and nothing is done before an operator has approved."""

import json
import os
import shutil
import unittest

from databases import Writer
from harness import CATCH_UP_SECONDS, CONVERGE_SECONDS, START_SECONDS, FleetTestCase

REPORT_SECONDS = 30
STORE = "evenkeel.sqlite"
DONE_WITHOUT_HARM = {"open"}  # A writer is affirmed under its new epoch: it stays open all the time.


class Rebuilding(FleetTestCase):
    def data(self):
        return self.fleet.root / "server"

    def remove_store(self):
        """The server is killed, and its store is gone: kept aside, for a test that brings it back."""
        self.fleet.server.kill()
        self.move_store(self.data(), self.fleet.root / "gone")

    def move_store(self, there, to):
        to.mkdir(exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            if (there / (STORE + suffix)).exists():
                (there / (STORE + suffix)).rename(to / (STORE + suffix))

    def serve(self, *flags, status=(1,)):
        """A start that is to fail; what it says."""
        done = self.fleet.cli("serve", "--config", str(self.fleet.configuration), *flags, status=status, timeout=30)
        return done.stderr

    def start_rebuilding(self, flags=("--rebuild",), new_token=True):
        if new_token:  # The tokens went with the store.
            (self.fleet.root / "admin.token").unlink(missing_ok=True)
        self.fleet.start_server(*flags)
        self.fleet.wait_until(self.is_gathered, REPORT_SECONDS, "the revision is read, and the agents that run report")

    def is_gathered(self):
        seen = self.seen(status=None)
        return seen and seen.get("revision") and set(seen["silent"]) <= self.stopped()

    def stopped(self):
        return {host for host in self.fleet.hosts if not self.fleet.agents[host].is_running}

    def seen(self, *choices, status=(0, 3)):
        """What `evenkeel rebuild` shows; 3: something stands in the way of an approval."""
        text = self.fleet.cli("rebuild", "-o", "json", *choices, status=status).stdout
        return json.loads(text) if text else None

    def when_ready(self, *choices):
        return self.fleet.wait_until(
            lambda: (lambda seen: seen if not seen["refusals"] else None)(self.seen(*choices)), REPORT_SECONDS,
            "nothing stands in the way of an approval")

    def approve(self, *choices):
        digest = self.when_ready(*choices)["digest"]
        self.fleet.cli("rebuild", "--approve", digest, *choices)

    def pids(self):
        return {each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}

    def writer(self):
        primary = self.fleet.primary()
        first = 1 + int(self.fleet.database(primary).value("SELECT COALESCE(MAX(id), 0) FROM orders.acked"))
        where = (primary["address"], primary["port"])
        return Writer(lambda: where, "app", self.fleet.passwords["orders-app"], "orders", first=first)

    def assert_rows_are_everywhere(self, writer):
        for instance in self.fleet.instances():
            database = self.fleet.database(instance)
            self.fleet.wait_until(
                lambda database=database: not set(writer.acknowledged) - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")},
                CATCH_UP_SECONDS, f"{instance['name']} has every acknowledged row")

    def assert_undisturbed(self, writer, pids):
        """Nothing was done but to affirm the writer, nothing is to be done, and the application noticed nothing."""
        self.fleet.wait_converged(CONVERGE_SECONDS)
        self.assertIn("Nothing to do", self.fleet.cli("plan", status=(0,)).stdout)
        self.assertEqual(self.pids(), pids, "a database was restarted")
        writer.wait_for(20)
        self.assertEqual(writer.errors, [])


class LostStore(Rebuilding):
    network = 40

    def test_1_a_lost_store_is_named_and_not_made_new(self):
        type(self).before = self.fleet.cluster()
        self.fleet.make_table()
        self.assertIn("not being rebuilt", self.fleet.cli("rebuild", status=(1,)).stderr)
        type(self).old_token = (self.fleet.root / "admin.token").read_text()
        self.remove_store()
        self.assertRegex(self.serve(), "--rebuild")
        key = self.data() / "fleet.key"
        key.rename(self.data() / "kept.key")
        self.assertRegex(self.serve("--rebuild"), "no fleet key")
        self.assertFalse((self.data() / STORE).exists())
        (self.data() / "kept.key").rename(key)

    def test_2_nothing_is_done_before_the_approval(self):
        self.start_rebuilding()
        seen = self.when_ready()
        self.assertEqual(seen["hosts"], self.fleet.hosts)
        (cluster,) = seen["clusters"]
        self.assertEqual((cluster["standing"], cluster["uid"]), ("found", self.before["uid"]))
        self.assertEqual((cluster["writer"], cluster["epoch"]), (self.before["primary"], self.before["epoch"] + 1))
        self.assertEqual(len(cluster["instances"]), 3)
        text = self.fleet.cli("rebuild").stdout
        self.assertIn(f"evenkeel rebuild --approve {seen['digest']}", text)
        for command in (["plan"], ["reconcile"], ["suspend", "Cluster/orders"], ["resume", "Cluster/orders"]):
            self.assertIn("being rebuilt", self.fleet.cli(*command, status=(1,)).stderr)
        self.assertIn("being rebuilt", self.fleet.cli("get", "instances").stderr)
        self.assertIn("evenkeel rebuild", self.fleet.cli("doctor", status=(1,)).stdout)
        self.assertEqual(self.fleet.tasks(), [])

    def test_3_bad_input_is_refused_and_changes_nothing(self):
        digest = self.when_ready()["digest"]
        self.assertIn(digest, self.fleet.cli("rebuild", "--approve", "0123456789ab", status=(5,)).stderr)
        for flags, what in (
            (("--without", "hz-x-9"), "hz-x-9"), (("--writer", "orders=orders-9"), "orders-9"),
            (("--writer", "nothing=nothing-1"), "nothing"), (("--writer", "orders"), "CLUSTER=INSTANCE"),
            (("--create", "orders"), "orders")):
            self.assertIn(what, self.fleet.cli("rebuild", "--approve", digest, *flags, status=(1,)).stderr)
        refused = self.fleet.cli("rebuild", "--approve", digest, "--writer", "orders=orders-2", status=(3,)).stderr
        self.assertIn("is its writer", refused)
        self.fleet.cli("token", "viewer", "eve")
        token = self.fleet.cli("token", "operator", "olga").stdout.strip()
        olga = dict(self.fleet.environment, EVENKEEL_TOKEN=token)
        self.assertIn("role admin", self.fleet.cli("rebuild", "--approve", digest, status=(1,), environment=olga).stderr)
        self.assertEqual(self.seen()["digest"], digest)

    def test_4_a_restart_without_the_flag_goes_on_gathering(self):
        self.fleet.server.kill()
        self.start_rebuilding(flags=(), new_token=False)
        self.assertEqual(self.when_ready()["clusters"][0]["uid"], self.before["uid"])

    def test_5_after_the_approval_everything_goes_on_undisturbed(self):
        self.when_ready()
        pids = self.pids()
        with self.writer() as writer:
            writer.wait_for(20)
            self.approve()
            self.assert_undisturbed(writer, pids)
            self.assertLessEqual({task["action"] for task in self.fleet.tasks()} - {"applyChannel"}, DONE_WITHOUT_HARM)
            self.assertTrue(any(event["reason"] == "StoreRebuilt" and "admin approved" in event["message"] for event in self.fleet.events()))
            self.assert_sound()
        self.assert_rows_are_everywhere(writer)
        self.assertEqual(self.fleet.cluster()["uid"], self.before["uid"])

    def test_6_a_ticket_counts_only_while_a_store_is_being_rebuilt(self):
        host = self.fleet.hosts[0]
        data = self.fleet.root / "agents" / host
        self.assertEqual(os.stat(data / "ticket").st_mode & 0o777, 0o600)
        (data / "credential").rename(data / "credential.kept")
        self.fleet.agents[host].kill()
        agent = self.fleet.start_agent(host)
        self.fleet.wait_until(lambda: "counts only while the store is being rebuilt" in agent.tail(), 20, "its ticket is refused")
        agent.kill()
        (data / "credential").unlink()
        (data / "credential.kept").rename(data / "credential")
        self.fleet.start_agent(host)
        self.fleet.wait_converged(60)

    def test_7_a_commit_converges_as_ever(self):
        self.fleet.edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"), message="A fourth replica")
        self.fleet.converge()
        self.assert_sound(instances=4)
        self.assertEqual([each["ordinal"] for each in self.fleet.instances()], [1, 2, 3, 4])

    def test_8_the_old_store_is_refused_by_every_agent_should_it_come_back(self):
        pids = self.pids()
        token = (self.fleet.root / "admin.token").read_text()
        new = self.fleet.root / "new"
        self.fleet.server.kill()
        self.move_store(self.data(), new)
        self.move_store(self.fleet.root / "gone", self.data())
        (self.fleet.root / "admin.token").write_text(self.old_token)
        self.fleet.start_server()
        known = self.fleet.tasks()
        for host in self.fleet.hosts:
            self.fleet.wait_until(
                lambda host=host: any(f["reason"] == "AgentRefused" for f in (self.fleet.unit("Host/" + host) or {}).get("findings", [])),
                30, f"the agent of {host} is refused")
        self.assertEqual(self.fleet.tasks(), known)
        self.fleet.server.kill()
        shutil.rmtree(self.fleet.root / "gone")
        self.move_store(self.data(), self.fleet.root / "gone")
        self.move_store(new, self.data())
        (self.fleet.root / "admin.token").write_text(token)
        self.fleet.start_server()
        self.fleet.wait_converged(60)
        self.assertEqual(self.pids(), pids)


class OlderBackup(Rebuilding):
    network = 41

    def test_1_a_backup_that_was_put_back_is_not_served_from(self):
        self.fleet.make_table()
        backups = self.data() / "backups"
        self.fleet.server.kill()
        shutil.rmtree(backups)
        self.fleet.start_server()
        copy = self.fleet.wait_until(lambda: next(iter(backups.glob("*.sqlite")), None), START_SECONDS, "the daily backup")
        self.fleet.wait_converged(60)
        self.fleet.edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"), message="A fourth replica")
        self.fleet.converge()
        type(self).before = self.fleet.cluster()
        self.remove_store()
        shutil.copy(copy, self.data() / STORE)
        self.assertRegex(self.serve(), "--rebuild")

    def test_2_the_fourth_replica_is_kept_and_nothing_is_disturbed(self):
        self.start_rebuilding(new_token=False)
        seen = self.when_ready()
        (cluster,) = seen["clusters"]
        self.assertEqual(len(cluster["instances"]), 4)
        self.assertIn("orders-4", " ".join(cluster["notes"]))
        pids = self.pids()
        with self.writer() as writer:
            writer.wait_for(20)
            self.approve()
            self.assert_undisturbed(writer, pids)
            self.assert_sound(instances=4)
        self.assert_rows_are_everywhere(writer)
        self.assertEqual(self.fleet.cluster()["uid"], self.before["uid"])
        self.assertGreater(self.fleet.cluster()["epoch"], self.before["epoch"])
        history = [event["message"] for event in self.fleet.events() if event["reason"] == "RevisionAccepted"]
        self.assertTrue(history, "the history of the backup is gone")


class SilentHost(Rebuilding):
    network = 42

    def test_1_a_silent_host_is_waited_for_or_left_out_by_name(self):
        self.fleet.make_table()
        replica = self.fleet.replicas()[-1]
        type(self).left = replica
        self.fleet.agents[replica["host"]].kill()
        self.remove_store()
        self.start_rebuilding()
        seen = self.seen()
        self.assertEqual(len(seen["hosts"]), len(self.fleet.hosts) - 1)
        self.assertEqual(seen["silent"], [replica["host"]])
        refused = self.fleet.cli("rebuild", "--approve", seen["digest"], status=(3,)).stderr
        self.assertIn(f"--without {replica['host']}", refused)
        text = self.fleet.cli("rebuild", "--without", replica["host"]).stdout
        self.assertIn(f"{replica['name']} may be on a host that is left out", text)
        self.assertIn(f"--approve {seen['digest']} --without {replica['host']}", text)

    def test_2_what_is_left_out_is_left_as_it_is(self):
        left = self.left
        pid = self.fleet.pid(left)
        with self.writer() as writer:
            writer.wait_for(20)
            self.approve("--without", left["host"])
            self.fleet.wait_until(
                lambda: len(self.fleet.instances()) == 3 and all(each["serving"] for each in self.fleet.instances()),
                CONVERGE_SECONDS, "another replica takes its place")
            writer.wait_for(20)
        self.assertNotIn(left["ordinal"], [each["ordinal"] for each in self.fleet.instances()])
        self.assertNotIn(left["serverID"], [each["serverID"] for each in self.fleet.instances()])
        self.assertEqual(writer.errors, [])
        self.assertEqual(self.fleet.pid(left), pid)

    def test_3_it_joins_later_and_nothing_of_it_is_harmed(self):
        left = self.left
        pid = self.fleet.pid(left)
        host = left["host"]
        with self.writer() as writer:
            self.fleet.start_agent(host, token=True)
            self.fleet.wait_until(
                lambda: next(each for each in self.fleet.document()["hosts"] if each["name"] == host)["state"] == "connected",
                30, "it is connected")
            name = f"{self.fleet.cluster()['uid']}-{left['ordinal']}"
            self.fleet.wait_until(
                lambda: name in next(each for each in self.fleet.document()["hosts"] if each["name"] == host)["unmanaged"],
                30, "its instance is shown as unmanaged")
            writer.wait_for(20)
        self.assertEqual(writer.errors, [])
        self.assertEqual(self.fleet.pid(left), pid)
        self.fleet.wait_until(
            lambda: [finding["reason"] for finding in self.fleet.unit("Host/" + host)["findings"]] == ["LeftOut"], 10,
            "what it holds is told")
        self.assertTrue(all(each["serving"] for each in self.fleet.instances()))

    def test_4_another_rebuild_takes_it_in(self):
        left = self.left
        self.fleet.server.kill()
        self.start_rebuilding(new_token=False)
        self.approve()
        ordinals = self.fleet.wait_until(
            lambda: (lambda found: found if left["ordinal"] in found else None)(
                [each["ordinal"] for each in self.fleet.instances(phase=None)]), 30, "it is in the records")
        self.assertEqual(len(ordinals), 4)
        self.fleet.wait_converged(CONVERGE_SECONDS)


class NoWriter(Rebuilding):
    """A store that was lost in the middle of a switchover: its old writer is closed, and no journal names a new one."""

    network = 43

    def test_1_an_unknown_writer_is_not_guessed(self):
        self.fleet.make_table()
        primary = self.fleet.primary()
        type(self).before = self.fleet.cluster()
        host = primary["host"]
        self.remove_store()
        self.fleet.agents[host].kill()
        (self.fleet.root / "agents" / host / "journal.jsonl").unlink()
        self.fleet.database(primary).rows("SET GLOBAL read_only = 1")
        (self.fleet.root / "admin.token").unlink()
        self.fleet.start_server("--rebuild")
        self.fleet.start_agent(host)
        self.fleet.wait_until(self.is_gathered, REPORT_SECONDS, "all agents report")
        seen = self.seen()
        self.assertIn("no agent names a writer", " ".join(seen["refusals"]))
        refused = self.fleet.cli("rebuild", "--approve", seen["digest"], status=(3,)).stderr
        self.assertIn("--writer orders=INSTANCE", refused)
        self.assertEqual(self.fleet.database(primary).value("SELECT @@read_only"), "1")

    def test_2_the_operator_names_it_and_it_is_opened(self):
        name = self.before["primary"]
        self.assertEqual(self.when_ready("--writer", f"orders={name}")["clusters"][0]["writerKnownBy"], "the operator's word")
        self.approve("--writer", f"orders={name}")
        self.fleet.wait_converged(CONVERGE_SECONDS)
        self.assertEqual(self.fleet.primary()["name"], name)
        with self.writer() as writer:
            writer.wait_for(20)
        self.assert_rows_are_everywhere(writer)
        self.assert_sound()


if __name__ == "__main__":
    unittest.main()

"""Bad input at the command line and in the repository: a clear error at the right place, and nothing that runs changes."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import EXAMPLE, Fleet, FleetTestCase, binary

# What is done to a copy of the example, and what `validate` says: file, line where it is fixed, and a part of the text.
MISTAKES = {
    "not YAML": (("clusters/orders.yaml", "kind: Cluster", "kind: [Cluster"), r"clusters/orders.yaml:\d+:\d+: error:"),
    "a tab": (("clusters/orders.yaml", "  name: orders\n", "\tname: orders\n"), r"clusters/orders.yaml:\d+:\d+: error:.*[Tt]ab"),
    "a key twice": (
        ("clusters/orders.yaml", "  topology: primaryReplica", "  topology: primaryReplica\n  topology: single"),
        r"clusters/orders.yaml:\d+:3: error:.*topology"),
    "an unknown field": (
        ("clusters/orders.yaml", "  durability: semiSync", "  durabilty: semiSync"),
        r"clusters/orders.yaml:\d+:3: error:.*durabilty[^$]*did you mean.*durability"),
    "an unknown kind": (("clusters/orders.yaml", "kind: Cluster", "kind: Clutser"), r"clusters/orders.yaml:\d+:\d+: error:.*Clutser"),
    "a wrong type": (("clusters/orders.yaml", "port: 3306", "port: many"), r"clusters/orders.yaml:\d+:\d+: error:.*port|many"),
    "a missing field": (("clusters/orders.yaml", '  engine: {type: mariadb, version: "10.11"}\n', ""), r"clusters/orders.yaml:\d+:\d+: error:.*engine"),
    "a zone that is not there": (
        ("clusters/orders.yaml", "zone: cn-hangzhou-b", "zone: cn-hangzhou-x"), r"clusters/orders.yaml:\d+:\d+: error:.*cn-hangzhou-x"),
    "more replicas than hosts": (
        ("clusters/orders.yaml", "cn-hangzhou-a, replicas: 1", "cn-hangzhou-a, replicas: 9"), r"clusters/orders.yaml:\d+:\d+: error:"),
    "a parameter of ours": (
        ("clusters/orders.yaml", "max_connections: 200", "server_id: 7"), r"clusters/orders.yaml:\d+:\d+: error:.*server_id"),
}


class Validate(unittest.TestCase):
    """`evenkeel validate`, offline. Every rule has a test beside the code; here is what a user sees."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ek-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.fleet = self.folder / "fleet"
        shutil.copytree(EXAMPLE, self.fleet)

    def validate(self, *arguments, status):
        done = subprocess.run(
            [binary(), "validate", str(self.fleet), *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_the_examples_are_valid(self):
        self.assertIn("valid", self.validate(status=0))

    def test_every_mistake_has_its_place(self):
        for name, ((file, old, new), expected) in MISTAKES.items():
            with self.subTest(name):
                path = self.fleet / file
                good = path.read_text()
                self.assertIn(old, good)
                path.write_text(good.replace(old, new, 1))
                self.assertRegex(self.validate(status=1), re.compile(expected, re.S))
                path.write_text(good)

    def test_every_error_is_told_at_once_and_in_order(self):
        path = self.fleet / "clusters" / "orders.yaml"
        path.write_text(path.read_text().replace("  durability: semiSync", "  durabilty: semiSync").replace("port: 3306", "port: x"))
        said = self.validate(status=1)
        places = [tuple(map(int, found)) for found in re.findall(r"orders.yaml:(\d+):(\d+): error", said)]
        self.assertGreaterEqual(len(places), 2, said)
        self.assertEqual(places, sorted(places))
        parsed = json.loads(self.validate("-o", "json", status=1))
        self.assertGreaterEqual(len(parsed), 2)

    def test_a_bomb_of_aliases_and_deep_nesting_end_quickly(self):
        path = self.fleet / "bomb.yaml"
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        path.write_text("\n".join(lines) + "\n")
        self.assertRegex(self.validate(status=1), r"bomb.yaml:\d+:\d+: error")
        path.write_text("a: " + "[" * 10_000 + "]" * 10_000 + "\n")
        self.assertRegex(self.validate(status=1), r"bomb.yaml:\d+:\d+: error")

    def test_bytes_that_are_no_text_and_links_that_lead_out(self):
        (self.fleet / "bytes.yaml").write_bytes(b"apiVersion: evenkeel.dev/v1\nkind: \xff\xfe\n")
        self.assertRegex(self.validate(status=1), r"bytes.yaml:\d+:\d+: error.*UTF-8")
        (self.fleet / "bytes.yaml").unlink()
        (self.fleet / "out.yaml").symlink_to("/etc/hostname")
        self.assertRegex(self.validate(status=1), r"out.yaml")

    def test_an_empty_folder_and_a_path_that_is_not_there(self):
        for path in self.fleet.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.assertRegex(self.validate(status=1), r"error")
        self.fleet.rmdir()
        self.assertRegex(self.validate(status=1), r"error")


class Commands(unittest.TestCase):
    """What a command says when there is no server where it was sent: a sentence, never a name out of a library."""

    def refusal(self, *arguments):
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("help: ", done.stderr)
        self.assertNotRegex(done.stderr, r"Error\b|errno|emptyScheme|\w\(\w*:|[Ii]nvalidURL")
        return done.stderr

    def test_an_address_that_is_no_url(self):
        for arguments in (["get", "clusters"], ["agent", "--host", "h", "--data", "/nonexistent"]):
            self.assertIn("http://127.0.0.1:7070", self.refusal(*arguments, "--server", "127.0.0.1:7070"))
            self.assertIn("names no host", self.refusal(*arguments, "--server", "http://"))
            self.assertIn("begins with ftp://", self.refusal(*arguments, "--server", "ftp://x"))

    def test_a_name_that_is_not_known(self):
        self.assertIn("not known", self.refusal("get", "clusters", "--server", "http://no-such.invalid:7070"))

    def test_a_server_that_hangs_up(self):
        with socket.create_server(("127.0.0.1", 0)) as door:
            def hang_up():
                connection, _ = door.accept()
                connection.recv(10)
                connection.close()

            other = threading.Thread(target=hang_up, daemon=True)
            other.start()
            said = self.refusal("get", "clusters", "--server", f"http://127.0.0.1:{door.getsockname()[1]}")
            self.assertRegex(said, "closed the connection|connection reset")
            other.join(10)

    def test_a_health_address_that_is_not_known(self):
        with tempfile.TemporaryDirectory(prefix="ek-") as folder:
            (pathlib.Path(folder) / "token").write_text("t")
            said = self.refusal(
                "agent", "--server", "http://127.0.0.1:9", "--host", "h", "--data", folder + "/data",
                "--token-file", folder + "/token", "--health", "no-such.invalid:7071")
            self.assertIn("--health", said)


class Repository(FleetTestCase):
    """What happens to the repository never happens to the databases."""

    network = 33

    def setUp(self):
        super().setUp()
        self.fleet.wait_converged(60)
        self.before = {each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}
        self.tasks = [task["id"] for task in self.fleet.tasks()]
        self.good = self.fleet.head

    def assert_untouched(self):
        self.fleet.cli("reconcile", status=None)
        self.fleet.cli("reconcile", status=None)
        self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}, self.before)
        self.assertEqual([task["id"] for task in self.fleet.tasks()], self.tasks)
        self.assertTrue(self.fleet.app().answers())

    def problem(self, pattern, seconds=20):
        def told():
            source = self.fleet.document()["sources"][0]
            text = source["problem"] + source["approvalNeeded"] + "\n".join(source["diagnostics"])
            return text if re.search(pattern, text) else None

        return self.fleet.wait_until(told, seconds, f"the source's problem says {pattern!r}")

    def test_1_the_repository_vanished(self):
        away = self.fleet.root / "away"
        self.fleet.repository.rename(away)
        self.problem(r"\S")
        self.assert_untouched()
        away.rename(self.fleet.repository)
        self.fleet.converge(60)
        self.assert_untouched()

    def test_2_the_branch_is_gone(self):
        self.fleet.git("branch", "-m", "main", "other")
        self.problem("main")
        self.assert_untouched()
        self.fleet.git("branch", "-m", "other", "main")
        self.fleet.converge(60)

    def test_3_the_branch_was_force_pushed(self):
        forgotten = self.force_push(220)
        self.fleet.converge(60)
        self.assert_rewritten(forgotten, 220)

    def force_push(self, connections, while_gone=lambda: None):
        """A commit that comes into force, and then another history without it; returns what is forgotten."""
        self.fleet.edit((r"max_connections: \d+", "max_connections: 210"), message="To be forgotten")
        self.fleet.converge(60)
        forgotten = self.fleet.head
        self.rewritten_since = self.fleet.now()
        while_gone()
        # Made aside: a fetch must not find the branch at the good commit, which is another history too.
        self.fleet.git("checkout", "-q", "--detach", self.good)
        self.fleet.edit((r"max_connections: \d+", f"max_connections: {connections}"), message="Another history")
        self.fleet.git("checkout", "-q", "-B", "main")
        return forgotten

    def assert_rewritten(self, forgotten, connections):
        """The new tree is in force, and who looks at the events learns that history was rewritten."""
        told = [event for event in self.fleet.events(200)
                if event["reason"] == "HistoryRewritten" and event["time"] >= self.rewritten_since]
        self.assertEqual(len(told), 1, told)
        self.assertIn(forgotten[:7], told[0]["message"])
        self.assertIn(self.fleet.head[:7], told[0]["message"])
        self.assertEqual(self.fleet.document()["sources"][0]["accepted"]["commit"], self.fleet.head)
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("max_connections"), str(connections))
        self.assertNotIn(forgotten, self.fleet.git("log", "--format=%H"))
        self.assert_sound()

    def test_4_an_error_holds_its_own_unit_only(self):
        good = self.fleet.cluster_file.read_text()
        text = good.replace("topology: primaryReplica", "topology: ring")
        self.fleet.cluster_file.write_text(text)
        (self.fleet.repository / "channel.yaml").write_text(
            "apiVersion: evenkeel.dev/v1\nkind: AlertChannel\nmetadata: {name: other}\nspec:\n  script: {name: note}\n")
        self.fleet.commit("One mistake, one good thing")
        self.fleet.cli("reconcile", status=None)

        def held():
            conditions = (self.fleet.unit() or {}).get("conditions", [])
            return any(c["type"] == "Stalled" and c["isTrue"] and c["reason"] == "InvalidManifest" for c in conditions)

        self.fleet.wait_until(held, 20, "the cluster is Stalled for InvalidManifest")
        self.fleet.wait_until(
            lambda: (self.fleet.unit("AlertChannel/other") or {}).get("converged"), 20, "the other unit is in force")
        self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}, self.before)
        self.fleet.cluster_file.write_text(good)
        self.fleet.commit("Mended")
        self.fleet.converge(60)

    def test_5_a_revision_without_manifests_is_held(self):
        for path in list(self.fleet.repository.rglob("*.yaml")):
            path.unlink()
        self.fleet.commit("Nothing")
        self.problem("no manifest")
        self.assert_untouched()
        self.fleet.git("revert", "--no-edit", "HEAD")
        self.fleet.converge(60)
        self.assert_untouched()

    def test_6_a_revision_that_removes_every_cluster_waits_for_approval_and_stops_nothing(self):
        text = self.fleet.cluster_file.read_text()
        file = self.fleet.cluster_file
        file.unlink()
        removed = self.fleet.commit("No cluster")
        self.problem("orders|cluster|remov")
        self.assert_untouched()
        self.assertTrue(self.fleet.document()["sources"][0]["approvalNeeded"])
        self.fleet.cli("approve", removed[:12])
        self.fleet.wait_until(
            lambda: self.fleet.document()["sources"][0]["accepted"]["commit"] == removed, 20, "the revision is in force")
        self.fleet.cli("reconcile", status=None)
        for pid in self.before.values():
            self.assertTrue(pathlib.Path(f"/proc/{pid}").exists(), "a database was stopped by removing its manifest")
        file.write_text(text)
        self.fleet.commit("The cluster again")
        self.fleet.converge(60)
        self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}, self.before)

    def test_7_a_branch_that_was_force_pushed_while_no_server_ran(self):
        forgotten = self.force_push(230, self.fleet.server.kill)
        self.fleet.start_server()
        self.fleet.wait_converged(60)
        self.assert_rewritten(forgotten, 230)

    def test_8_what_is_held_stays_held_over_a_restart_at_its_last_good_manifest(self):
        good = self.fleet.cluster_file.read_text()
        connections = self.fleet.database(self.fleet.primary()).variable("max_connections")
        revision = self.fleet.unit()["revision"]
        bad = re.sub(r"max_connections: \d+", "max_connections: 333", good).replace("topology: primaryReplica", "topology: ring")
        self.fleet.cluster_file.write_text(bad)
        self.fleet.commit("A mistake, and a change beside it")
        self.fleet.cli("reconcile", status=None)

        def is_held():
            unit = self.fleet.unit() or {"conditions": []}
            return any(c["type"] == "Stalled" and c["isTrue"] and c["reason"] == "InvalidManifest" for c in unit["conditions"])

        self.fleet.wait_until(is_held, 20, "the cluster is Stalled for InvalidManifest")
        self.fleet.server.kill()
        # The new server finds the mistake in a revision that is in force, and below another one.
        (self.fleet.repository / "late.yaml").write_text(
            "apiVersion: evenkeel.dev/v1\nkind: AlertChannel\nmetadata: {name: late}\nspec:\n  script: {name: note}\n")
        newest = self.fleet.commit("Another thing, while no server ran")
        self.fleet.start_server()
        self.fleet.wait_until(is_held, 20, "the cluster is held by the new server too")
        self.fleet.wait_until(
            lambda: (self.fleet.unit("AlertChannel/late") or {}).get("converged"), 20, "the other thing is in force")
        self.assertEqual(self.fleet.document()["sources"][0]["accepted"]["commit"], newest)
        # A new server shows what it knows of the unit before its first pass.
        self.fleet.wait_until(
            lambda: is_held() and self.fleet.unit()["revision"] == revision, 20, f"it is held at {revision}")
        self.assert_untouched_databases(connections)
        # Held is not left alone: its last good manifest is what drift is measured by.
        self.fleet.database(self.fleet.primary()).rows("SET GLOBAL max_connections = 60")
        self.fleet.wait_until(
            lambda: self.fleet.database(self.fleet.primary()).variable("max_connections") == connections, 45, "drift is healed")
        self.assertTrue(is_held())
        self.fleet.cluster_file.write_text(good)
        self.fleet.commit("Mended")
        self.fleet.converge(60)
        self.assert_untouched_databases(connections)
        self.assert_sound()

    def assert_untouched_databases(self, connections):
        self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}, self.before)
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("max_connections"), connections)


if __name__ == "__main__":
    unittest.main()

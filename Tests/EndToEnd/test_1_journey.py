"""What a new user does, steps 1 to 5: a cluster from a commit, a fourth replica, parameters, content, removal, moving."""

import json
import re
import unittest

from databases import QueryFailed, Writer
from harness import CATCH_UP_SECONDS, FleetTestCase


class Journey(FleetTestCase):
    network = 30

    @classmethod
    def prepare(cls):
        cls.fleet.start()

    def test_01_a_commit_becomes_a_running_cluster(self):
        self.fleet.converge()
        self.assert_sound()
        zones = sorted(each["zone"] for each in self.fleet.instances())
        self.assertEqual(zones, ["cn-hangzhou-a", "cn-hangzhou-b", "cn-hangzhou-c"])
        primary = self.fleet.primary()
        self.assertEqual(primary["zone"], "cn-hangzhou-a")
        database = self.fleet.database(primary)
        self.assertEqual(database.variable("rpl_semi_sync_master_enabled"), "1")
        self.fleet.wait_until(
            lambda: database.status("Rpl_semi_sync_master_clients") == "2", 10, "two replicas acknowledge")
        for replica in self.fleet.replicas():
            self.assertEqual(self.fleet.database(replica).status("Rpl_semi_sync_slave_status"), "ON", replica["name"])
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("gtid_strict_mode"), "1")
            self.assertEqual(self.fleet.database(instance).variable("max_connections"), "200")

    def test_02_the_application_connects_where_endpoint_says(self):
        lines = self.fleet.cli("endpoint", "orders", "-o", "env").stdout.splitlines()
        values = dict(line.split("=", 1) for line in lines)
        primary = self.fleet.primary()
        self.assertEqual(values["ORDERS_PRIMARY_HOST"], primary["address"])
        self.assertEqual(values["ORDERS_PRIMARY_PORT"], str(primary["port"]))
        self.fleet.make_table()
        app = self.fleet.app()
        app.rows("INSERT INTO acked VALUES (0)")
        for replica in self.fleet.replicas():
            self.fleet.wait_until(
                lambda: self.fleet.database(replica).rows("SELECT id FROM orders.acked") == [["0"]], 10,
                f"{replica['name']} has the row")
        with self.assertRaisesRegex(QueryFailed, "denied"):
            app.rows("CREATE TABLE orders.other (id INT)")

    def test_03_a_second_pass_has_nothing_to_do(self):
        plan = self.fleet.cli("plan")
        self.assertEqual(plan.returncode, 0, plan.stdout)
        tasks = len(self.fleet.tasks())
        self.fleet.cli("reconcile", "--wait", "--timeout", "20")
        self.assertEqual(len(self.fleet.tasks()), tasks)

    def test_04_a_plan_before_the_commit_names_file_and_line(self):
        self.fleet.edit((r"zone: cn-hangzhou-c, replicas: 1", "zone: cn-hangzhou-c, replicas: 2"))
        place = f"clusters/orders.yaml:{self.fleet.line_of('cn-hangzhou-c, replicas: 2')}"
        plan = self.fleet.cli("plan", "--path", str(self.fleet.repository), status=(2,))
        self.assertIn(place, plan.stdout)
        self.assertIn("orders-4", plan.stdout)
        self.assertIn("clone", plan.stdout)
        parsed = json.loads(self.fleet.cli("plan", "--path", str(self.fleet.repository), "-o", "json", status=(2,)).stdout)
        self.assertEqual(parsed["formatVersion"], "1.0")
        self.assertEqual(len(self.fleet.instances()), 3, "a plan changed something")

    def test_05_the_commit_clones_a_fourth_replica(self):
        self.fleet.commit("A fourth replica")
        self.fleet.cli("reconcile", "--wait", "--timeout", "100", timeout=120)
        self.fleet.wait_converged(10)
        self.assert_sound(instances=4)
        fourth = self.fleet.instance("orders-4")
        self.assertEqual(fourth["zone"], "cn-hangzhou-c")
        self.assertEqual(self.fleet.database(fourth).rows("SELECT id FROM orders.acked"), [["0"]])
        self.assertEqual(self.fleet.database(fourth).status("Rpl_semi_sync_slave_status"), "ON")
        clones = self.fleet.carried_out("clone")
        self.assertEqual([(task["target"], task["state"]) for task in clones], [("orders-4", "succeeded")])
        self.assertIn("clusters/orders.yaml", clones[0]["cause"])

    def test_06_a_dynamic_parameter_needs_no_restart(self):
        before = {each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}
        self.fleet.edit((r"max_connections: 200", "max_connections: 300"), message="More connections")
        self.fleet.converge(60)
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("max_connections"), "300")
            self.assertIn("max_connections=300", (self.fleet.directory(instance) / "my.cnf").read_text())
        self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}, before)

    def test_07_a_static_parameter_restarts_replicas_first_and_loses_nothing(self):
        before = {each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}
        first_primary = self.fleet.primary()["name"]
        known = {task["id"] for task in self.fleet.tasks()}
        with self.writer() as writer:
            writer.wait_for(20)
            self.fleet.edit((r"max_connections: 300", "max_connections: 300, back_log: 77"), message="A longer queue")
            self.fleet.converge(120)
            writer.wait_for(20)
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).variable("back_log"), "77")
            self.assertNotEqual(self.fleet.pid(instance), before[instance["name"]])
        tasks = [task for task in self.fleet.tasks() if task["id"] not in known and task["state"] == "succeeded"]
        order = [task["target"] for task in tasks if task["action"] == "restart"]
        self.assertEqual(len(order), 4, order)
        self.assertEqual(order[-1], first_primary, "the old primary is restarted last")
        switch = next(index for index, task in enumerate(tasks) if task["action"] == "promote")
        last = max(index for index, task in enumerate(tasks) if task["action"] == "restart")
        self.assertLess(switch, last, "the old primary is restarted after the switchover")
        ends = sorted((task["startedMilliseconds"], task["endedMilliseconds"]) for task in tasks if task["action"] == "restart")
        for (_, end), (start, _) in zip(ends, ends[1:]):
            self.assertLessEqual(end, start, "two instances were restarted at once")
        self.assert_rows_are_everywhere(writer)
        self.assert_sound(instances=4)

    def test_08_a_database_and_an_account_come(self):
        self.fleet.edit(
            (r"(    - \{name: orders, characterSet: utf8mb4\})", "    - {name: orders, characterSet: utf8mb4}\n    - {name: reports, deletionPolicy: Delete}"),
            (r"^  accounts:$", "  accounts:\n    - name: report\n      host: \"127.%\"\n      passwordFrom: {file: orders-report}\n"
             "      grants: [{on: \"reports.*\", privileges: [SELECT, CREATE]}]"),
            message="Reports")
        self.fleet.converge(60)
        report = self.fleet.database(self.fleet.primary(), "report", self.fleet.passwords["orders-report"], "reports")
        report.rows("CREATE TABLE things (id INT PRIMARY KEY)")
        with self.assertRaisesRegex(QueryFailed, "denied"):
            report.rows("INSERT INTO things VALUES (1)")

    def test_09_a_grant_changes(self):
        self.fleet.edit((r"privileges: \[SELECT, CREATE\]", "privileges: [SELECT, INSERT]"), message="Reports may insert")
        self.fleet.converge(60)
        report = self.fleet.database(self.fleet.primary(), "report", self.fleet.passwords["orders-report"], "reports")
        report.rows("INSERT INTO things VALUES (1)")
        with self.assertRaisesRegex(QueryFailed, "denied"):
            report.rows("CREATE TABLE others (id INT)")

    def test_10_an_account_and_a_database_go(self):
        text = self.fleet.cluster_file.read_text()
        text = re.sub(r"    - name: report\n(      .*\n){3}", "", text).replace("    - {name: reports, deletionPolicy: Delete}\n", "")
        self.fleet.cluster_file.write_text(text)
        self.fleet.commit("No reports")
        self.fleet.converge(60)
        root = self.fleet.database(self.fleet.primary())
        self.assertEqual(root.rows("SELECT User FROM mysql.user WHERE User = 'report'"), [])
        self.assertEqual(root.rows("SHOW DATABASES LIKE 'reports'"), [])
        self.assertEqual(root.rows("SHOW DATABASES LIKE 'orders'"), [["orders"]])

    def test_11_a_removed_replica_is_stopped_and_its_directory_kept(self):
        before = {each["name"]: self.fleet.directory(each) for each in self.fleet.instances()}
        self.fleet.edit((r"zone: cn-hangzhou-c, replicas: 2", "zone: cn-hangzhou-c, replicas: 1"), message="Three again")
        self.fleet.converge(60)
        self.assert_sound(instances=3)
        left = set(before) - {each["name"] for each in self.fleet.instances()}
        self.assertEqual(len(left), 1)
        gone = left.pop()
        self.assertTrue((before[gone] / "data" / "ibdata1").exists(), "its directory is not kept")
        shown = self.fleet.instance(gone)
        self.assertEqual(shown["phase"], "retired")
        self.assertGreater(shown["retainedUntilMilliseconds"], self.fleet.now())
        self.assertIn("retired", self.fleet.cli("get", "instances", "orders").stdout)

    def test_12_a_move_brings_the_new_one_first(self):
        known = {task["id"] for task in self.fleet.tasks()}
        self.fleet.edit(
            (r"    - \{zone: cn-hangzhou-b, replicas: 1\}\n", ""),
            (r"zone: cn-hangzhou-c, replicas: 1", "zone: cn-hangzhou-c, replicas: 2"), message="Out of zone b")
        self.fleet.converge(120)
        self.assert_sound(instances=3)
        self.assertEqual(
            sorted(each["zone"] for each in self.fleet.instances()), ["cn-hangzhou-a", "cn-hangzhou-c", "cn-hangzhou-c"])
        tasks = [task for task in self.fleet.tasks() if task["id"] not in known and task["state"] == "succeeded"]
        actions = [task["action"] for task in tasks]
        self.assertLess(actions.index("clone"), actions.index("retire"))
        self.assertLess(actions.index("acknowledge"), actions.index("retire"), "the new one serves before the old one goes")

    def test_13_a_drained_host_is_emptied_and_its_instance_comes_up_elsewhere(self):
        self.fleet.edit(
            (r"zone: cn-hangzhou-c, replicas: 2\}\n", "zone: cn-hangzhou-c, replicas: 1}\n    - {zone: cn-hangzhou-b, replicas: 1}\n"),
            message="Back into zone b")
        self.fleet.converge(120)
        known = {task["id"] for task in self.fleet.tasks()}
        old = next(each for each in self.fleet.instances() if each["zone"] == "cn-hangzhou-b")["host"]
        self.fleet.edit(
            (rf"name: {old}\nspec:\n", f"name: {old}\nspec:\n  drain: true\n"),
            file=self.fleet.repository / "hosts" / "zone-b.yaml", message="Drain it")
        self.fleet.converge(120)
        self.assert_sound(instances=3)
        self.assertNotEqual(next(each for each in self.fleet.instances() if each["zone"] == "cn-hangzhou-b")["host"], old)
        tasks = [task for task in self.fleet.tasks() if task["id"] not in known and task["state"] == "succeeded"]
        actions = [task["action"] for task in tasks]
        self.assertLess(actions.index("acknowledge"), actions.index("retire"), "the new one serves before the old one goes")
        self.assertIn("hosts/zone-b.yaml", tasks[actions.index("retire")]["cause"])
        row = next(line for line in self.fleet.cli("get", "hosts", "-o", "wide").stdout.splitlines() if line.startswith(old))
        self.assertIn("drain", row)

    def test_14_a_suspended_cluster_is_left_alone_until_it_is_resumed(self):
        self.fleet.cli("suspend", "Cluster/orders")
        self.fleet.edit((r"max_connections: 300", "max_connections: 310"), message="Even more connections")
        self.fleet.cli("reconcile")
        self.fleet.wait_until(
            lambda: self.fleet.document()["sources"][0]["accepted"]["commit"] == self.fleet.head, 10, "the commit is in force")
        self.fleet.wait_until(
            lambda: any(c["type"] == "Suspended" and c["isTrue"] for c in self.fleet.unit()["conditions"]), 10, "it is told")
        self.assertEqual(self.fleet.database(self.fleet.primary()).variable("max_connections"), "300")
        self.fleet.cli("resume", "Cluster/orders")
        self.fleet.converge(60)
        self.assertEqual(self.fleet.database(self.fleet.primary()).variable("max_connections"), "310")

    def test_15_every_task_names_its_cause(self):
        for task in self.fleet.tasks():
            self.assertRegex(task["cause"], r"\S", task)
        self.assertTrue(self.fleet.cli("history").stdout.count("accepted") >= 5)

    def writer(self):
        def where():
            primary = self.fleet.primary()
            return (primary["address"], primary["port"]) if primary else None

        first = 1 + int(self.fleet.database(self.fleet.primary()).value("SELECT COALESCE(MAX(id), 0) FROM orders.acked"))
        return Writer(where, "app", self.fleet.passwords["orders-app"], "orders", first=first)

    def assert_rows_are_everywhere(self, writer):
        """Every acknowledged row is on every instance, once replicas have applied what they have."""
        self.assertGreater(len(writer.acknowledged), 40)
        for instance in self.fleet.instances():
            database = self.fleet.database(instance)

            def missing():
                return set(writer.acknowledged) - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")}

            self.fleet.wait_until(lambda: not missing(), CATCH_UP_SECONDS, f"{instance['name']} has every acknowledged row")


if __name__ == "__main__":
    unittest.main()

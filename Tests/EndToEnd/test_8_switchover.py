"""A planned switchover under a writing application, followed by a real HAProxy and by an agent's role command."""

import os
import re
import shutil
import socket
import unittest

import figures
from databases import Connection, QueryFailed, Writer
from harness import CATCH_UP_SECONDS, ROOT, TOLD_SECONDS, FleetTestCase, free_port

SWITCHOVERS = 3
GAP_SECONDS = 10.0  # The aim is 5.


class Switchover(FleetTestCase):
    network = 46

    @classmethod
    def prepare(cls):
        cls.roles = cls.fleet.root / "roles.log"
        cls.roles.touch()
        cls.roles.chmod(0o666)
        script = cls.fleet.root / "role.sh"
        script.write_text(f'#!/bin/sh\necho "$EVENKEEL_CLUSTER $EVENKEEL_ROLE $EVENKEEL_EPOCH $EVENKEEL_INSTANCE" >> {cls.roles}\n')
        script.chmod(0o755)
        cls.fleet.role_command = [str(script)]
        super().prepare()
        cls.fleet.make_table()

    def switch(self, zone):
        self.fleet.edit((r"preferredZones: \[[^\]]*\]", f"preferredZones: [{zone}]"), message=f"The primary in {zone}")
        self.fleet.converge(60)
        self.assertEqual(self.fleet.primary()["zone"], zone)

    def judge(self, writer):
        """All is well, every acknowledged row is everywhere, and writes stopped for no longer than they may."""
        self.assert_sound()
        acknowledged = set(writer.acknowledged)
        for instance in self.fleet.instances():
            database = self.fleet.database(instance)
            self.fleet.wait_until(
                lambda: not acknowledged - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")}, CATCH_UP_SECONDS,
                f"{instance['name']} has all of {len(acknowledged)} acknowledged rows")
        figures.tell(self.id(), writer.gap_longest)
        self.assertLess(writer.gap_longest, GAP_SECONDS, writer.errors)

    def test_1_no_acknowledged_row_is_lost(self):
        def where():
            primary = self.fleet.primary()
            return (primary["address"], primary["port"]) if primary else None

        epoch = self.fleet.cluster()["epoch"]
        with Writer(where, "app", self.fleet.passwords["orders-app"], "orders") as writer:
            for zone in (["cn-hangzhou-b", "cn-hangzhou-c", "cn-hangzhou-a"] * SWITCHOVERS)[:SWITCHOVERS]:
                writer.wait_for(50)
                self.switch(zone)
            writer.wait_for(50)
        self.assertGreater(self.fleet.cluster()["epoch"], epoch)
        self.judge(writer)

    def test_2_a_role_command_was_told(self):
        uid, primary = self.fleet.cluster()["uid"], self.fleet.primary()

        def told():
            lines = [line.split() for line in self.roles.read_text().splitlines(keepends=True) if line.endswith("\n")]
            primaries = [(int(epoch), instance) for cluster, role, epoch, instance in lines if role == "primary"]
            return len({epoch for epoch, _ in primaries}) >= 1 + SWITCHOVERS and max(primaries)[1] == f"{uid}-{primary['ordinal']}"

        self.fleet.wait_until(told, TOLD_SECONDS, f"the command was told of each primary, {primary['name']} the last of them")

    def test_3_haproxy_follows_the_primary(self):
        """`examples/haproxy/haproxy.cfg`, with this fleet's addresses and a free port in the places of its own."""
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.assertTrue(os.path.exists(program), "haproxy is missing; run: make deps")
        front, replicas = free_port(), free_port()
        text = self.fleet.rewrite((ROOT / "examples" / "haproxy" / "haproxy.cfg").read_text())
        text = text.replace("127.0.0.1:13306", f"127.0.0.1:{front}").replace("127.0.0.1:13307", f"127.0.0.1:{replicas}")
        text = re.sub(r"(127\.0\.\d+\.\d+):3306\b", rf"\1:{self.fleet.port}", text)
        text = re.sub(r"port 7071\b", f"port {self.fleet.health_port}", text)
        configuration = self.fleet.root / "haproxy.cfg"
        configuration.write_text(text)
        child = self.fleet.start_other("haproxy", [program, "-db", "-f", str(configuration)])

        def behind(port):
            """The address of the instance that answers at a port, or None."""
            try:
                connection = Connection("127.0.0.1", port, "app", self.fleet.passwords["orders-app"], "orders")
            except (OSError, QueryFailed, IndexError):
                return None
            try:
                return connection.value("SELECT @@bind_address")
            except (OSError, QueryFailed, IndexError):
                return None
            finally:
                connection.close()

        self.fleet.wait_until(lambda: behind(front) == self.fleet.primary()["address"], 20, "haproxy leads to the primary")
        self.fleet.wait_until(
            lambda: behind(replicas) in [each["address"] for each in self.fleet.replicas()], 20, "and to a replica")
        with Writer(lambda: ("127.0.0.1", front), "app", self.fleet.passwords["orders-app"], "orders", first=1_000_000) as writer:
            writer.wait_for(20)
            old = self.fleet.primary()
            self.switch("cn-hangzhou-b" if old["zone"] != "cn-hangzhou-b" else "cn-hangzhou-c")
            self.fleet.wait_until(
                lambda: behind(front) == self.fleet.primary()["address"], 15, "haproxy leads to the new primary")
            writer.wait_for(20)
        self.assertTrue(child.is_running, child.tail())
        database = self.fleet.database(self.fleet.primary())
        self.assertEqual(
            set(writer.acknowledged) - {int(row[0]) for row in database.rows("SELECT id FROM orders.acked")}, set())

    def test_4_a_primary_by_command(self):
        """What would be moved back at once, or cannot be, is refused with the reason; else it is done and told."""
        primary = self.fleet.primary()
        others = [each for each in self.fleet.instances() if each["name"] != primary["name"]]
        refused = self.fleet.cli("switchover", "orders", "--to", others[0]["name"], status=(1,))
        self.assertIn("preferredZones", refused.stderr)
        self.fleet.edit((r"^  primary: \{preferredZones: \[[^\]]*\]\}\n", ""), message="The primary anywhere")
        self.fleet.converge(60)
        self.assertIn("is the primary already", self.fleet.cli("switchover", "orders", "--to", primary["name"], status=(1,)).stderr)
        self.assertIn("no such instance", self.fleet.cli("switchover", "orders", "--to", "orders-9", status=(1,)).stderr)
        refused = self.fleet.cli("failover", "orders", status=(1,)).stderr
        self.assertIn("is not known to be lost", refused)
        shown = re.search(r"`evenkeel (describe [^`]+)` shows what is known of it", refused).group(1)
        self.assertIn(f"Primary     {primary['name']}", self.fleet.cli(*shown.split()).stdout)
        self.assertIn("is missing", self.fleet.cli("describe", "cluster", status=(1,)).stderr)
        done = self.fleet.cli("switchover", "orders", "--to", others[1]["name"])
        self.assertIn(f"{others[1]['name']} is the primary of orders.", done.stdout)
        self.assertEqual(self.fleet.primary()["name"], others[1]["name"])
        self.fleet.cli("switchover", "orders")
        self.assertNotEqual(self.fleet.primary()["name"], others[1]["name"])
        self.assert_sound()

    def test_5_a_drained_zone_is_left_by_the_primary_alone(self):
        """By a commit to the zone: no row is lost, its replica stays and acknowledges, and the primary comes back when that is over."""
        places, zone = self.fleet.repository / "regions.yaml", self.fleet.primary()["zone"]
        self.fleet.edit(
            (r"^  topology: primaryReplica\n", f"  topology: primaryReplica\n  primary: {{preferredZones: [{zone}]}}\n"), message="The primary stays")
        self.fleet.converge(60)
        stays, hosts = self.fleet.primary(), {each["name"]: each["host"] for each in self.fleet.instances()}

        def where():
            primary = self.fleet.primary()
            return (primary["address"], primary["port"]) if primary else None

        with Writer(where, "app", self.fleet.passwords["orders-app"], "orders", first=2_000_000) as writer:
            writer.wait_for(50)
            known = {task["id"] for task in self.fleet.tasks()}
            self.fleet.edit((rf"name: {zone}\nspec:\n", f"name: {zone}\nspec:\n  drain: true\n"), file=places, message="Drain the zone")
            self.fleet.converge(60)
            self.assertNotEqual(self.fleet.primary()["zone"], zone)
            self.assertEqual({each["name"]: each["host"] for each in self.fleet.instances() if each["serving"]}, hosts)
            told = self.fleet.wait_finding("DrainHeld", TOLD_SECONDS)
            self.assertRegex(told, rf"zone {zone} is drained: regions.yaml:\d+; the primary leaves it, and it stays as a replica")
            causes = [task["cause"] for task in self.fleet.tasks() if task["id"] not in known and task["action"] == "demote"]
            self.assertRegex(causes[0], rf"zone {zone} is drained: regions.yaml:\d+")
            refused = self.fleet.cli("switchover", "orders", "--to", stays["name"], status=(1,))
            self.assertIn(f"zone {zone} is drained", refused.stderr)
            self.assertIn("drain", next(line for line in self.fleet.cli("get", "hosts", "-o", "wide").stdout.splitlines() if line.startswith(stays["host"])))
            self.assertRegex(self.fleet.cli("get", "zones").stdout, rf"(?m)^{zone} .* drain *$")
            self.fleet.cli("validate", str(self.fleet.repository))
            writer.wait_for(50)
            self.fleet.edit((r"^  drain: true\n", ""), file=places, message="The zone is back")
            self.fleet.converge(60)
            self.assertEqual(self.fleet.primary()["name"], stays["name"])
            writer.wait_for(50)
        self.judge(writer)


if __name__ == "__main__":
    unittest.main()

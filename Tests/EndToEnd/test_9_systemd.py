"""Under systemd: agents by the units that ship, databases in units of their own, which nothing done to an agent
reaches. systemd is a real one, PID 1 of namespaces made for the test."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import booted
from harness import FOLLOW_SECONDS, ROOT, Fleet, FleetTestCase, binary, processes_below

UNITS = ROOT / "manifests" / "systemd"
BACK_SECONDS = 60


class Unit:
    """An agent that systemd runs; what `Child` is for one that the test runs."""

    def __init__(self, systemd, name, log, data):
        self.systemd, self.name, self.log, self.data = systemd, name, log, data
        systemd.run("systemctl", "daemon-reload")
        systemd.run("systemctl", "start", name)

    @property
    def is_running(self):
        return self.systemd.properties(self.name, "ActiveState")["ActiveState"] == "active"

    @property
    def main(self):
        """Its process id as systemd counts."""
        return int(self.systemd.properties(self.name, "MainPID")["MainPID"])

    @property
    def pid(self):
        """As this machine counts."""
        wanted = f" agent --server .* --data {self.data} "
        return next((pid for pid, command in processes_below(self.data.parent) if re.search(wanted, command + " ")), None)

    def stop(self):
        self.systemd.run("systemctl", "stop", self.name, check=False)

    def tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class BootedFleet(Fleet):
    """Agents started by the shipped unit, with this test's paths in place of the installed ones."""

    def __init__(self, name, network, systemd):
        super().__init__(name, network)
        self.systemd = systemd
        systemd.add("evenkeel-databases.target", (UNITS / "evenkeel-databases.target").read_text())

    def start_agent(self, host, server=None):
        data = self.root / "agents" / host
        data.parent.mkdir(exist_ok=True)
        data.parent.chmod(0o755)
        token = self.root / f"{host}.token"
        token.write_text(self.cli("token", "enrolment", host).stdout)
        options = self.root / f"{host}.env"
        options.write_text(f"EVENKEEL_SERVER={self.url}\nEVENKEEL_AGENT_OPTIONS=--token-file {token}\n")
        log = self.root / f"agent-{host}.log"
        text = (UNITS / "evenkeel-agent@.service").read_text()
        for old, new in (
            ("/etc/evenkeel/agent.env", str(options)), ("/var/lib/evenkeel-agent", str(data)),
            ("/usr/local/bin/evenkeel", binary()), ("StateDirectory=evenkeel-agent", f"StandardError=append:{log}"),
        ):
            assert old in text, f"the unit has no {old}"
            text = text.replace(old, new)
        name = f"evenkeel-agent@{host}.service"
        self.systemd.add(name, text)
        self.agents[host] = Unit(self.systemd, name, log, data)
        return self.agents[host]


@unittest.skipIf(booted.obstacle(), booted.obstacle())
class UnderSystemd(FleetTestCase):
    network = 61

    @classmethod
    def setUpClass(cls):
        os.chmod(os.path.dirname(binary()), 0o755)
        cls.boot_log = pathlib.Path("/tmp") / f"ek-systemd-{os.getpid()}.log"
        cls.systemd = booted.Systemd(cls.boot_log)
        cls.addClassCleanup(cls.boot_log.unlink)
        cls.addClassCleanup(cls.systemd.stop)
        super().setUpClass()

    @classmethod
    def make_fleet(cls):
        return BootedFleet(cls.__name__, cls.network, cls.systemd)

    def unit(self, instance):
        return f"evenkeel-{instance['name']}.service"

    def pids(self):
        return {each["name"]: self.fleet.pid(each) for each in self.fleet.instances()}

    def test_1_each_database_has_a_unit_of_its_own(self):
        for instance in self.fleet.instances():
            seen = self.systemd.properties(
                self.unit(instance), "ActiveState", "MainPID", "ControlGroup", "Restart", "KillMode", "LimitNOFILE")
            self.assertEqual(
                [seen[name] for name in ("ActiveState", "Restart", "KillMode", "LimitNOFILE")],
                ["active", "no", "mixed", "65536"])
            self.assertTrue(seen["ControlGroup"].endswith(f"/evenkeel.slice/{self.unit(instance)}"), seen)
            status = pathlib.Path(f"/proc/{self.fleet.pid(instance)}/status").read_text()
            self.assertNotEqual(re.search(r"^Uid:\s+(\d+)", status, re.M)[1], "0", "a database runs as root")
            self.assertEqual(re.search(r"^NSpid:.*\s(\d+)$", status, re.M)[1], seen["MainPID"])
        self.assert_sound()

    def test_2_restarting_and_killing_agents_touches_no_database(self):
        before = self.pids()
        for instance in self.fleet.instances():
            agent = self.fleet.agents[instance["host"]]
            first = agent.main
            self.systemd.run("systemctl", "restart", agent.name)
            second = agent.main
            # The whole control group, as an operator in a hurry would.
            self.systemd.run("systemctl", "kill", "--signal=KILL", "--kill-who=all", agent.name)
            self.fleet.wait_until(
                lambda: agent.main not in (0, first, second), BACK_SECONDS, f"{agent.name} is started again")
        self.fleet.wait_converged(BACK_SECONDS)
        self.assertEqual(self.pids(), before)
        self.assert_sound()

    def test_3_a_killed_database_is_back_in_its_unit(self):
        replica = self.fleet.replicas()[0]
        primary = self.fleet.primary()
        for instance in (replica, primary):
            self.fleet.wait_started_again(instance, lambda pid: os.kill(pid, signal.SIGKILL))
            self.fleet.wait_converged()
            self.assertEqual(self.systemd.properties(self.unit(instance), "ActiveState")["ActiveState"], "active")
        self.assert_sound()

    def test_4_a_stopped_unit_is_drift(self):
        replica = self.fleet.replicas()[0]
        self.fleet.wait_started_again(replica, lambda _: self.systemd.run("systemctl", "stop", self.unit(replica)))
        self.fleet.wait_converged()

    def test_5_a_restart_by_commit_keeps_the_unit(self):
        self.fleet.edit((r"max_connections: \d+", "max_connections: 210, back_log: 123"), message="A restart")
        self.fleet.converge()
        for instance in self.fleet.instances():
            self.assertEqual(self.fleet.database(instance).value("SELECT @@back_log"), "123")
            self.assertEqual(self.systemd.properties(self.unit(instance), "ActiveState")["ActiveState"], "active")
        self.assert_sound()

    def test_6_at_a_shutdown_the_agents_end_before_the_databases(self):
        logs = [self.fleet.directory(each) / "log" / "error.log" for each in self.fleet.instances()]
        sizes = {log: log.stat().st_size for log in logs}
        agents = [agent.name for agent in self.fleet.agents.values()]
        databases = [self.unit(each) for each in self.fleet.instances()]
        # systemd stops in the order opposite to the one in which it starts: databases, their target, agents.
        self.assertEqual(self.systemd.properties("evenkeel-databases.target", "ActiveState")["ActiveState"], "active")
        for name in agents:
            self.assertIn("evenkeel-databases.target", self.systemd.properties(name, "After")["After"].split())
        for name in databases:
            self.assertIn("evenkeel-databases.target", self.systemd.properties(name, "Before")["Before"].split())
        self.systemd.run("systemctl", "stop", "--", *agents, *databases, "evenkeel-databases.target")
        left = {name: pid for name, pid in self.pids().items() if pid}
        self.assertEqual(left, {}, "a database was started again on the way down")
        for log, size in sizes.items():
            said = log.read_text(errors="replace")[size:]
            self.assertIn("Shutdown complete", said)
            self.assertNotIn("Starting MariaDB", said)


@unittest.skipIf(booted.obstacle(), booted.obstacle())
class ShippedUnits(unittest.TestCase):
    def test_systemd_understands_them(self):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for path in sorted(UNITS.glob("evenkeel-*")):
                target = pathlib.Path(folder, path.name)
                target.write_text(path.read_text().replace("/usr/local/bin/evenkeel", binary()))
                files.append(str(target))
            self.assertEqual(len(files), 3)
            done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

"""Faults: server, agents and databases are killed between tasks and during each kind. The end is the same as without:
every task's effect is there once, no process is left over, no instance is half made."""

import os
import signal
import unittest

from databases import Database
from harness import Fleet, FleetTestCase, processes_below, sample
from operations import COME_BACK, FOUNDING, RUNNING, Trigger, begins, count_of, known_attempts

HAPPEN_SECONDS = 90
FOUNDING_ATTEMPTS = 14  # Of three instances; a kill at the last is a kill at the end.


class NewFleet(FleetTestCase):
    """A fresh fleet for each fault, while the cluster is founded."""

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def make_fleet(cls):
        return None

    @classmethod
    def _stop(cls):
        pass

    def found(self, moment, act, name):
        """Founds a cluster with a fault at a moment, and checks that the end is the same as without it."""
        fleet = Fleet(f"{type(self).__name__}-{name}", self.network)
        failed = True
        try:
            fleet.start_server()
            with Trigger(fleet, moment, lambda host: act(fleet, host)) as trigger:
                for host in fleet.hosts:
                    fleet.start_agent(host)
                fleet.wait_until(trigger.happened.is_set, HAPPEN_SECONDS, f"the moment: {name}")
            fleet.wait_converged()
            self.assert_sound(fleet)
            self.assertTrue(fleet.app().answers())
            failed = False
        finally:
            fleet.stop(failed)


def restart_server(fleet, _):
    fleet.server.kill()
    fleet.start_server()


def restart_agent(fleet, host):
    fleet.agents[host].kill()
    fleet.start_agent(host)


class ServerKilledWhileFounding(NewFleet):
    network = 34

    def test_between_and_during_tasks(self):
        moments = [(what, number) for number in range(1, FOUNDING_ATTEMPTS + 1) for what in ("accepted", "ended")]
        for what, number in sample(moments, 2):
            with self.subTest(what=what, number=number):
                self.found(count_of(what, number), restart_server, f"{what}-{number}")


class AgentKilledWhileFounding(NewFleet):
    network = 35

    def test_during_each_kind_of_task(self):
        for action in sample(FOUNDING, 2):
            with self.subTest(action=action):
                self.found(begins(action, set()), restart_agent, action)


class KilledWhileRunning(FleetTestCase):
    """A running cluster, changed by commits."""

    network = 36

    def change(self, action, act):
        """Makes the commit that brings `action` about, the fault while it runs, and the way back without one."""
        there, back = RUNNING[action]
        if action in COME_BACK:
            self.apply(*there)
            self.apply(*back, fault=(action, act))
        else:
            self.apply(*there, fault=(action, act))
            self.apply(*back)

    def apply(self, commit, instances, fault=None):
        fleet = self.fleet
        if fault is None:
            commit(fleet)
            fleet.converge()
        else:
            action, act = fault
            with Trigger(fleet, begins(action, known_attempts(fleet)), lambda host: act(fleet, host)) as trigger:
                commit(fleet)
                fleet.wait_until(trigger.happened.is_set, HAPPEN_SECONDS, f"{action} has begun")
            fleet.wait_converged()
        self.assert_sound(instances=instances)

    def test_1_an_agent_during_each_kind_of_task(self):
        for action in sample(RUNNING, 3):
            with self.subTest(action=action):
                self.change(action, restart_agent)

    def test_2_the_server_during_each_kind_of_task(self):
        for action in sample(list(reversed(RUNNING)), 2):
            with self.subTest(action=action):
                self.change(action, restart_server)

    def test_3_the_donor_of_a_clone(self):
        known = {task["id"] for task in self.cloning(self.fleet)}

        def kill_donor(fleet, host):
            fleet.wait_until(
                lambda: [task for task in self.cloning(fleet) if task["id"] not in known], HAPPEN_SECONDS, "the clone is told")
            donor = self.donor(fleet)
            os.kill(fleet.pid(donor), signal.SIGKILL)

        self.change("clone", kill_donor)

    def test_4_what_copies_at_the_donor(self):
        def kill_copier(fleet, _):
            def copier():
                return [pid for pid, command in processes_below(fleet.root)
                        if command.split()[0].rsplit("/", 1)[-1] in ("mariadb-backup", "mariabackup")]

            for pid in fleet.wait_until(copier, 20, "mariadb-backup runs", poll=0.002):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

        self.change("clone", kill_copier)

    def test_5_all_agents_and_the_server_at_once(self):
        def kill_all(fleet, _):
            fleet.server.kill()
            for host, agent in list(fleet.agents.items()):
                agent.kill()
            fleet.start_server()
            for host in list(fleet.agents):
                fleet.start_agent(host)

        self.change("clone", kill_all)

    @staticmethod
    def cloning(fleet):
        return [task for task in fleet.tasks(50) if task["action"] == "clone"]

    @classmethod
    def donor(cls, fleet):
        summary = cls.cloning(fleet)[-1]["summary"]
        name = next(word for word in summary.replace(",", " ").split() if word.startswith("orders-"))
        return fleet.instance(name)


class TwoServers(FleetTestCase):
    network = 37

    def test_1_a_second_server_on_one_store_refuses_to_start(self):
        text = self.fleet.configuration.read_text().replace(str(self.fleet.server_port), "1")
        second = self.fleet.root / "second.yaml"
        second.write_text(text.replace('"listen": "127.0.0.1:1"', '"listen": "127.0.0.1:' + str(self.fleet.server_port + 1) + '"'))
        done = self.fleet.cli("serve", "--config", str(second), status=(1,), timeout=30)
        self.assertRegex(done.stderr, "another server")
        self.assertTrue(self.fleet.is_ready())
        self.fleet.edit((r"max_connections: 200", "max_connections: 230"), message="Still at work")
        self.fleet.converge(60)
        self.assert_sound()

    def test_2_a_second_agent_of_one_directory_refuses_to_start(self):
        host = self.fleet.hosts[0]
        done = self.fleet.cli(
            "agent", "--server", self.fleet.url, "--host", host, "--data", str(self.fleet.root / "agents" / host),
            status=(1,), timeout=30)
        self.assertRegex(done.stderr, "another agent")
        self.fleet.wait_converged(60)

    def test_3_a_port_that_is_taken_is_told_with_the_way_to_mend_it(self):
        text = self.fleet.configuration.read_text()
        second = self.fleet.root / "third.yaml"
        for mine in ("server", "admin.token"):  # It has a store, and an administrator, of its own.
            text = text.replace(str(self.fleet.root / mine) + '"', str(self.fleet.root / f"third-{mine}") + '"')
        second.write_text(text)
        done = self.fleet.cli("serve", "--config", str(second), status=(1,), timeout=30)
        self.assertRegex(done.stderr, rf"cannot listen on 127.0.0.1:{self.fleet.server_port}: [\s\S]*change `listen` in")
        host = self.fleet.hosts[0]
        health = f"{self.fleet.address(host)}:{self.fleet.health_port}"
        done = self.fleet.cli(
            "agent", "--server", self.fleet.url, "--host", "another", "--data", str(self.fleet.root / "another"),
            "--health", health, status=(1,), timeout=30)
        self.assertRegex(done.stderr, rf"cannot listen on {health}: [\s\S]*change --health")
        self.fleet.wait_converged(60)


if __name__ == "__main__":
    unittest.main()

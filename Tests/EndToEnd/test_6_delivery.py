"""Orders that come twice, replies that are lost, connections that are cut: through a relay between agents and server."""

import time
import unittest

from harness import FleetTestCase, sample
from operations import OUT, IN, RUNNING
from relay import Once, Replace

HAPPEN_SECONDS = 60

# Which way, what is seen there, and what becomes of it.
FAULTS = {
    "an offer is lost": ("down", b'"type":"offer"', "lose"),
    "an offer comes and then nothing": ("down", b'"type":"offer"', "cut"),
    "an offer comes twice": ("down", b'"type":"offer"', "twice"),
    "the word that it runs is lost": ("up", b'"type":"running"', "lose"),
    "the reply is lost": ("up", b'"type":"ended"', "lose"),
    "the reply comes and then nothing": ("up", b'"type":"ended"', "cut"),
    "the settlement is lost": ("down", b'"type":"settled"', "lose"),
    "a report is lost": ("up", b'"type":"report"', "lose"),
}
CHANGES = ["setVariables", "ensureDatabase", "ensureAccount", "promote", "restart"]


class Delivery(FleetTestCase):
    network = 38
    relayed = ("*",)

    def test_1_each_fault_once(self):
        for number, (name, fault) in enumerate(sorted(FAULTS.items())):
            if (name, fault) not in sample(sorted(FAULTS.items()), 4):
                continue
            action = CHANGES[number % len(CHANGES)]
            with self.subTest(fault=name, change=action):
                for commit, instances in RUNNING[action]:
                    self.under(fault, commit, instances)

    def test_2_the_words_between_donor_and_receiver_of_a_clone(self):
        for direction, pattern in sample(
            [("up", b'"type":"copyReady"'), ("down", b'"type":"sendCopy"'), ("up", b'"type":"copySent"'), ("down", b'"type":"copySent"')], 1):
            with self.subTest(pattern=pattern):
                self.under((direction, pattern, "lose"), *OUT)
                IN[0](self.fleet)
                self.fleet.converge()

    def test_3_every_connection_is_cut_again_and_again(self):
        OUT[0](self.fleet)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for relay in self.fleet.relays.values():
                relay.cut()
            time.sleep(0.7)
        self.fleet.wait_converged()
        self.assert_sound(instances=4)
        IN[0](self.fleet)
        self.fleet.converge()
        self.assert_sound()

    def test_4_an_action_that_the_agent_does_not_know_is_refused_as_unsupported(self):
        """As between neighbouring releases: the server's word for an action is replaced by one that nobody knows."""
        known = {task["id"] for task in self.fleet.tasks()}
        (there, instances), (back, _) = RUNNING["ensureDatabase"]
        rule = Replace("down", b'"name":"ensureDatabase"', b'"name":"ensureDatabank"')
        for relay in self.fleet.relays.values():
            relay.rule = rule
        there(self.fleet)
        self.fleet.wait_until(rule.happened.is_set, HAPPEN_SECONDS, "the offer is made unknown")
        self.fleet.wait_converged()
        for relay in self.fleet.relays.values():
            relay.rule = lambda direction, data: "pass"
        tasks = self.fleet.carried_out("ensureDatabase", known)
        self.assertEqual([task["state"] for task in tasks], ["refused", "succeeded"])
        self.assertRegex(tasks[0]["message"], "Unsupported.*ensureDatabank")
        self.assert_sound(instances=instances)
        back(self.fleet)
        self.fleet.converge()
        self.assert_sound(instances=instances)

    def under(self, fault, commit, instances):
        """Makes a commit while the fault lies in wait on every agent's connection; it must strike."""
        rules = {host: Once(*fault) for host in self.fleet.relays}
        for host, relay in self.fleet.relays.items():
            relay.rule = rules[host]
        commit(self.fleet)
        self.fleet.wait_until(
            lambda: any(rule.happened.is_set() for rule in rules.values()), HAPPEN_SECONDS, f"the fault {fault} strikes")
        self.fleet.wait_converged()
        for relay in self.fleet.relays.values():
            relay.rule = lambda direction, data: "pass"
        self.assert_sound(instances=instances)


if __name__ == "__main__":
    unittest.main()

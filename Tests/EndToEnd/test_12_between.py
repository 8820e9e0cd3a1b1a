"""The fault matrix: what comes in between. A clone, an upgrade of Evenkeel itself, an order of before, half an event, a second
event scheduler."""

import os
import pathlib
import re
import shutil
import struct
import unittest
import zlib

from harness import binary, wait_until
from matrix import (
    BACK_SECONDS, FAILOVER_SECONDS, MANY, STOP_SECONDS, UNDISTURBED_SECONDS, in_turn, sampled)
from operations import Trigger, begins, known_attempts
from orders import OldOrder
from test_12_by_hand import Helpers

GTID_EVENT = 162
HEADER = struct.Struct("<IBIIIH")  # Of an event: time, type, server, length, position of its end, flags.
CHECKSUM_BYTES = 4
MAGIC_BYTES = 4
BEATS = 4
LONG_SECONDS = 60.0  # A client that waits for its answer.


def torn(log):
    """What a server that died in the middle of it has written of the next transaction, after those in a relay log: the GTID
    and half of an event. The caller puts it at the end of the log's last file."""
    events, at = [], MAGIC_BYTES
    while at + HEADER.size <= len(log):
        length = HEADER.unpack_from(log, at)[3]
        if length < HEADER.size or at + length > len(log):
            break
        events.append(log[at:at + length])
        at += length
    first = max(index for index, event in enumerate(events) if event[4] == GTID_EVENT)
    gtid, rest = bytearray(events[first]), b"".join(events[first + 1:])
    number, = struct.unpack_from("<Q", gtid, HEADER.size)
    struct.pack_into("<Q", gtid, HEADER.size, number + 1)
    struct.pack_into("<I", gtid, len(gtid) - CHECKSUM_BYTES, zlib.crc32(gtid[:-CHECKSUM_BYTES]))
    return log[:at] + bytes(gtid) + rest[:max(len(rest) // 2, 1)]


@in_turn
@sampled(1)
class Between(Helpers):
    network = 78

    # MARK: An order of before

    def test_an_old_order_is_sent_again(self):
        """Once an instance has been replaced, the order that made it the primary opens it no more: neither at once, nor when
        another server leads."""
        target = self.others[0]
        relay = self.fleet.relays[target["host"]]
        rule = relay.rule = OldOrder("promote")
        self.addCleanup(lambda: setattr(relay, "rule", lambda direction, data: "pass"))
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.cli("switchover", "orders", "--to", target["name"])
            self.fleet.wait_until(lambda: rule.line, STOP_SECONDS, "the order has been seen")
            self.look()
            self.lose(self.old)
            new = self.wait_failed_over()
            self.bring_back(self.old)
            self.wait_healed()
            with self.watch() as watch:
                self.refused(rule, "epoch")
                self.fleet.server.kill()
                self.fleet.start_server()
                self.wait_healed()
                self.refused(rule, "term")
                self.writes(writer)
            self.assertEqual(watch.turns(), [new["name"]])
        self.judge(writer, gap_max=30)

    def refused(self, rule, reason):
        rule.send()
        self.fleet.wait_until(lambda: rule.answer, STOP_SECONDS, f"the agent answers an order of before, epoch {rule.order['epoch']}")
        self.assertIn("refused", rule.answer)
        self.assertRegex(rule.answer, f"the order's {reason} is .* has promised")

    # MARK: Half an event

    def test_torn_relay_tail_of_a_killed_replica(self):
        """The only one that has the last rows died while it wrote down one more: what is whole counts, the half does not."""
        cut_off, alone = self.others
        with self.writer() as writer:
            self.writes(writer)
            session = self.hold(alone)
            self.cut_from_primary(cut_off)
            self.writes(writer)
            self.assertTrue(set(writer.acknowledged) - self.rows(alone), "it has applied everything")
            self.lose(self.old)
            with self.frozen(self.agent(alone).pid):
                self.kill(alone)
                self.fleet.wait_until(lambda: self.fleet.pid(alone) is None, STOP_SECONDS, "it is dead")
                session.end()
                log = max((self.fleet.directory(alone) / "data").glob("relay-bin.0*"))
                whole = log.read_bytes()
                log.write_bytes(torn(whole))
            self.wait_failed_over(to=alone)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    # MARK: A second event scheduler

    def beating(self):
        """An event that tells each second where it runs; the query of how often it did on an instance."""
        root = self.root(self.old)
        root.rows("CREATE TABLE IF NOT EXISTS orders.beats (id BIGINT AUTO_INCREMENT PRIMARY KEY, server BIGINT)")
        root.rows("CREATE EVENT IF NOT EXISTS orders.beat ON SCHEDULE EVERY 1 SECOND DO INSERT INTO orders.beats (server) VALUES (@@server_id)")
        self.addCleanup(lambda: self.root(self.fleet.primary()).rows("DROP EVENT IF EXISTS orders.beat; DROP TABLE IF EXISTS orders.beats"))
        return lambda instance: f"SELECT COUNT(*) FROM orders.beats WHERE server = {self.root(instance).value('SELECT @@server_id')}"

    def test_event_scheduler_is_on_at_a_former_primary(self):
        """Its own event is still there, and ran there before; now it runs at the new one only."""
        former, target = self.old, self.others[0]
        with self.writer() as writer:
            beats = self.beating()
            self.wait_value(former, beats(former).replace("COUNT(*)", "COUNT(*) >= 1"), "1")
            self.fleet.cli("switchover", "orders", "--to", target["name"])
            self.promoted.append(target["name"])
            self.fleet.converge()
            before = self.root(target).value(beats(former))
            self.root(former).rows("SET GLOBAL event_scheduler = ON")
            there = int(self.root(target).value(beats(target)))
            self.wait_value(target, beats(target).replace("COUNT(*)", f"COUNT(*) >= {there + BEATS}"), "1")
            self.writes(writer)
            self.wait_healed()
        self.judge(writer)
        for each in self.fleet.instances():
            self.assertEqual(
                self.root(each).value(beats(former)), before, f"{each['name']} has what the event wrote at {former['name']}")

    def test_event_scheduler_is_set_by_hand(self):
        """Off where it is to be on, and on where it is to be off."""
        with self.writer() as writer:
            self.writes(writer)
            self.root(self.old).rows("SET GLOBAL event_scheduler = OFF")
            self.root(self.others[0]).rows("SET GLOBAL event_scheduler = ON")
            self.wait_value(self.old, "SELECT @@event_scheduler", "ON")
            self.wait_value(self.others[0], "SELECT @@event_scheduler", "OFF")
            self.wait_healed()
        self.judge(writer)
        self.assert_no_failover()

    # MARK: A clone

    def test_primary_is_lost_and_the_donor_of_a_clone_dies(self):
        """The donor's process is killed and its host lives, so that what it received counts."""
        type(self).failovers = MANY  # There are four instances afterwards.
        donors = []

        def strike(_):
            task = next(each for each in self.fleet.tasks() if each["action"] == "clone" and each["id"] not in attempts)
            name = re.search(r"from (orders-\d+)", task["summary"])[1]
            donors.append(next(each for each in self.members if each["name"] == name))
            self.lose(self.old)
            if name != self.old["name"]:
                self.kill(donors[0])

        attempts = known_attempts(self.fleet)
        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins("clone", attempts), strike) as trigger:
                self.fleet.edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2"), message="One more")
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "the donor of a clone is killed")
                self.wait_failed_over(60)
            self.assertNotEqual(donors[0]["name"], self.old["name"], "the primary was the donor")
            self.writes(writer)
            self.bring_back(self.old)
            self.needs = 4
            self.wait_healed(BACK_SECONDS)
        self.judge(writer)

    def test_all_replicas_lose_their_directories(self):
        """Both are cloned from the primary, whose commits wait for an acknowledgement all the while."""
        with self.writer(patience=LONG_SECONDS) as writer:
            self.writes(writer)
            with self.frozen(*[self.agent(each).pid for each in self.others]):
                self.kill(*self.others)
                for each in self.others:
                    self.fleet.directory(each).rename(self.fleet.root / f"taken-away-{each['name']}")
            self.fleet.wait_finding("InstanceLost", STOP_SECONDS, self.since)
            self.wait_healed(BACK_SECONDS)
            self.writes(writer)
        self.judge(writer, gap_max=BACK_SECONDS)
        self.assert_no_failover()

    # MARK: Another Evenkeel

    def test_evenkeel_itself_is_upgraded(self):
        """The program is another file under the same name; server and agents are started from it, one after another."""
        pids = {each["name"]: self.fleet.pid(each) for each in self.members}
        path = pathlib.Path(binary())
        new = path.with_name("evenkeel.new")
        shutil.copy2(path, new)
        with open(new, "ab") as file:
            file.write(b"\nanother build\n")
        with self.writer() as writer:
            self.writes(writer)
            os.replace(new, path)
            self.fleet.server.stop()
            self.fleet.start_server()
            self.assert_runs(self.fleet.server, path)
            self.writes(writer)
            for host in self.fleet.hosts:
                self.fleet.agents[host].stop()
                self.fleet.start_agent(host)
                self.assert_runs(self.fleet.agents[host], path)
                self.writes(writer)
            self.wait_healed()
            self.assertEqual({each["name"]: self.fleet.pid(each) for each in self.members}, pids)
            self.assert_no_failover()
            self.assertLess(writer.gap_longest, UNDISTURBED_SECONDS, writer.errors[-5:])
            self.lost_and_back(writer)
        self.judge(writer)

    def assert_runs(self, child, path):
        """It is the program that is there now, and not the one that was there before."""
        wait_until(
            lambda: os.path.samefile(f"/proc/{child.pid}/exe", path), STOP_SECONDS, f"{child.name} runs what is at {path}", child.tail)


if __name__ == "__main__":
    unittest.main()

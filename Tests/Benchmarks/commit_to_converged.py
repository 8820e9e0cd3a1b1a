#!/usr/bin/env python3
"""Commit to converged, beside the same work by hand.

By Evenkeel: server and agents run, the hosts are declared; the time from `git commit` of the three-zone cluster to the
moment at which everything is as declared. By hand: what a script of an operator would run for the same three instances,
side by side, with the same configuration files: mariadb-install-db, start, accounts, CHANGE MASTER, semi-sync, open.

    Tests/Benchmarks/commit_to_converged.py [rounds]         EVENKEEL_BIN names the program

Prints seconds of each round, the medians and their ratio. The aim is 1.5 at the most.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))
sys.dont_write_bytecode = True

from databases import Database  # noqa: E402
from harness import Fleet, processes_below, wait_until  # noqa: E402

NETWORK = 39
ROUNDS = 3
RATIO_AIM = 1.5
DATABASE_USER = "mysql"


def by_evenkeel():
    """Seconds, and the configuration files that were made."""
    fleet = Fleet("Benchmark", NETWORK, interval="30s")
    try:
        text, file = fleet.cluster_file.read_text(), fleet.cluster_file
        file.unlink()
        fleet.commit("Hosts")
        fleet.start()
        wait_until(
            lambda: (d := fleet.document()) and len(d["hosts"]) == 5 and all(h["state"] == "connected" for h in d["hosts"]),
            30, "every agent is connected")
        file.write_text(text)
        began = time.monotonic()
        fleet.commit("A cluster")
        fleet.cli("reconcile")
        fleet.wait_converged(120)
        took = time.monotonic() - began
        files = {}
        for instance in fleet.instances():
            role = "primary" if instance["name"] == fleet.primary()["name"] else "replica"
            text = (fleet.directory(instance) / "my.cnf").read_text()
            files[instance["name"]] = (role, instance["address"], instance["port"], str(fleet.directory(instance)), text)
        return took, files
    finally:
        fleet.stop()


class ByHand:
    """The same three instances by an operator's script; every step that can run side by side does."""

    def __init__(self, files):
        self.root = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/ek-hand-XXXXXX"], capture_output=True, text=True).stdout.strip())
        self.root.chmod(0o755)
        self.instances = []
        for name, (role, address, port, old, text) in sorted(files.items()):
            folder = self.root / name
            text = re.sub(r"^socket=.*$", f"socket={folder}/run/mysqld.sock", text.replace(old, str(folder)), flags=re.M)
            self.instances.append({"name": name, "role": role, "address": address, "port": port, "folder": folder, "text": text})
        self.user = [f"--user={DATABASE_USER}"] if os.geteuid() == 0 else []

    def run(self):
        began = time.monotonic()
        primary = next(each for each in self.instances if each["role"] == "primary")
        replicas = [each for each in self.instances if each["role"] == "replica"]
        with concurrent.futures.ThreadPoolExecutor(len(self.instances)) as pool:
            list(pool.map(self.make, self.instances))
            writer = self.database(primary)
            writer.rows(
                "SET GLOBAL rpl_semi_sync_master_timeout=1; CREATE USER repl@'127.%' IDENTIFIED BY 'secret'; "
                "GRANT REPLICATION SLAVE ON *.* TO repl@'127.%'")
            list(pool.map(lambda replica: self.follow(replica, primary), replicas))
        writer.rows("SET GLOBAL rpl_semi_sync_master_timeout=18446744073709551615; SET GLOBAL rpl_semi_sync_master_enabled=ON; SET GLOBAL read_only=0")
        writer.rows(
            "CREATE DATABASE orders CHARACTER SET utf8mb4; CREATE USER app@'127.%' IDENTIFIED BY 'secret'; "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON orders.* TO app@'127.%'")
        position = writer.variable("gtid_binlog_pos")
        for replica in replicas:
            wait_until(lambda: self.database(replica).value(f"SELECT MASTER_GTID_WAIT('{position}', 10)") == "0", 20, "it follows")
        return time.monotonic() - began

    def make(self, instance):
        folder = instance["folder"]
        for name in ("data", "run", "log", "tmp"):
            (folder / name).mkdir(parents=True)
            if self.user:
                shutil.chown(folder / name, DATABASE_USER, DATABASE_USER)
        configuration = folder / "my.cnf"
        configuration.write_text(instance["text"])
        subprocess.run(
            ["mariadb-install-db", f"--defaults-file={configuration}", "--skip-test-db", "--auth-root-authentication-method=socket", *self.user],
            check=True, capture_output=True)
        with open(folder / "log" / "out", "wb") as output:
            subprocess.Popen(
                [shutil.which("mariadbd") or "/usr/sbin/mariadbd", f"--defaults-file={configuration}", *self.user],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        wait_until(self.database(instance).answers, 30, f"{instance['name']} answers", poll=0.02)

    def follow(self, replica, primary):
        self.database(replica).rows(
            f"CHANGE MASTER TO MASTER_HOST='{primary['address']}', MASTER_PORT={primary['port']}, MASTER_USER='repl', "
            "MASTER_PASSWORD='secret', MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=0.5, MASTER_CONNECT_RETRY=1; "
            "SET GLOBAL rpl_semi_sync_slave_enabled=ON; START SLAVE")

    def database(self, instance):
        return Database(socket_path=str(instance["folder"] / "run" / "mysqld.sock"))

    def stop(self):
        for _ in range(50):
            left = processes_below(self.root)
            if not left:
                break
            for pid, _ in left:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
        shutil.rmtree(self.root, ignore_errors=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    by_us, by_hand = [], []
    for number in range(1, rounds + 1):
        took, files = by_evenkeel()
        hand = ByHand(files)
        try:
            by_us.append(took)
            by_hand.append(hand.run())
        finally:
            hand.stop()
        print(f"round {number}: commit to converged {by_us[-1]:.2f} s, by hand {by_hand[-1]:.2f} s", flush=True)
    ratio = statistics.median(by_us) / statistics.median(by_hand)
    print(f"commit to converged, three zones: {statistics.median(by_us):.2f} s; the same by hand: "
          f"{statistics.median(by_hand):.2f} s; ratio {ratio:.2f} (aim: at most {RATIO_AIM})")


if __name__ == "__main__":
    main()

"""Game day: the faults of `evenkeel gameday` on the fleet of `examples/game-day`, whose hosts have networks of their own.

What it prints is checked against what the databases hold, asked by other means; and that it sees a loss is shown by
making one.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import unittest

import figures
import network
from databases import Database
from harness import ROOT, binary, is_full, processes_below, sample

UP_SECONDS = 240
FAULT_SECONDS = 400
WHOLE_SECONDS = 180  # What a fault or a sabotage left is mended by clones, perhaps.
SABOTAGES = ("semi-sync-off", "undrained", "relay-purge", "plain-restart", "two-writers")
DEMO = ROOT / "examples" / "game-day" / "demo"


def obstacle():
    """Why the example cannot run here; None where it can."""
    if found := network.obstacle():
        return found
    if not shutil.which("nft"):
        return "there is no nft (Debian's nftables)"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", "ip netns add ekday-trial && ip netns delete ekday-trial && nft list tables"],
        capture_output=True, text=True, timeout=20)
    return None if done.returncode == 0 else f"no network namespace can be made here: {done.stderr.strip()}"


@unittest.skipIf(obstacle(), obstacle())
class GameDay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wires = network.Network()  # The example's addresses are nobody else's.
        cls.addClassCleanup(cls.wires.leave)
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="ek-day-"))
        cls.root.chmod(0o755)
        cls.demo = cls.root / "demo"
        cls.name = f"ekd{os.getpid() % 100000}"
        cls.environment = dict(
            os.environ, GAMEDAY_DIR=str(cls.demo), GAMEDAY_NAME=cls.name, EVENKEEL_BIN=binary(), NO_COLOR="1",
            HOME=str(cls.root), GIT_CONFIG_NOSYSTEM="1", EVENKEEL_SERVER="https://10.213.7.1:7075",
            EVENKEEL_CA_FILE=str(cls.demo / "server/tls/ca.pem"), EVENKEEL_TOKEN_FILE=str(cls.demo / "admin.token"))
        cls.addClassCleanup(cls.down)
        done = subprocess.run(
            [DEMO, "up"], env=cls.environment, capture_output=True, text=True, timeout=UP_SECONDS, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise AssertionError(f"the example does not come up\n{done.stdout}{done.stderr}")

    @classmethod
    def down(cls):
        logs = pathlib.Path(os.environ.get("EVENKEEL_TEST_LOGS", "/tmp/evenkeel-test-logs")) / "GameDay"
        shutil.rmtree(logs, ignore_errors=True)
        if (cls.demo / "log").exists():
            shutil.copytree(cls.demo / "log", logs)
        done = subprocess.run([DEMO, "down"], env=cls.environment, capture_output=True, text=True, timeout=120)
        left = processes_below(cls.demo)
        shutil.rmtree(cls.root, ignore_errors=True)
        if done.returncode or left:
            raise AssertionError(f"the example does not go down: {left}\n{done.stdout}{done.stderr}")

    def cli(self, *arguments, status=(0,), seconds=60):
        done = subprocess.run(
            [binary(), *arguments], env=self.environment, capture_output=True, text=True, timeout=seconds)
        if status is not None and done.returncode not in status:
            raise AssertionError(
                f"evenkeel {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
                f"{self.cli('get', 'instances', '-o', 'wide', status=None).stdout}"
                f"{self.cli('events', '--limit', '30', status=None).stdout}")
        return done

    def gameday(self, *arguments, status=(0,)):
        """The rows that it prints, by fault."""
        out = self.root / "journal"
        done = self.cli(
            "gameday", "trial", "--password-file", str(self.demo / "server/secrets/gameday"), "-o", "json", "--out", str(out),
            *arguments, status=status, seconds=FAULT_SECONDS)
        reports = {report["fault"]: report for report in json.loads(done.stdout)}
        print(json.dumps({k: {f: r[f] for f in r if f not in ("lostIDs", "rows", "missing")} for k, r in reports.items()}, indent=1))
        for report in reports.values():
            self.tell(report)
        return reports

    def gameday_text(self, *arguments, status=(0,)):
        return self.cli(
            "gameday", "trial", "--password-file", str(self.demo / "server/secrets/gameday"), "--out", str(self.root / "journal"),
            *arguments, status=status, seconds=FAULT_SECONDS)

    def wait_whole(self):
        self.cli("reconcile", "trial", "--wait", "--timeout", str(WHOLE_SECONDS), seconds=WHOLE_SECONDS + 30)

    @staticmethod
    def tell(report):
        """A row of the fault matrix each."""
        verdict, after = report["verdict"], report["primaryAfter"]
        is_done = not verdict.startswith("not done")
        figures.tell(
            f"game day {report['fault']}", report.get("pooledMilliseconds", 0) / 1000 if is_done else None, report["lost"],
            [after] if after != report["primaryBefore"] and after else [],
            ok=verdict if report["sabotage"] and report["lost"] else "",
            failed="" if report["ok"] or not is_done or report["sabotage"] and report["lost"] else verdict.removeprefix("FAILED: "),
            skipped="" if is_done else verdict.removeprefix("not done: "))

    def instances(self):
        fleet = json.loads(self.cli("get", "instances", "-o", "json").stdout)
        return [each for each in fleet if each["phase"] == "active"]

    def has_disks(self):
        return (self.demo / "hosts" / "host-a").is_mount()

    def database(self, instance):
        """As root over its socket."""
        found = list((self.demo / "hosts" / instance["host"] / "instances").glob("*-" + str(instance["ordinal"])))
        self.assertEqual(len(found), 1)
        text = (found[0] / "my.cnf").read_text()
        socket = next(line.split("=", 1)[1] for line in text.splitlines() if line.startswith("socket="))
        return Database(socket_path=socket)

    def rows(self, instance, run):
        """The ids of a run that an instance holds."""
        rows = self.database(instance).rows(f"SELECT id FROM gameday.evenkeel_gameday WHERE run = '{run}'")
        return {int(row[0]) for row in rows}

    def acknowledged(self, fault):
        lines = [json.loads(line) for line in (self.root / "journal" / f"{fault}.jsonl").read_text().splitlines()]
        return {line["id"] for line in lines[1:] if line["outcome"] == "acknowledged"}

    def assert_ok(self, report):
        self.assertTrue(report["ok"], report)
        self.assertEqual(report["lost"], 0, report)
        self.assertGreater(report["acknowledged"], 100, report)
        written = self.acknowledged(report["fault"])
        self.assertEqual(len(written), report["acknowledged"])
        for instance in self.instances():
            self.assertFalse(written - self.rows(instance, report["run"]), instance["name"])

    def test_1_faults_are_listed(self):
        listed = self.cli("gameday", "--list").stdout
        for name in ("primary-kill", "host-cut", "switchover", "semi-sync-off", "two-writers"):
            self.assertIn(name, listed)
        self.assertIn("none of", self.cli("gameday", "trial", "--fault", "earthquake", status=(1,)).stderr)

    def test_2_what_may_not_be_hurt_is_not(self):
        cluster = self.demo / "fleet" / "cluster.yaml"
        text = cluster.read_text()
        for change, message in ((text.replace("gameDay: allowed", "gameDay: forbidden"), "Forbid"), (text, "Allow")):
            cluster.write_text(change)
            subprocess.run(
                ["git", "-C", str(self.demo / "fleet"), "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qam", message],
                check=True, env=self.environment)
            self.cli("reconcile", "trial", "--wait", "--timeout", "60", seconds=90)
            if message == "Forbid":
                refused = self.cli(
                    "gameday", "trial", "--password-file", str(self.demo / "server/secrets/gameday"), "--fault", "primary-kill",
                    status=(3,))
                self.assertIn("gameDay: allowed", refused.stderr)

    def test_3_disks(self):
        if not self.has_disks():
            report = self.gameday("--fault", "disk-stall", status=(3,))["disk-stall"]
            self.assertIn("root file system", report["verdict"])
            return
        report = self.gameday("--fault", "disk-stall")["disk-stall"]
        self.assert_ok(report)
        self.assertNotEqual(report["primaryBefore"], report["primaryAfter"])
        before = next(each for each in self.instances() if each["name"] == report["primaryBefore"])
        # It takes writes again.
        (self.demo / "hosts" / before["host"] / "trial").write_text("a line\n")

    def test_4_nothing_is_lost(self):
        reports = self.gameday("--fault", "primary-kill", "--fault", "host-cut")
        self.assert_ok(reports["primary-kill"])
        self.assert_ok(reports["host-cut"])
        self.assertNotEqual(reports["host-cut"]["primaryBefore"], reports["host-cut"]["primaryAfter"])
        for host in ("host-a", "host-b", "host-c"):
            tables = subprocess.run(
                ["ip", "netns", "exec", f"{self.name}-{host}", "nft", "list", "tables"], capture_output=True, text=True, check=True)
            self.assertEqual(tables.stdout, "", host)

    @unittest.skipUnless(is_full(), "EVENKEEL_TEST_FULL=1 runs all faults")
    def test_5_every_fault(self):
        listed = [each["name"] for each in json.loads(self.cli("gameday", "--list", "-o", "json").stdout) if not each["sabotage"]]
        for name in listed:
            with self.subTest(fault=name):
                self.wait_whole()  # Also after one that failed.
                report = self.gameday("--fault", name, status=(0, 1, 3))[name]
                if report["verdict"].startswith("not done"):
                    self.assertIn(name, () if self.has_disks() else ("disk-full", "disk-stall"))
                    continue
                self.assert_ok(report)
                primary = [each for each in self.instances() if self.database(each).value("SELECT @@read_only") == "0"]
                self.assertEqual([each["name"] for each in primary], [report["primaryAfter"]])

    def test_6_a_loss_is_seen(self):
        for name in sample(SABOTAGES, 1):
            with self.subTest(sabotage=name):
                report = self.gameday("--sabotage", name, status=(1,))[name]
                self.assertGreater(report["lost"], 0, report)
                self.assertIn("LOST", report["verdict"])
                # What it says is so, asked by other means.
                primary = next(each for each in self.instances() if each["name"] == report["primaryAfter"])
                gone = self.acknowledged(name) - self.rows(primary, report["run"])
                self.assertEqual(len(gone), report["lost"])
                self.wait_whole()

    def test_7_medians_of_several_runs(self):
        self.assertIn("--times is 1 to", self.gameday_text("--fault", "switchover", "--times", "0", status=(1,)).stderr)
        text = self.gameday_text("--fault", "switchover", "--times", "3").stdout
        runs = [
            json.loads((self.root / "journal" / f"switchover-{number}.jsonl").read_text().splitlines()[0]) for number in (1, 2, 3)]
        self.assertEqual([run["lost"] for run in runs], [0, 0, 0])
        self.assertEqual({run["aimMilliseconds"] for run in runs}, {100})
        pooled = [run["pooledMilliseconds"] for run in runs]
        self.assertEqual([run["aimMissed"] for run in runs], [each >= 100 for each in pooled])
        summary = next(line for line in text.splitlines()[5:] if line.startswith("switchover "))
        shown = [f"{(each + 5) // 10 / 100:.2f} s" for each in (statistics.median(pooled), max(pooled))]
        self.assertIn(", ".join(shown), summary)
        self.assertIn("3 of 3", summary)
        self.assertEqual("! aim missed at the median: switchover" in text, statistics.median(pooled) >= 100)


if __name__ == "__main__":
    unittest.main()

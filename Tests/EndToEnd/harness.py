"""A fleet of real processes on this machine: one server, one agent a host, the databases that they start.

Every wait is bounded. Every process that a test started is ended with it, by its id, also when the test failed; the
databases, which outlive their agents on purpose, are found by the test's own directory in their command line.
"""

import atexit
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from databases import Database, QueryFailed

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "three-zones"
TESTS_NETWORK_FIRST = 30  # 127.0.30.0/24 is the first test's; each test has a network of its own.

POLL_SECONDS = 0.05
STOP_SECONDS = 10
START_SECONDS = 60
COMMAND_SECONDS = 150  # `switchover` waits for 120 by itself.
CONVERGE_SECONDS = 120
DRIFT_SECONDS = 10  # The aim is 5. Without a look in between a unit is passed once a minute.
TOLD_SECONDS = 30
FOLLOW_SECONDS = 10
# A replica that was away applies what it missed: a minute of writes, at full speed, takes longer than to stop.
CATCH_UP_SECONDS = 90
LOG_LINES_SHOWN = 60


def binary():
    """The program under test, copied once, so that a build beside the run changes nothing under it."""
    if binary.copy is None:
        source = os.environ.get("EVENKEEL_BIN") or next(
            (str(path) for kind in ("release", "debug") if (path := ROOT / ".build" / kind / "evenkeel").exists()), None)
        if source is None:
            raise RuntimeError("there is no evenkeel to test: build it, or name one with EVENKEEL_BIN")
        folder = tempfile.mkdtemp(prefix="ek-bin-")
        binary.copy = shutil.copy2(source, os.path.join(folder, "evenkeel"))
        atexit.register(shutil.rmtree, folder, True)
    return binary.copy


binary.copy = None


def is_full():
    """Whether the whole matrix is wanted (`make test-full`) and not a sample that ends within minutes."""
    return os.environ.get("EVENKEEL_TEST_FULL", "") not in ("", "0")


def sample(items, count):
    """All of them in a full run, else `count`, another choice every day and commit; in the order given."""
    items = list(items)
    if is_full() or len(items) <= count:
        return items
    ranked = sorted(items, key=lambda item: hashlib.sha256(f"{sample_seed()} {item}".encode()).hexdigest())
    chosen = ranked[:count]
    return [item for item in items if item in chosen]


def sample_seed():
    seed = os.environ.get("EVENKEEL_TEST_SEED")
    if seed:
        return seed
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return time.strftime("%Y-%m-%d", time.gmtime()) + ":" + commit


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class TimedOut(AssertionError):
    """A condition did not come true within its bound."""


# Who is asked is not there, or not ready yet.
NO_ANSWER = (QueryFailed, OSError, subprocess.TimeoutExpired, http.client.HTTPException)


def wait_until(condition, seconds, what, describe=lambda: "", poll=POLL_SECONDS):
    """Returns the first true value of `condition()`, for which no answer is none; past `seconds` raises with `what`, with
    why there was no answer the last time, and with what `describe` tells."""
    end = time.monotonic() + seconds
    while True:
        try:
            value, unanswered = condition(), ""
        except NO_ANSWER as error:
            value, unanswered = None, f"\n{type(error).__name__}: {error}"
        if value:
            return value
        if time.monotonic() >= end:
            raise TimedOut(f"not within {seconds} s: {what}{unanswered}\n{describe()}")
        time.sleep(poll)


class Child:
    """A process that a test started, in a session of its own, its output in a file."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=environment)

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL, and gone when this returns."""
        if self.is_running:
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self):
        """SIGTERM; SIGKILL where that is not heard in time. Whether it ended by itself."""
        if self.is_running:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                return False
        return True

    def tail(self, lines=LOG_LINES_SHOWN):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def processes_below(directory):
    """(process id, command line) of every process whose command line names something in `directory`."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            command = pathlib.Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if str(directory) + "/" in command and state != "Z":
            found.append((int(entry), command.strip()))
    return found


class Fleet:
    """A fleet repository, its server, and one agent for each of its hosts.

    `network`: the third part of every address, so that tests do not meet. `example`: the folder that it is a copy of.
    """

    def __init__(self, name, network, interval="1s", relayed=(), example=EXAMPLE):
        self.name = name
        self.example = example
        self.network = network
        self.port = 13300 + network
        self.health_port = 17000 + network
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ek-"))
        self.root.chmod(0o755)  # The databases' user goes through it.
        self.repository = self.root / "fleet"
        self.server_port = free_port()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.interval = interval
        self.server = None
        self.agents = {}
        self.others = []
        self.relays = {}
        self.relayed = set(relayed)
        self.role_command = None
        self.uids = {}
        self.environment = dict(
            os.environ, EVENKEEL_SERVER=self.url, EVENKEEL_TOKEN_FILE=str(self.root / "admin.token"), NO_COLOR="1",
            HOME=str(self.root), GIT_CONFIG_NOSYSTEM="1")
        self._make_repository()
        self._make_configuration()

    # MARK: Files

    def _make_repository(self):
        for path in sorted(self.example.rglob("*.yaml")):
            target = self.repository / path.relative_to(self.example)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.rewrite(path.read_text()))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Evenkeel tests")
        self.git("config", "user.email", "tests@evenkeel.invalid")
        self.commit("A fleet")

    def rewrite(self, text):
        """The example's addresses and port as this fleet's: 127.0.2.1 becomes 127.0.<network>.21."""
        text = re.sub(r"\b127\.0\.([1-9])\.(\d)\b", lambda m: f"127.0.{self.network}.{m[1]}{m[2]}", text)
        return re.sub(r"\bport: 3306\b", f"port: {self.port}", text)

    def _make_configuration(self, **more):
        secrets = self.root / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        self.passwords = {"orders-app": "app-Pa55 word'\"\\", "orders-report": "another one"}
        for name, value in self.passwords.items():
            (secrets / name).write_text(value + "\n")
        self.script_log = self.root / "script.log"
        script = self.root / "channel.sh"
        script.write_text(f"#!/bin/sh\ncat >> {self.script_log}\necho >> {self.script_log}\n")
        script.chmod(0o755)
        configuration = {
            "listen": f"127.0.0.1:{self.server_port}", "data": str(self.root / "server"),
            "adminTokenFile": str(self.root / "admin.token"), "logLevel": os.environ.get("EVENKEEL_TEST_LOG_LEVEL", "info"),
            "sources": [{"name": "fleet", "url": str(self.repository), "branch": "main", "interval": self.interval}],
            "secrets": {"root": str(secrets)}, "scripts": {"note": {"path": str(script)}}, **more,
        }
        self.configuration = self.root / "server.yaml"
        self.configuration.write_text(json.dumps(configuration, indent=1))  # JSON is YAML.

    def scripted(self, status):
        """The alerts of that status that the script `note` was given, in their order."""
        text = self.script_log.read_text() if self.script_log.exists() else ""
        bodies = []
        decoder, at = json.JSONDecoder(), 0
        while (at := next((i for i in range(at, len(text)) if not text[i].isspace()), len(text))) < len(text):
            body, at = decoder.raw_decode(text, at)
            bodies.append(body)
        return [alert for body in bodies for alert in body["alerts"] if alert["status"] == status]

    def declared(self, kind):
        """The documents of a kind in the working tree, by name, as text."""
        text = "\n---\n".join(path.read_text() for path in sorted(self.repository.rglob("*.yaml")))
        documents = [part for part in re.split(r"^---.*$", text, flags=re.M) if re.search(rf"^kind: {kind}$", part, re.M)]
        return {re.search(r"^  name: *(\S+)", part, re.M)[1]: part for part in documents}

    @property
    def hosts(self):
        """Names of the hosts that the repository declares, sorted."""
        return sorted(self.declared("Host"))

    def address(self, host):
        return re.search(r"address: *([0-9.]+)", self.declared("Host")[host])[1]

    def git(self, *arguments):
        return subprocess.run(
            ["git", "-C", str(self.repository), *arguments] if (self.repository / ".git").exists() or arguments[0] != "init"
            else ["git", "init", "-q", "-b", "main", str(self.repository)],
            check=True, capture_output=True, text=True, env=self.environment).stdout

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self):
        return self.git("rev-parse", "HEAD").strip()

    @property
    def cluster_file(self):
        return next(path for path in sorted(self.repository.rglob("*.yaml")) if "kind: Cluster" in path.read_text())

    def edit(self, *changes, file=None, message=None):
        """Replaces texts in the cluster's manifest (each must be there) and commits where a message is given."""
        file = file or self.cluster_file
        text = file.read_text()
        for old, new in changes:
            if not re.search(old, text, re.M):
                raise AssertionError(f"{file} has nothing that matches {old!r}:\n{text}")
            text = re.sub(old, new.replace("\\", "\\\\"), text, count=1, flags=re.M)
        file.write_text(text)
        if message:
            self.commit(message)
        return file

    def line_of(self, text, file=None):
        """The number of the first line of the cluster's manifest that holds `text`."""
        lines = (file or self.cluster_file).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    # MARK: Processes

    def start(self):
        """Starts the server and every agent; returns when the server is ready."""
        self.start_server()
        for host in self.hosts:
            self.start_agent(host)
        return self

    def start_server(self, *flags):
        self.server = Child(
            "server", [*self.entering_server(), binary(), "serve", "--config", str(self.configuration), *flags],
            self.root / "server.log", self.environment)
        self.wait_until(self.is_ready, START_SECONDS, "the server is ready")
        return self.server

    def is_ready(self):
        if not self.server.is_running:
            raise AssertionError(f"the server ended with {self.server.process.returncode}:\n{self.server.tail()}")
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                # The first administrator's token is left a moment after the server leads.
                return answer.status == 200 and (self.root / "admin.token").exists()
        except OSError:
            return False

    def start_agent(self, host, server=None, token=False):
        """Starts a host's agent, enrolled by a one-time token where it is new, or one is asked for."""
        data = self.root / "agents" / host
        data.parent.mkdir(exist_ok=True)
        command = [
            *self.entering(host), binary(), "agent", "--server", server or self.server_url_for(host), "--host", host, "--data", str(data),
            "--health", f"{self.address(host)}:{self.health_port}"]
        if self.role_command:
            for part in self.role_command:
                command += ["--role-command", part]
        if token or not (data / "journal.jsonl").exists():
            file = self.root / f"{host}.token"
            file.write_text(self.cli("token", "enrolment", host).stdout)
            file.chmod(0o600)
            command += ["--token-file", str(file)]
        self.agents[host] = Child(f"agent {host}", command, self.root / f"agent-{host}.log", self.environment)
        return self.agents[host]

    def server_url_for(self, host):
        """Through a relay where the test asked for one, so that it can cut what the two say."""
        if host not in self.relayed and "*" not in self.relayed:
            return self.url
        if host not in self.relays:
            from relay import Relay

            self.relays[host] = Relay(self.server_port, self.relay_address(host))
        return f"http://{self.relays[host].address}:{self.relays[host].port}"

    def entering(self, host):
        """What a command begins with that is to run on a host."""
        return []

    def entering_server(self):
        """The same for the server."""
        return []

    def relay_address(self, host):
        """Where a host's relay listens."""
        return "127.0.0.1"

    def start_other(self, name, command):
        child = Child(name, command, self.root / f"{name}.log", self.environment)
        self.others.append(child)
        return child

    def stop(self, failed=False):
        """Ends everything that this fleet started, keeps the logs of a failed test, removes its directory."""
        for child in [*self.agents.values(), self.server, *self.others]:
            if child:
                child.stop()
        for relay in self.relays.values():
            relay.close()
        for _ in range(50):
            left = processes_below(self.root)
            if not left:
                break
            for pid, _ in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
        if failed:
            self.keep_logs()
        for mount in reversed(self._mounts()):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def _mounts(self):
        points = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        return [point for point in points if point.startswith(str(self.root) + "/")]

    def keep_logs(self):
        folder = pathlib.Path(os.environ.get("EVENKEEL_TEST_LOGS", "/tmp/evenkeel-test-logs")) / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for path in [*self.root.glob("*.log"), *self.root.glob("*.yaml")]:
            shutil.copy(path, folder)
        for path in self.root.glob("agents/*/instances/*/log/error.log"):
            shutil.copy(path, folder / f"{path.parents[3].name}-{path.parents[1].name}-error.log")
        for path in self.root.glob("agents/*/journal.jsonl"):
            shutil.copy(path, folder / f"{path.parent.name}-journal.jsonl")
        shutil.copytree(self.repository, folder / "fleet", ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
        print(f"\nlogs of {self.name}: {folder}", file=sys.stderr)

    # MARK: Asking

    def cli(self, *arguments, status=(0,), timeout=COMMAND_SECONDS, input=None, environment=None):
        """Runs a command of the program; `status`: the exit codes that are right."""
        done = subprocess.run(
            [binary(), *arguments], capture_output=True, text=True, timeout=timeout, env=environment or self.environment, input=input,
            cwd=self.root)
        if status is not None and done.returncode not in status:
            raise AssertionError(
                f"evenkeel {' '.join(arguments)} ended with {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done

    def api(self, path, body=None):
        """The API's answer to a GET, or to a POST where there is a body, as parsed JSON."""
        request = urllib.request.Request(
            self.url + "/api/v1/" + path, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + (self.root / "admin.token").read_text().strip(), "Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def document(self):
        """The whole fleet as the server sees it; None while no server answers."""
        try:
            return self.api("fleet")
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def unit(self, name="Cluster/orders"):
        document = self.document()
        return next((unit for unit in document["units"] if unit["id"] == name), None) if document else None

    def cluster(self, name="orders"):
        return (self.unit("Cluster/" + name) or {}).get("cluster") or {}

    def instances(self, name="orders", phase="active"):
        return [each for each in self.cluster(name).get("instances", []) if phase in (None, each["phase"])]

    def instance(self, name):
        cluster = name.rsplit("-", 1)[0]
        return next((each for each in self.instances(cluster, None) if each["name"] == name), None)

    def primary(self, name="orders"):
        return self.primary_in(self.cluster(name))

    @staticmethod
    def primary_in(cluster):
        return next((each for each in cluster.get("instances", []) if each["name"] == cluster["primary"]), None)

    def replicas(self, name="orders"):
        return [each for each in self.instances(name) if each["role"] == "replica"]

    def tasks(self, limit=1000):
        """Attempts, oldest first."""
        return list(reversed(self.api(f"tasks?limit={limit}")))

    def carried_out(self, action, known=()):
        """Attempts of an action that are not in `known`, oldest first, without those that nobody was asked to make: a store
        that answers late ends its orders, and what they were for is ordered anew."""
        return [
            task for task in self.tasks() if task["action"] == action and task["id"] not in known
            and not (task["state"] == "refused" and "the facts are too old" in task.get("message", ""))]

    def events(self, limit=1000):
        """Oldest first."""
        return list(reversed(self.api(f"events?limit={limit}")))

    def directory(self, instance):
        """An instance's directory on its host."""
        if instance["cluster"] not in self.uids:
            self.uids[instance["cluster"]] = self.cluster(instance["cluster"])["uid"]
        uid = self.uids[instance["cluster"]]  # It never changes, and is wanted while no server answers.
        return self.root / "agents" / instance["host"] / "instances" / f"{uid}-{instance['ordinal']}"

    def database(self, instance, user="root", password=None, schema=None):
        """A way to ask an instance: as root over its socket, as another account over TCP."""
        if user == "root":
            return Database(socket_path=self.socket(instance))
        return Database(address=instance["address"], port=instance["port"], user=user, password=password, schema=schema)

    def socket(self, instance):
        """The path that the instance's own configuration names: a long one is put elsewhere."""
        text = (self.directory(instance) / "my.cnf").read_text()
        return re.search(r"^socket=(.*)$", text, re.M)[1]

    def make_table(self):
        """A table for writers, made where it is not."""
        self.database(self.primary()).rows("CREATE TABLE IF NOT EXISTS orders.acked (id BIGINT PRIMARY KEY)")

    def app(self, instance=None):
        """The application's account at an instance, the primary by default."""
        return self.database(instance or self.primary(), "app", self.passwords["orders-app"], "orders")

    def pid(self, instance):
        """The id of an instance's database process; None where it does not run."""
        directory = self.directory(instance)
        return next((pid for pid, command in processes_below(directory) if re.match(r"\S*(mariadbd|mysqld)\b", command)), None)

    # MARK: Waiting

    def wait_until(self, condition, seconds, what, poll=POLL_SECONDS):
        return wait_until(condition, seconds, what, self.describe, poll)

    def is_converged(self):
        """Whether the newest commit is in force and nothing is left to do."""
        document = self.document()
        if not document or not document["units"]:
            return False
        head = self.head
        if any((source.get("accepted") or {}).get("commit") != head for source in document["sources"]):
            return False
        units = document["units"]
        clusters = {unit["name"]: unit.get("cluster") or {} for unit in units if unit["kind"] == "Cluster"}
        return all(unit["converged"] and not self._is_wrong(unit) for unit in units) and all(
            self._is_complete(clusters.get(name, {})) for name in self.declared("Cluster"))

    @staticmethod
    def _is_wrong(unit):
        """That a cluster lost its primary several times is told for an hour, and who stays in a drained zone all the while, however
        well it is."""
        return any(finding["reason"] not in ("PrimaryFlapping", "DrainHeld") for finding in unit["findings"])

    @staticmethod
    def _is_complete(cluster):
        active = [each for each in cluster.get("instances", []) if each["phase"] == "active"]
        return active and len(active) == cluster["wanted"] and all(each["serving"] for each in active)

    def converge(self, seconds=CONVERGE_SECONDS):
        """What a user does after a commit; returns how long it took."""
        began = time.monotonic()
        done = self.cli("reconcile", "--wait", "--timeout", str(seconds), status=None, timeout=seconds + 30)
        if done.returncode:
            raise TimedOut(f"reconcile --wait ended with {done.returncode}\n{done.stdout}{done.stderr}{self.describe()}")
        took = time.monotonic() - began
        self.wait_until(self.is_converged, 5, "what reconcile --wait called converged is")
        return took

    def wait_converged(self, seconds=CONVERGE_SECONDS):
        """For what is to happen without being asked."""
        self.wait_until(self.is_converged, seconds, "the fleet has converged")

    def wait_drift(self, reason, since):
        """Waits until an event of that reason was told, and sees to it that it came, by its own time, soon after `since`;
        returns its text."""
        def told():
            return next((each for each in self.events(200) if each["time"] >= since and each["reason"] == reason), None)

        event = self.wait_until(told, TOLD_SECONDS, f"{reason} is told")
        took = (event["time"] - since) / 1000
        if took >= DRIFT_SECONDS:
            raise AssertionError(f"{reason} was told after {took} s, not within {DRIFT_SECONDS} s\n{self.describe()}")
        return event["reason"] + ": " + event["message"]

    def wait_started_again(self, instance, cause):
        """Waits until a database whose process ends by `cause` runs again, and its end was told: by the server, or by its
        agent alone where it was started before the server looked again."""
        log, since, old = self.agents[instance["host"]].log, self.now(), self.pid(instance)
        known = log.stat().st_size if log.exists() else 0
        cause(old)
        self.wait_until(lambda: self.pid(instance) not in (None, old), TOLD_SECONDS, f"{instance['name']} is started again")
        mark = f"instance={self.directory(instance).name} "

        def told():
            lines = log.read_bytes()[known:].decode(errors="replace").splitlines()
            return any("should run does not" in line and mark in line for line in lines) or any(
                each["time"] >= since and each["reason"] == "InstanceDown" for each in self.events(200))

        self.wait_until(told, TOLD_SECONDS, f"the end of {instance['name']} is told")

    def wait_finding(self, reason, seconds=TOLD_SECONDS, since=None):
        """Waits until a finding of that reason is, or since that event was, told; returns its text."""
        since = 0 if since is None else since

        def told():
            for event in self.events(200):
                if event["time"] >= since and event["reason"] == reason:
                    return event["reason"] + ": " + event["message"]
            unit = self.unit() or {}
            return next((f["reason"] + ": " + f["message"] for f in unit.get("findings", []) if f["reason"] == reason), None)

        return self.wait_until(told, seconds, f"{reason} is told")

    def now(self):
        """The server's clock, in milliseconds."""
        return self.api("fleet")["timeMilliseconds"]

    def describe(self):
        """What someone who looks for the reason of a failure would ask first."""
        parts = []
        for arguments in (
            ("get", "clusters"), ("get", "instances", "-o", "wide"), ("get", "hosts"), ("get", "sources"),
            *(("describe", "cluster", name) for name in sorted(self.declared("Cluster"))),
            ("events", "--limit", "30"), ("tasks", "--limit", "30", "-o", "wide")):
            try:
                done = self.cli(*arguments, status=None, timeout=20)
                parts.append(f"$ evenkeel {' '.join(arguments)}\n{done.stdout}{done.stderr}")
            except (OSError, subprocess.SubprocessError) as error:
                parts.append(f"$ evenkeel {' '.join(arguments)}: {error}")
        for child in [self.server, *self.agents.values()]:
            if child:
                state = "runs" if child.is_running else f"ended with {child.process.returncode}"
                parts.append(f"{child.name} ({state}), the end of its log:\n{child.tail(20)}")
        return "\n".join(parts)


class FleetTestCase(unittest.TestCase):
    """Tests that share one fleet, in the order of their names; once one has failed the others are skipped, because
    what they build on is not there."""

    network = TESTS_NETWORK_FIRST
    relayed = ()
    fleet = None
    has_failed = False

    @classmethod
    def setUpClass(cls):
        cls.has_failed = False
        cls.fleet = cls.make_fleet()
        cls.addClassCleanup(cls._stop)
        try:
            cls.prepare()
        except BaseException:
            cls.has_failed = True
            raise

    @classmethod
    def make_fleet(cls):
        return Fleet(cls.__name__, cls.network, relayed=cls.relayed)

    @classmethod
    def prepare(cls):
        """Brings the fleet up."""
        cls.fleet.start()
        cls.fleet.converge()

    @classmethod
    def _stop(cls):
        cls.fleet.stop(failed=cls.has_failed)

    def setUp(self):
        if self.has_failed and not os.environ.get("EVENKEEL_TEST_GO_ON"):
            self.skipTest("an earlier step failed")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        began = time.monotonic()
        result = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            type(self).has_failed = True
        if os.environ.get("EVENKEEL_TEST_TIMES"):
            print(f"{self.id()}: {time.monotonic() - began:.1f} s", file=sys.stderr)
        return result

    # MARK: What must hold at the end

    def assert_sound(self, fleet=None, name="orders", instances=3):
        """One open primary, closed replicas that follow it, the declared content, nothing left over, nothing twice."""
        fleet = fleet or self.fleet
        active = fleet.instances(name)
        self.assertEqual(len(active), instances, fleet.describe())
        primary = fleet.primary(name)
        self.assertEqual(fleet.database(primary).value("SELECT @@read_only"), "0")
        server_ids = set()
        for instance in active:
            database = fleet.database(instance)
            server_ids.add(database.value("SELECT @@server_id"))
            if instance["name"] == primary["name"]:
                continue
            self.assertEqual(database.value("SELECT @@read_only"), "1", instance["name"])
            # A replica dials its primary again within a second of a restart; what was seen before may be older.
            followed = {
                "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Using_Gtid": "Slave_Pos",
                "Master_Host": primary["address"]}
            fleet.wait_until(
                lambda database=database: followed.items() <= database.replication().items(), FOLLOW_SECONDS,
                f"{instance['name']} follows {primary['name']} with both threads")
        self.assertEqual(len(server_ids), instances, "server ids are not unique")
        self.assert_nothing_left_over(fleet)
        self.assert_nothing_twice(fleet, name)

    def assert_nothing_left_over(self, fleet=None):
        """Every process below the fleet's directory is an instance's or an agent's; no instance is half made."""
        fleet = fleet or self.fleet
        wanted = {str(fleet.directory(each)) for cluster in self.cluster_names(fleet) for each in fleet.instances(cluster)}
        ours = {child.pid for child in [fleet.server, *fleet.agents.values(), *fleet.others] if child}

        def strangers():
            left = [entry for entry in processes_below(fleet.root) if entry[0] not in ours]
            running = [next((d for d in wanted if d + "/" in command), None) for _, command in left]
            return [entry for entry, owner in zip(left, running) if owner is None] + [
                ("twice", owner) for owner in set(running) if owner and running.count(owner) > 1]

        wait_until(lambda: not strangers(), 10, "no process is left over", lambda: str(strangers()))
        self.assertEqual(list(fleet.root.glob("agents/*/instances/*/HALF-MADE")), [])
        made = {str(path.parent) for path in fleet.root.glob("agents/*/instances/*/identity.json")
                if not (path.parent / "RETIRED").exists()}
        self.assertEqual(made, wanted)

    def assert_nothing_twice(self, fleet=None, name="orders"):
        """What the primary has written down since it was made never says the same of one account or database two times
        in a row: a task that was carried out twice would have."""
        fleet = fleet or self.fleet
        last = {}
        for text in fleet.database(fleet.primary(name)).statements():
            if not re.match(r"(?i)(create (or replace )?(database|user)|drop (database|user)|alter (database|user)|grant|revoke)", text):
                continue
            plain = re.sub(r"[`'\"]", "", text)
            subject = re.search(r"(\S+@\S+|(?<=database )\S+)", plain, re.I)[1]
            self.assertNotEqual(last.get(subject), plain, f"done twice: {plain}")
            last[subject] = plain

    @staticmethod
    def cluster_names(fleet):
        return [unit["name"] for unit in fleet.document()["units"] if unit["kind"] == "Cluster"]

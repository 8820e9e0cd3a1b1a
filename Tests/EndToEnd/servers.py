"""Three servers that share a store in a database, as processes of one machine: one leads, the others follow."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from databases import Database
from harness import Child, START_SECONDS, binary, free_port
from hosts import HostFleet
from relay import Relay

SERVERS = 3
LEASE = "6s"
LEASE_SECONDS = 6
# A lease that is over is noticed by who asks for it three times in its duration.
LEAD_SECONDS = LEASE_SECONDS + LEASE_SECONDS / 3 + 20
ANSWER_SECONDS = 5


class StoreDatabase:
    """The servers' database: a mariadbd of its own on a loopback address."""

    USER, PASSWORD, NAME = "evenkeel", "st0re 'pass", "evenkeel"

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.port = free_port()
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", f"--user={self._user()}",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        quoted = self.PASSWORD.replace("'", "''")
        (self.directory / "init.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {self.NAME};\n"
            f"CREATE USER IF NOT EXISTS {self.USER}@'127.0.0.1' IDENTIFIED BY '{quoted}';\n"
            f"GRANT ALL ON {self.NAME}.* TO {self.USER}@'127.0.0.1';\n")
        self.child = None

    @staticmethod
    def _user():
        return pwd.getpwuid(os.geteuid()).pw_name

    def start(self):
        self.child = Child("store", [
            "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.directory}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.directory}/s", f"--init-file={self.directory}/init.sql",
            f"--user={self._user()}", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--skip-name-resolve",
            "--performance-schema=OFF"], self.directory.parent / "store.log")
        return self.child

    @property
    def answers(self):
        return Database(socket_path=f"{self.directory}/s").answers()


class ServersFleet(HostFleet):
    """Each server is reached through a relay of its own, whose address is its public one."""

    def _make_configuration(self):
        self.store = StoreDatabase(self.root / "store")
        self.ports = [free_port() for _ in range(SERVERS)]
        self.doors = [Relay(port, self.wires.servers) for port in self.ports]
        self.urls = [f"http://{door.address}:{door.port}" for door in self.doors]
        self.servers = [None] * SERVERS
        password = self.root / "store.password"
        password.write_text(self.store.PASSWORD + "\n")
        password.chmod(0o600)
        super()._make_configuration(
            leaseDuration=LEASE, store={
                "url": f"mysql://{self.store.USER}@127.0.0.1:{self.store.port}/{self.store.NAME}", "passwordFile": str(password)})
        common = json.loads(self.configuration.read_text())
        self.configurations = []
        for number, port in enumerate(self.ports):
            path = self.root / f"server-{number}.yaml"
            path.write_text(json.dumps({
                **common, "listen": f"127.0.0.1:{port}", "publicURL": self.urls[number], "name": f"server-{number}",
                "data": str(self.root / f"server-{number}")}, indent=1))
            self.configurations.append(path)

    def server_url_for(self, host):
        return ",".join(self.urls)

    # MARK: Processes

    def start_server(self, *flags):
        """All of them. The first makes the fleet key, which the others get before they start."""
        if not self.store.child:
            self.others.append(self.store.start())
            self.wait_until(lambda: self.store.answers, START_SECONDS, "the store's database answers")
        for number in range(SERVERS):
            if not (self.servers[number] and self.servers[number].is_running):
                self.start_one(number, *flags)
            if number == 0:
                self.wait_until(lambda: (self.root / "server-0" / "fleet.key").exists(), START_SECONDS, "the fleet key is made")
        self.wait_until(lambda: self.leader() is not None and (self.root / "admin.token").exists(), START_SECONDS, "a server leads")
        return self.server

    def start_one(self, number, *flags, has_key=True):
        """`has_key`: the fleet key is brought to it, where it is not there."""
        key, data = self.root / "server-0" / "fleet.key", self.root / f"server-{number}"
        if has_key and number and not (data / "fleet.key").exists():
            data.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(key, data / "fleet.key")
            (data / "fleet.key").chmod(0o600)
        child = Child(
            f"server-{number}", [binary(), "serve", "--config", str(self.configurations[number]), *flags],
            self.root / f"server-{number}.log", self.environment)
        old, self.servers[number] = self.servers[number], child
        self.others = [each for each in self.others if each is not old] + [child]
        return child

    # MARK: Asking

    def says(self, number):
        """What a server answers to who asks whether it is ready; None where it does not answer."""
        if not (self.servers[number] and self.servers[number].is_running):
            return None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[number]}/readyz", timeout=ANSWER_SECONDS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except (OSError, ValueError):
            pass
        return None

    def leader(self, among=range(SERVERS)):
        """The number of who leads, and nothing where nobody does."""
        return next((number for number in among if (self.says(number) or "").startswith("ready: leads")), None)

    def term(self, number):
        found = re.search(r"leads with term (\d+)", self.says(number) or "")
        return int(found[1]) if found else None

    def wait_leader(self, but=()):
        """Another one than those, once it leads."""
        rest = [number for number in range(SERVERS) if number not in but]
        found = self.wait_until(
            lambda: [number for number in [self.leader(rest)] if number is not None], LEAD_SECONDS, f"one of the servers {rest} leads")
        return found[0]

    @property
    def answering(self):
        """Servers to ask, the one that led last first: one that is stopped keeps who asks."""
        order = sorted(range(SERVERS), key=lambda number: number != getattr(self, "_last", 0))
        return [number for number in order if self.servers[number] and self.servers[number].is_running and self.is_awake(number)]

    def is_awake(self, number):
        try:
            state = pathlib.Path("/proc", str(self.servers[number].pid), "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return state not in "TZ"

    def api(self, path, body=None):
        """From whoever leads: a follower names it."""
        failure = OSError("no server answers")
        token = (self.root / "admin.token").read_text().strip()
        for number in self.answering:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.ports[number]}/api/v1/{path}", data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": "Bearer " + token, "Accept": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                    document = json.load(answer)
                self._last = number
                return document
            except OSError as error:
                failure = error
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
        raise failure

    def cli(self, *arguments, environment=None, **more):
        """A command that asks a follower is sent to the leader."""
        awake = self.answering
        server = self.urls[awake[0]] if awake else self.urls[0]
        return super().cli(*arguments, environment=dict(environment or self.environment, EVENKEEL_SERVER=server), **more)

    def stop(self, failed=False):
        for child in self.servers:
            if child and child.is_running:
                os.kill(child.pid, signal.SIGCONT)
        if self.store.child and self.store.child.is_running:
            os.kill(self.store.child.pid, signal.SIGCONT)
        super().stop(failed)
        for door in self.doors:
            door.close()

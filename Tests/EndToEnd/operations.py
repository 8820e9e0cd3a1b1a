"""Commits that bring each kind of task about on a running cluster, and a watch for the moment at which one runs."""

import os
import re
import signal
import threading
import time

WATCH_SECONDS = 0.001


class Journals:
    """What the agents' journals say: attempts accepted and ended, by action. A file of the product's own, read as text,
    because a kind of task may run for a few milliseconds only."""

    def __init__(self, fleet):
        self.fleet = fleet

    def text(self, host):
        try:
            return (self.fleet.root / "agents" / host / "journal.jsonl").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def accepted(self, host):
        """(attempt, action) of everything that is in the journal, in order."""
        return re.findall(r'"type":"accepted","attempt":\{"id":"([^"]+)".*?"action":"([A-Za-z]+)"', self.text(host))

    def ended(self, host):
        return re.findall(r'"ended":"([^"]+)"', self.text(host))


class Trigger:
    """Calls `act(host)` once, at the moment that `moment(journals, host)` first holds on one of the hosts."""

    def __init__(self, fleet, moment, act):
        self.fleet = fleet
        self.journals = Journals(fleet)
        self.moment = moment
        self.act = act
        self.happened = threading.Event()
        self.host = None
        self.error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        if self.error:
            raise AssertionError(f"what was to happen at that moment failed: {self.error!r}") from self.error

    def _run(self):
        while not self._stop.is_set():
            for host in list(self.fleet.agents):
                if self.moment(self.journals, host):
                    self.host = host
                    try:
                        self.act(host)
                    except Exception as error:  # Told by whoever waits, in its own thread.
                        self.error = error
                    self.happened.set()
                    return
            time.sleep(WATCH_SECONDS)


def begins(action, known):
    """The moment at which an attempt of this action that is not in `known` has been taken on."""
    return lambda journals, host: any(kind == action and id not in known for id, kind in journals.accepted(host))


def ends(action, known, host):
    """The moment at which one that is not in `known` has ended on that host, well or not."""
    def moment(journals, at):
        ours = {id for id, kind in journals.accepted(host) if kind == action and id not in known} if at == host else set()
        return bool(ours) and bool(ours & set(journals.ended(host)))

    return moment


def count_of(what, number):
    """The moment at which the agents together have accepted (or ended) so many attempts."""
    seen = {}

    def moment(journals, host):
        seen[host] = len(getattr(journals, what)(host))
        return sum(seen.values()) >= number

    return moment


def known_attempts(fleet):
    journals = Journals(fleet)
    return {id for host in fleet.agents for id, _ in journals.accepted(host)}


def edit(*changes):
    return lambda fleet: fleet.edit(*changes, message="A change")




FOUNDING = ["install", "start", "initialize", "replicate", "acknowledge", "open", "ensureDatabase", "ensureAccount"]

OUT = (edit((r"cn-hangzhou-c, replicas: 1", "cn-hangzhou-c, replicas: 2")), 4)
IN = (edit((r"cn-hangzhou-c, replicas: 2", "cn-hangzhou-c, replicas: 1")), 3)
REPORTS = (
    "    - {name: orders, characterSet: utf8mb4}\n",
    "    - {name: orders, characterSet: utf8mb4}\n    - {name: reports, deletionPolicy: Delete}\n")
ACCOUNT = (
    "  accounts:\n",
    "  accounts:\n    - {name: report, host: \"127.%\", passwordFrom: {file: orders-report}, "
    "grants: [{on: \"orders.*\", privileges: [SELECT]}]}\n")


def swap(old, new):
    def change(fleet):
        text = fleet.cluster_file.read_text()
        if old not in text:
            raise AssertionError(f"nothing is {old!r} in\n{text}")
        fleet.cluster_file.write_text(text.replace(old, new, 1))
        fleet.commit("A change")

    return change


# For each kind of task: the commit that brings it about, the instances that there are then, and the way back.
RUNNING = {
    "clone": (OUT, IN),
    "prepareReplica": (OUT, IN),
    "replicate": (OUT, IN),
    "acknowledge": (OUT, IN),
    "retire": (OUT, IN),
    "setVariables": ((edit((r"max_connections: 200", "max_connections: 250")), 3), (edit((r"max_connections: 250", "max_connections: 200")), 3)),
    "configure": ((swap("max_connections: 200}", "max_connections: 200, back_log: 91}"), 3), (swap(", back_log: 91}", "}"), 3)),
    "restart": ((swap("max_connections: 200}", "max_connections: 200, back_log: 92}"), 3), (swap(", back_log: 92}", "}"), 3)),
    "demote": ((swap("preferredZones: [cn-hangzhou-a]", "preferredZones: [cn-hangzhou-b]"), 3),
               (swap("preferredZones: [cn-hangzhou-b]", "preferredZones: [cn-hangzhou-a]"), 3)),
    "promote": ((swap("preferredZones: [cn-hangzhou-a]", "preferredZones: [cn-hangzhou-b]"), 3),
                (swap("preferredZones: [cn-hangzhou-b]", "preferredZones: [cn-hangzhou-a]"), 3)),
    "ensureDatabase": ((swap(*REPORTS), 3), (swap(*reversed(REPORTS)), 3)),
    "dropDatabase": ((swap(*REPORTS), 3), (swap(*reversed(REPORTS)), 3)),
    "ensureAccount": ((swap(*ACCOUNT), 3), (swap(*reversed(ACCOUNT)), 3)),
    "dropAccount": ((swap(*ACCOUNT), 3), (swap(*reversed(ACCOUNT)), 3)),
}
# Those that come with the way back and not with the way there.
COME_BACK = {"retire", "dropDatabase", "dropAccount"}


def kill(pid):
    os.kill(pid, signal.SIGKILL)

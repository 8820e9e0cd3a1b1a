"""The words in which `galera-facts.txt` speaks of real members of a galera cluster: what is done to them, and what they are asked."""

import glob
import os
import pathlib
import re
import signal
import subprocess

import facts
from databases import QueryFailed
from harness import TimedOut, free_port, wait_until
from instances import NAMES, START_SECONDS, Instance, own, user

LIST = pathlib.Path(__file__).with_name("galera-facts.txt")
PROVIDERS = ["/usr/lib/galera/libgalera_smm.so", *glob.glob("/usr/lib/*/galera/libgalera_smm.so")]
PROVIDER = next((path for path in PROVIDERS if os.path.exists(path)), None)
MEET_SECONDS = 60
TEMPLATE_NETWORK = 74
# As `GaleraConfiguration` has it, with small sizes and without certificates.
PINNED = f"""\
[mariadbd]
skip_slave_start=ON
log_bin=binlog
log_slave_updates=ON
binlog_format=ROW
innodb_flush_log_at_trx_commit=1
skip_name_resolve=ON
character_set_server=utf8mb4
gtid_domain_id=7
innodb_autoinc_lock_mode=2
default_storage_engine=InnoDB
wsrep_on=ON
wsrep_provider={PROVIDER}
wsrep_sst_method=facts
wsrep_slave_threads=4
wsrep_gtid_mode=OFF
wsrep_mode=STRICT_REPLICATION,DISALLOW_LOCAL_GTID
wsrep_cluster_name=facts
innodb_buffer_pool_size=16M
innodb_log_file_size=4M
key_buffer_size=1M
aria_pagecache_buffer_size=1M
performance_schema=OFF
"""
ENDS = [
    ("Will never receive state", "a copy is wanted"), ("SST failed", "a copy is wanted"), ("Reversing history", "it is ahead"),
    ("may not be safe to bootstrap", "it was not the last one"),
]
OPTIONS = (
    "gcache.size=8M;pc.wait_prim_timeout=PT1H;evs.keepalive_period=PT0.2S;evs.inactive_check_period=PT0.1S;evs.suspect_timeout=PT1S;"
    "evs.inactive_timeout=PT3S;evs.install_timeout=PT3S;evs.join_retrans_period=PT0.2S;gmcast.peer_timeout=PT1S;gmcast.time_wait=PT1S")
# A member gets what it missed, or ends: as of the instances that Evenkeel makes.
TRANSFER = """\
#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role=$2; shift ;;
    --address) address=$2; shift ;;
    --gtid) gtid=$2; shift ;;
    --bypass) bypass=1 ;;
  esac
  shift
done
case "$role" in
  joiner) echo "ready $address/facts"; echo "$FACTS_POSITION 7" ;;
  donor) [ -n "$bypass" ] || exit 22; echo "done $gtid 7" ;;
esac
"""


class Member(Instance):
    """One that does not listen before it is in a component; whoever asks it connects then."""

    def __init__(self, name, directory, network, ports):
        port, self.group_port, self.transfer_port, self.whole_port = ports
        super().__init__(name, directory, f"127.0.{network}.{NAMES.index(name) + 1}", port)
        self.network = network
        self.logged = 0
        programs = self.directory / "programs"
        programs.mkdir()
        (programs / "wsrep_sst_facts").write_text(TRANSFER)
        (programs / "wsrep_sst_facts").chmod(0o755)

    def configure(self):
        address = self.place[0]
        everybody = ",".join(f"127.0.{self.network}.{number + 1}:{self.group_port}" for number in range(len(NAMES)))
        (self.directory / "my.cnf").write_text(
            PINNED + f"datadir={self.directory}/data\nsocket={self.directory}/s\npid_file={self.directory}/pid\nserver_id={self.number}\n"
            f"bind_address={address}\nport={self.place[1]}\nwsrep_cluster_address=gcomm://{everybody}\nwsrep_node_name={self.name}\n"
            f"wsrep_node_address={address}:{self.group_port}\nwsrep_node_incoming_address={address}:{self.place[1]}\n"
            f"wsrep_sst_receive_address={address}:{self.whole_port}\n"
            f'wsrep_provider_options="gmcast.listen_addr=tcp://{address}:{self.group_port};ist.recv_addr={address}:{self.transfer_port};{OPTIONS}"\n')

    def start(self, *arguments, position="00000000-0000-0000-0000-000000000000:-1"):
        """Begins; what it comes to is asked later."""
        self.configure()
        environment = dict(os.environ, PATH=f"{self.directory}/programs:/usr/sbin:/usr/bin:/sbin:/bin", FACTS_POSITION=position)
        log = self.directory / "error.log"
        self.logged = len(log.read_text(errors="replace")) if log.exists() else 0
        with open(self.directory / "out", "ab") as output:
            self.process = subprocess.Popen(
                ["/usr/sbin/mariadbd", f"--defaults-file={self.directory}/my.cnf", f"--log-error={self.directory}/error.log", *user(), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=environment)

    def recovered(self):
        """What its data hold, while it is down: history and number."""
        self.configure()
        log = self.directory / "reading.log"
        log.unlink(missing_ok=True)
        subprocess.run(
            ["/usr/sbin/mariadbd", f"--defaults-file={self.directory}/my.cnf", "--wsrep-recover", "--skip-networking", f"--log-error={log}", *user()],
            check=True, capture_output=True, timeout=START_SECONDS)
        history, number = re.findall(r"Recovered position: ([0-9a-f-]+):(-?\d+)", log.read_text())[-1]
        return history, int(number)

    def tell(self, history, number, is_safe):
        """Where a start begins, in the file from which Galera takes it."""
        state = self.directory / "data" / "grastate.dat"
        state.write_text(
            f"# GALERA saved state\nversion: 2.1\nuuid:    {history}\nseqno:   {number}\nsafe_to_bootstrap: {is_safe}\n")
        own(state)

    def rows(self, statement):
        if not self._session and not self._answers():
            raise QueryFailed(f"{self.name} does not listen")
        try:
            return super().rows(statement)
        except (QueryFailed, OSError):
            self._session = None
            raise


class Group(facts.Trio):
    """Three members in one component, at one position, open."""

    ANSWER_SECONDS = 40
    HOLDS_SECONDS = 1.0

    def __init__(self, template, network, _):
        """Always all three: a component is that of its members."""
        self.ports = ports()
        super().__init__(template, network)

    def make(self, name, directory, network):
        return Member(name, directory, network, self.ports)

    def begin(self):
        for member in self.instances.values():
            self._start(member, first=member.name == NAMES[0])
            self._await(member, member.number)

    def _await(self, member, size):
        wait_until(
            lambda: self.ask_size(member) == str(size) and self._status(member, "wsrep_local_state_comment") == "Synced",
            MEET_SECONDS, f"{member.name} is one of {size}", member.log)

    # What is done

    def _start(self, member, first=False):
        history, number = member.recovered()
        member.tell(history, number, int(first))
        member.start(*(["--wsrep-new-cluster"] if first else []), position=f"{history}:{number}")

    def do_start(self, one):
        """Where its data come up to, as that was read."""
        self._start(one)

    def do_start_first(self, one):
        """As the first of a component."""
        self._start(one, first=True)

    def do_write_alone(self, one, row):
        """On this member and on no other."""
        one.run(
            "SET SESSION sql_log_bin = 0", "SET SESSION wsrep_on = OFF", f"INSERT INTO facts.rows_written VALUES ({row})",
            "SET SESSION wsrep_on = ON", "SET SESSION sql_log_bin = 1")

    def do_start_untold(self, one):
        """As it was left."""
        one.start()

    def do_start_first_untold(self, one):
        one.start("--wsrep-new-cluster")

    # What is asked

    def answer(self, words):
        try:
            return super().answer(words)
        except (QueryFailed, OSError):
            return "none"

    def _status(self, one, name):
        rows = one.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return rows[0][1] if rows else None

    def ask_size(self, one):
        """Of its component."""
        return self._status(one, "wsrep_cluster_size") if self._status(one, "wsrep_cluster_status") == "Primary" else None

    def ask_ended(self, one):
        """Why, by its log since its last start."""
        if one.process.poll() is None:
            return None
        log = (one.directory / "error.log").read_text(errors="replace")[one.logged:]
        return next((reason for said, reason in ENDS if said in log), None)

    def ask_ahead(self, one, other):
        """Whether its data come up to more than the other's, both down."""
        (history, number), (others, least) = one.recovered(), other.recovered()
        return "yes" if history == others and number > least else "no"


def ports():
    """Of a group's members, each at its own address: for clients, the group, what a member missed, and whole data."""
    return [free_port() for _ in range(4)]


def template(directory):
    """A data directory of a member that was stopped in good order, at a position."""
    data = facts.template(directory)
    home = data.parent / "first"
    home.mkdir()
    data.rename(home / "data")
    own(home)
    member = Member(NAMES[0], home, TEMPLATE_NETWORK, ports())
    member.start("--wsrep-new-cluster")
    wait_until(lambda: member.rows("SHOW GLOBAL STATUS LIKE 'wsrep_ready'")[0][1] == "ON", MEET_SECONDS, "a first member is ready", member.log)
    if not member.end(signal.SIGTERM):
        raise TimedOut(member.log())
    return home / "data"

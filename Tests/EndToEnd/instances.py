"""A real mariadbd as every instance's file has it, without anything of ours around it, and clients that write to it."""

import os
import re
import subprocess
import threading

from databases import Connection, QueryFailed
from harness import wait_until

NAMES = "abc"
ADMINISTRATOR = ("boss", "boss", "")
APPLICATION = ("app", "app", "facts")
START_SECONDS = 20
STATEMENT_SECONDS = 10
# An application waits for its answer as long as a script takes.
CLIENT_SECONDS = 60
# As an instance's own file has it (`MariaDBConfiguration`), with small sizes.
PINNED = """\
[mariadbd]
read_only=ON
skip_slave_start=ON
log_bin=binlog
log_slave_updates=ON
binlog_format=ROW
gtid_strict_mode=ON
sync_binlog=1
innodb_flush_log_at_trx_commit=1
relay_log=relay-bin
rpl_semi_sync_master_enabled=OFF
rpl_semi_sync_slave_enabled=OFF
rpl_semi_sync_master_wait_point=AFTER_SYNC
rpl_semi_sync_master_wait_no_slave=ON
rpl_semi_sync_master_timeout=18446744073709551615
rpl_semi_sync_slave_kill_conn_timeout=1
master_retry_count=0
slave_net_timeout=2
slave_parallel_threads=8
slave_parallel_mode=optimistic
skip_name_resolve=ON
character_set_server=utf8mb4
gtid_domain_id=7
innodb_buffer_pool_size=16M
innodb_log_file_size=4M
key_buffer_size=1M
aria_pagecache_buffer_size=1M
performance_schema=OFF
"""


class Client:
    """An application's statement on its way: answered, refused, or neither."""

    def __init__(self, instance, row, sql, account=APPLICATION):
        self.row = row
        self.answer = None
        self.instance = instance
        self._connection = Connection(*instance.place, *account, seconds=CLIENT_SECONDS)
        self.number = self._connection.value("SELECT CONNECTION_ID()")
        self._thread = threading.Thread(target=self._run, args=(sql,), daemon=True)
        self._thread.start()

    def _run(self, sql):
        try:
            self._connection.execute(sql)
            self.answer = "acknowledged"
        except QueryFailed as error:
            # An answer that says no; the end of the connection says nothing.
            self.answer = "unknown" if "closed the connection" in str(error) else "refused: " + str(error)
        except OSError:
            self.answer = "unknown"
        self._connection.close()


class Instance:
    def __init__(self, name, directory, address, port):
        self.name = name
        self.number = NAMES.index(name) + 1
        self.directory = directory
        self.place = (address, port)
        self.process = None
        self._session = None

    def start(self, *arguments):
        configuration = self.directory / "my.cnf"
        configuration.write_text(
            PINNED + f"datadir={self.directory}/data\nsocket={self.directory}/s\npid_file={self.directory}/pid\nserver_id={self.number}\n"
            f"log_error={self.directory}/error.log\nbind_address={self.place[0]}\nport={self.place[1]}\nreport_host={self.place[0]}\n")
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", f"--defaults-file={configuration}", *user(), *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: self._answers() or self.process.poll() is not None, START_SECONDS, f"{self.name} answers", self.log, poll=0.01)
        return self.process.poll() is None

    def _answers(self):
        try:
            self._session = Connection(*self.place, *ADMINISTRATOR, seconds=STATEMENT_SECONDS)
            return True
        except (OSError, QueryFailed):
            return False

    def log(self):
        return "\n".join((self.directory / "error.log").read_text(errors="replace").splitlines()[-20:])

    def end(self, with_signal):
        """True where it ended by that."""
        self._session = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(START_SECONDS)
                return False
        return True

    def run(self, *statements):
        for statement in statements:
            self._session.execute(statement)

    def rows(self, statement):
        return self._session.rows(statement)

    def value(self, statement):
        rows = self.rows(statement)
        return rows[0][0] if rows else None

    def status(self):
        names, rows = self._session.table("SHOW SLAVE STATUS")
        return dict(zip(names, rows[0])) if rows else {}

    def relay_logs(self):
        return sorted((self.directory / "data").glob("relay-bin.0*"))

    def in_relay_logs(self):
        """The last position of a complete group in its relay logs."""
        last = None
        for log in self.relay_logs():
            for position in re.findall(r"^#.*\sGTID (\d+-\d+-\d+)", events(log, "--base64-output=never"), re.M):
                last = position
        return last


def events(*words):
    """What `mariadb-binlog` writes of logs, as far as it can."""
    return subprocess.run(
        ["mariadb-binlog", "--no-defaults", *map(str, words)], capture_output=True, text=True, timeout=STATEMENT_SECONDS, check=False).stdout


def user():
    return ["--user=mysql"] if os.geteuid() == 0 else []


def own(directory):
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "mysql:", str(directory)], check=True)

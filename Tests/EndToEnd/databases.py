"""Asking databases, through the `mariadb` client as a user would, and writing to them as an application does."""

import hashlib
import os
import socket
import struct
import subprocess
import threading
import time

QUERY_SECONDS = 15
CONNECT_SECONDS = 2
REACH_SECONDS = 0.2  # A host of this machine answers at once, or not at all.
ROWS_SECONDS = 120  # A commit syncs its binary log and its engine's, which takes a busy disk a second.


class QueryFailed(Exception):
    pass


class Database:
    """One instance and one account: over its unix socket as root, or over TCP."""

    def __init__(self, socket_path=None, address=None, port=None, user="root", password=None, schema=None):
        self.where = (
            ["--socket", socket_path] if socket_path else ["--protocol", "tcp", "-h", address, "-P", str(port), "--skip-ssl"])
        self.user = user
        self.password = password
        self.schema = schema

    def rows(self, sql):
        """Each row as a list of texts; NULL is `NULL`."""
        return self._run(sql, "--skip-column-names")

    def _run(self, sql, names):
        environment = dict(os.environ)
        if self.password is not None:
            environment["MYSQL_PWD"] = self.password
        done = subprocess.run(
            ["mariadb", "--no-defaults", *self.where, "-u", self.user, "--batch", names,
             f"--connect-timeout={CONNECT_SECONDS}", *([self.schema] if self.schema else [])],
            input=sql, capture_output=True, text=True, timeout=QUERY_SECONDS, env=environment)
        if done.returncode:
            raise QueryFailed(f"{sql}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, sql):
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def answers(self):
        """Whether a query is answered."""
        try:
            return self.value("SELECT 1") == "1"
        except (QueryFailed, subprocess.TimeoutExpired):
            return False

    def replication(self):
        """SHOW SLAVE STATUS by column name; empty where nothing is configured."""
        lines = self._run("SHOW SLAVE STATUS", "--column-names")
        return dict(zip(lines[0], lines[1])) if lines else {}

    def variable(self, name):
        return self.value(f"SELECT @@GLOBAL.{name}")

    def status(self, name):
        rows = self.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return rows[0][1] if rows else None

    def statements(self):
        """Every statement (not rows) in the binary logs that are still there, oldest first."""
        found = []
        for (log, *_) in self.rows("SHOW BINARY LOGS"):
            for row in self.rows(f"SHOW BINLOG EVENTS IN '{log}'"):
                if row[2] == "Query":
                    found.append(row[5])
        return found


class Connection:
    """A connection that speaks the server's protocol itself, so that what was acknowledged is known to the byte."""

    def __init__(self, address, port, user, password, schema, seconds=QUERY_SECONDS):
        self.socket = socket.create_connection((address, port), min(seconds, REACH_SECONDS))
        self.socket.settimeout(seconds)
        self.sequence = 0
        try:
            self._log_in(user, password.encode(), schema)
        except BaseException:
            self.socket.close()
            raise

    def _log_in(self, user, password, schema):
        greeting = self._read()
        if greeting[0] == 0xFF:
            raise QueryFailed(greeting[3:].decode(errors="replace"))
        end = greeting.index(b"\0", 1) + 1
        salt = greeting[end + 4:end + 12] + greeting[end + 31:end + 43]
        capabilities = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000  # long password, schema, 4.1, transactions, plugin
        answer = struct.pack("<IIB23x", capabilities, 1 << 24, 45) + user.encode() + b"\0"
        scramble = self._scramble(password, salt)
        answer += bytes([len(scramble)]) + scramble + schema.encode() + b"\0mysql_native_password\0"
        self._write(answer)
        reply = self._read()
        if reply[0] == 0xFE:
            end = reply.index(b"\0", 1) + 1
            self._write(self._scramble(password, reply[end:end + 20]))
            reply = self._read()
        self._check(reply)

    @staticmethod
    def _scramble(password, salt):
        if not password:
            return b""
        first = hashlib.sha1(password).digest()
        second = hashlib.sha1(salt + hashlib.sha1(first).digest()).digest()
        return bytes(a ^ b for a, b in zip(first, second))

    def execute(self, sql):
        """Runs a statement that returns no rows; returning means that it was acknowledged."""
        self.sequence = 0
        self._write(b"\x03" + sql.encode())
        self._check(self._read())

    def value(self, sql):
        """The first column of a query's first row, as text; None where there is none."""
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def rows(self, sql):
        """Each row as a list of texts; NULL is None."""
        return self.table(sql)[1]

    def table(self, sql):
        """The names of a query's columns, and its rows."""
        self.sequence = 0
        self._write(b"\x03" + sql.encode())
        reply = self._read()
        if reply[0] == 0xFF:
            self._check(reply)
        columns = [self._texts(self._read(), 5)[4] for _ in range(reply[0])]
        self._read()  # The mark at their end.
        rows = []
        while True:
            row = self._read()
            if row[0] == 0xFF:
                self._check(row)
            if row[0] == 0xFE and len(row) < 9:
                return columns, rows
            rows.append(self._texts(row, len(columns)))

    @staticmethod
    def _texts(data, count):
        """So many texts, each behind its length."""
        texts, place = [], 0
        for _ in range(count):
            size, place = data[place], place + 1
            if size == 0xFB:
                texts.append(None)
                continue
            if size >= 0xFC:
                width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[size]
                size, place = int.from_bytes(data[place:place + width], "little"), place + width
            texts.append(data[place:place + size].decode(errors="replace"))
            place += size
        return texts

    def _check(self, reply):
        if reply[0] == 0xFF:
            raise QueryFailed(reply[3:].decode(errors="replace"))
        if reply[0] != 0:
            raise QueryFailed("an unexpected reply")

    def _read(self):
        header = self._exactly(4)
        self.sequence = header[3] + 1
        return self._exactly(int.from_bytes(header[:3], "little"))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise QueryFailed("the server closed the connection")
            data += part
        return data

    def _write(self, payload):
        self.socket.sendall(len(payload).to_bytes(3, "little") + bytes([self.sequence & 255]) + payload)

    def close(self):
        self.socket.close()


class Writer:
    """An application that inserts one row after another, and remembers those that were acknowledged.

    `where()`: (address, port) of where to write now, or None; asked again after every error. `patience`: seconds that it
    waits for an answer; a row that was not answered in time counts as not acknowledged.
    """

    def __init__(self, where, user, password, schema, table="acked", first=1, patience=QUERY_SECONDS):
        self.where = where
        self.patience = patience
        self.account = (user, password, schema)
        self.table = table
        self.first = first
        self.acknowledged = []
        self.errors = []
        self.gap_longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(QUERY_SECONDS + CONNECT_SECONDS + 5)

    def _run(self):
        connection = None
        number = self.first - 1
        last = time.monotonic()
        while not self._stop.is_set():
            try:
                if connection is None:
                    place = self.where()
                    if place is None:
                        time.sleep(0.02)
                        continue
                    connection = Connection(*place, *self.account, self.patience)
                number += 1
                connection.execute(f"INSERT INTO {self.table} (id) VALUES ({number})")
                self.acknowledged.append(number)
                now = time.monotonic()
                self.gap_longest = max(self.gap_longest, now - last)
                last = now
            except (OSError, QueryFailed, struct.error, IndexError, ValueError) as error:
                self.errors.append(str(error))
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.02)
        if connection:
            connection.close()

    def wait_for(self, count, seconds=ROWS_SECONDS):
        """Waits until so many rows more were acknowledged."""
        target = len(self.acknowledged) + count
        end = time.monotonic() + seconds
        while len(self.acknowledged) < target:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.acknowledged)} rows acknowledged, {target} wanted; {self.errors[-3:]}")
            time.sleep(0.02)

"""The words in which `facts.txt` speaks of real mariadbd: what is done to them, and what they are asked."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from databases import QueryFailed
from harness import free_port, wait_until
from instances import ADMINISTRATOR, APPLICATION, NAMES, START_SECONDS, STATEMENT_SECONDS, Client, Instance, events, own, user

LIST = pathlib.Path(__file__).with_name("facts.txt")
CLOSE_SECONDS = 0.2
WAIT_SECONDS = 0.2
TEMPLATE_SECONDS = 60


class Fact:
    """One script: its name, and lines as words; a question is a line with ` = `, and what it has to answer."""

    def __init__(self, name, line):
        self.name = name
        self.line = line
        self.steps = []

    @property
    def names(self):
        """Of the instances that it speaks of."""
        return sorted({word for _, step in self.steps for word in step.split(" = ")[0].split() if word in NAMES})

    @staticmethod
    def all(path=LIST):
        facts = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("fact "):
                facts.append(Fact(line[5:].strip(), number))
            elif line.strip() and not line.startswith(("#", "unmodelled ")):
                facts[-1].steps.append((number, line.strip()))
        return facts


class Trio:
    """`template`: a data directory with its accounts and one table, and an empty binary log."""

    def __init__(self, template, network, names=NAMES):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ek-facts.", dir=template.parent))
        self.root.chmod(0o755)
        self.clients = []
        self.port = free_port()
        self.instances = {}
        for name in names:
            directory = self.root / name
            directory.mkdir()
            subprocess.run(["cp", "-a", "--sparse=always", str(template), str(directory / "data")], check=True)
            own(directory)
            self.instances[name] = self.make(name, directory, network)
        self.begin()

    def make(self, name, directory, network):
        return Instance(name, directory, f"127.0.{network}.{NAMES.index(name) + 1}", self.port)

    def begin(self):
        starts = [threading.Thread(target=instance.start) for instance in self.instances.values()]
        for start in starts:
            start.start()
        for start in starts:
            start.join()

    def end(self):
        for instance in self.instances.values():
            if instance.process and instance.process.poll() is None:
                instance.process.send_signal(signal.SIGKILL)
                instance.process.wait(START_SECONDS)
        shutil.rmtree(self.root, ignore_errors=True)

    # What is done

    def do(self, words):
        verb, *subjects = words
        first = self.instances[subjects[0]] if subjects else None
        getattr(self, "do_" + verb.replace("-", "_"))(first, *subjects[1:])

    def do_open(self, one):
        one.run("SET GLOBAL read_only = 0")

    def do_close(self, one):
        """Bounded: it may not be possible."""
        try:
            one.run(f"SET STATEMENT max_statement_time = {CLOSE_SECONDS} FOR SET GLOBAL read_only = 1")
        except QueryFailed:
            pass

    def do_write(self, one, row):
        self._send(one, row, f"INSERT INTO rows_written VALUES ({row})")

    def do_create(self, one, row):
        self._send(one, row, f"CREATE DATABASE made{row}")

    def do_write_privileged(self, one, row):
        """By an account that has all privileges."""
        self._send(one, row, f"INSERT INTO facts.rows_written VALUES ({row})", ADMINISTRATOR)

    def do_lock(self, one, other, row):
        """The account by which `other` replicates, by a statement in the binary log."""
        self._send(one, row, f"ALTER USER repl{self.instances[other].number} ACCOUNT LOCK", ADMINISTRATOR)

    def do_write_unlogged(self, one, row):
        one.run("SET SESSION sql_log_bin = 0", f"INSERT INTO facts.rows_written VALUES ({row})", "SET SESSION sql_log_bin = 1")

    def do_schedule(self, one, row):
        """An event that writes a row, every second; nobody but `run-events` runs any."""
        one.run(f"CREATE EVENT facts.made{row} ON SCHEDULE EVERY 1 SECOND DO INSERT IGNORE INTO facts.rows_written VALUES ({row})")

    def do_write_bounded(self, one, row):
        """By a client that gives it a time."""
        self._send(one, row, f"SET STATEMENT max_statement_time = {WAIT_SECONDS} FOR INSERT INTO rows_written VALUES ({row})")

    def do_enable_event(self, one, row):
        one.run(f"ALTER EVENT facts.made{row} ENABLE")

    def do_run_events(self, one):
        one.run("SET GLOBAL event_scheduler = ON")

    def do_reset(self, one, other):
        """It forgets what it logged, and its position is said to be the other one's."""
        position = self.instances[other].value("SELECT @@gtid_binlog_pos")
        one.run("RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{position}'")

    def do_replay(self, one, other):
        """What follows in the binary log of `one`, which is down, on what `other` has applied."""
        instance = self.instances[other]
        logs = sorted((one.directory / "data").glob("binlog.0*"))
        tail = events(*logs, f"--start-position={instance.value('SELECT @@gtid_slave_pos')}")
        account, password, _ = ADMINISTRATOR
        subprocess.run(
            ["mariadb", "--no-defaults", "--skip-ssl", "-h", instance.place[0], "-P", str(instance.place[1]), f"-u{account}", f"-p{password}"],
            input=tail, text=True, capture_output=True, timeout=STATEMENT_SECONDS, check=True)

    def _send(self, one, row, sql, account=APPLICATION):
        client = Client(one, int(row), sql, account)
        self.clients.append(client)
        # The next line finds it on its way: answered, in the binary log, or behind one that waits there.
        wait_until(
            lambda: client.answer or one.rows(f"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {client.number} AND INFO IS NOT NULL"),
            STATEMENT_SECONDS, f"row {row} is on its way", poll=0.01)

    def do_kill(self, one):
        one.end(signal.SIGKILL)

    def do_stop(self, one):
        one.end(signal.SIGTERM)

    def do_start(self, one):
        one.start()

    def do_start_cutting(self, one):
        one.start("--init-rpl-role=SLAVE")

    def do_freeze(self, one):
        one.process.send_signal(signal.SIGSTOP)

    def do_thaw(self, one):
        one.process.send_signal(signal.SIGCONT)

    def do_point(self, one, other):
        source = self.instances[other]
        if int((one.value("SELECT @@gtid_binlog_pos") or "0").split("-")[-1]) > int((one.value("SELECT @@gtid_slave_pos") or "0").split("-")[-1]):
            one.run("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
        one.run(
            f"CHANGE MASTER TO MASTER_HOST='{source.place[0]}', MASTER_PORT={source.place[1]}, MASTER_USER='repl{one.number}', MASTER_PASSWORD='repl', "
            "MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=0.5, MASTER_CONNECT_RETRY=1")

    def do_start_both(self, one):
        one.run("START SLAVE")

    def do_start_io(self, one):
        one.run("START SLAVE IO_THREAD")

    def do_stop_io(self, one):
        one.run("STOP SLAVE IO_THREAD")

    def do_start_applier(self, one):
        one.run("START SLAVE SQL_THREAD")

    def do_stop_applier(self, one):
        one.run("STOP SLAVE SQL_THREAD")

    def do_acks(self, one, to):
        one.run(f"SET GLOBAL rpl_semi_sync_slave_enabled = {to}")

    def do_semi_sync(self, one, to):
        one.run(f"SET GLOBAL rpl_semi_sync_master_enabled = {to}")

    def do_refuse(self, one, other):
        one.run("SET SESSION sql_log_bin = 0", f"ALTER USER repl{self.instances[other].number} ACCOUNT LOCK")
        self.do_disconnect(one, other)

    def do_admit(self, one, other):
        one.run("SET SESSION sql_log_bin = 0", f"ALTER USER repl{self.instances[other].number} ACCOUNT UNLOCK")

    def do_disconnect(self, one, other):
        for (thread,) in one.rows(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'repl{self.instances[other].number}'"):
            one.run(f"KILL {thread}")

    def do_kill_clients(self, one):
        self._kill_clients(one, "KILL")

    def do_kill_queries(self, one):
        self._kill_clients(one, "KILL QUERY")

    def _kill_clients(self, one, how):
        for client in self.clients:
            if client.instance is one and client.answer is None:
                one.run(f"{how} {client.number}")

    def do_keep(self, one):
        """Relay logs are linked aside, as before every start."""
        aside = one.directory / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for log in one.relay_logs():
            os.link(log, aside / log.name)

    def do_rescue(self, one):
        """What was kept is put back and applied as files; both threads are down before and after."""
        self._rescue(one)
        self._applied_as_files(one)

    def do_rescue_idempotent(self, one):
        """Rows that are there already are passed over."""
        self._rescue(one, "--slave-exec-mode=IDEMPOTENT")
        self._applied_as_files(one)

    def do_rescue_parallel(self, one):
        """With as many threads as it has otherwise; they may end it."""
        try:
            self._rescue(one, "--slave-parallel-threads=8")
        except (QueryFailed, OSError):
            pass

    def _rescue(self, one, *arguments):
        aside = sorted((one.directory / "aside").iterdir())
        file, offset = self._first_after(one.value("SELECT @@gtid_slave_pos") or "", aside)
        one.end(signal.SIGKILL)
        for log in one.relay_logs():
            log.unlink()
        data = one.directory / "data"
        for log in aside:
            os.link(log, data / log.name)
        (data / "relay-bin.index").write_text("".join(f"./{log.name}\n" for log in aside))
        own(data)
        one.start("--slave-parallel-threads=0", *arguments)
        one.run(f"CHANGE MASTER TO RELAY_LOG_FILE='{file}', RELAY_LOG_POS={offset}, MASTER_USE_GTID=no", "START SLAVE SQL_THREAD")

    def _first_after(self, applied, logs):
        """Where in the relay logs that begins which follows a position."""
        for log in logs:
            offset = None
            for line in events(log, "--base64-output=never").splitlines():
                if at := re.match(r"# at (\d+)$", line):
                    offset = at[1]
                elif (found := re.search(r"\sGTID \d+-\d+-(\d+)", line)) and int(found[1]) > int((applied or "0").split("-")[-1]):
                    return log.name, offset
        raise AssertionError(f"nothing in {[log.name for log in logs]} follows {applied}")

    def _applied_as_files(self, one):
        def is_over():
            status = one.status()
            # Nothing where the thread has not begun, or has ended.
            return (status["Slave_SQL_Running_State"] or "").startswith("Slave has read all relay log") or status["Last_SQL_Errno"] != "0"

        wait_until(is_over, STATEMENT_SECONDS, "the relay logs are applied", lambda: str(one.status()))
        one.run("STOP SLAVE")

    def do_number(self, one, number):
        one.run(f"SET GLOBAL server_id = {number}")

    def do_set(self, one, name, value):
        one.run(f"SET GLOBAL {name} = {value}")

    def do_flush(self, one):
        one.run("FLUSH TABLES")

    # What is asked

    def answer(self, words):
        question, *subjects = words
        return getattr(self, "ask_" + question.replace("-", "_"))(*[self.instances.get(word, word) for word in subjects]) or "none"

    def _clients(self, holds):
        return " ".join(str(row) for row in sorted(client.row for client in self.clients if holds(client)))

    def ask_acknowledged(self):
        return self._clients(lambda client: client.answer == "acknowledged")

    def ask_refused(self):
        return self._clients(lambda client: (client.answer or "").startswith("refused"))

    def ask_waits(self, one):
        return self._clients(lambda client: client.instance is one and client.answer is None)

    def ask_rows(self, one):
        return " ".join(row for (row,) in one.rows("SELECT id FROM facts.rows_written ORDER BY id"))

    def ask_databases(self, one):
        return " ".join(row for (row,) in one.rows("SELECT SUBSTRING(SCHEMA_NAME, 5) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'made%' ORDER BY 1"))

    def ask_received(self, one):
        return one.status().get("Gtid_IO_Pos")

    def ask_relay(self, one):
        """What its relay logs end with, where it has not applied that."""
        last = one.in_relay_logs()
        return last if last and last != (one.value("SELECT @@gtid_slave_pos") or "") else None

    def ask_applied(self, one):
        return one.value("SELECT @@gtid_slave_pos")

    def ask_reached(self, position, one):
        """Whether it comes to have applied that within its time."""
        return one.value(f"SELECT MASTER_GTID_WAIT('{position}', {WAIT_SECONDS})")

    def ask_binlog(self, one):
        return one.value("SELECT @@gtid_binlog_pos")

    def ask_logged(self, one):
        """The rows in its binary log."""
        logs = [one.directory / "data" / log for log, *_ in one.rows("SHOW BINARY LOGS")]
        return " ".join(row for log in logs for row in re.findall(r"^###   @1=(\d+)", events(log, "-v", "--base64-output=decode-rows"), re.M))

    def ask_events(self, one):
        return " ".join(status for (status,) in one.rows("SELECT STATUS FROM information_schema.EVENTS ORDER BY EVENT_NAME"))

    def ask_runs(self, one):
        return "yes" if one.process.poll() is None else "no"

    def ask_writable(self, one):
        return "yes" if one.value("SELECT @@read_only") == "0" else "no"

    def ask_threads(self, one):
        status = one.status()
        return " ".join(name for name, column in (("io", "Slave_IO_Running"), ("applier", "Slave_SQL_Running")) if status.get(column) == "Yes")

    def ask_error(self, one):
        status = one.status()
        return next((status[column] for column in ("Last_IO_Errno", "Last_SQL_Errno") if status.get(column, "0") != "0"), None)

    def ask_clients(self, one):
        return one.rows("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'")[0][1]

    # A script

    def play(self, fact):
        """What was answered otherwise, by line; the script ends there."""
        for number, line in fact.steps:
            question, mark, expected = line.partition(" = ")
            if not mark:
                self.do(question.split())
                continue
            said = self._settled(question.split(), expected.strip())
            if said != expected.strip():
                return f"line {number}: {question} = {said}, expected {expected.strip()}"
        return None

    ANSWER_SECONDS = 6
    # What is so now and was no answer of a moment is so after this time.
    HOLDS_SECONDS = 0.25

    def _settled(self, question, expected):
        end = time.monotonic() + self.ANSWER_SECONDS
        while (said := self.answer(question)) != expected and time.monotonic() < end:
            time.sleep(0.02)
        if said == expected:
            time.sleep(self.HOLDS_SECONDS)
            said = self.answer(question)
        return said


def template(directory):
    """A data directory to copy; nothing in its binary log."""
    seed = pathlib.Path(directory) / "seed"
    seed.mkdir()
    own(seed)
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={seed}/data", "--skip-test-db", "--auth-root-authentication-method=normal",
         "--innodb-log-file-size=4M", *user()], check=True, capture_output=True, timeout=TEMPLATE_SECONDS)
    server = subprocess.Popen(
        ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={seed}/data", "--skip-networking", f"--socket={seed}/s", f"--pid-file={seed}/pid",
         "--innodb-log-file-size=4M", "--bootstrap", *user()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    statements = ["FLUSH PRIVILEGES", "CREATE DATABASE facts", "CREATE TABLE facts.rows_written (id INT PRIMARY KEY)"]
    statements += ["CREATE USER boss IDENTIFIED BY 'boss'", "GRANT ALL ON *.* TO boss WITH GRANT OPTION"]
    statements += ["CREATE USER app IDENTIFIED BY 'app'", "GRANT INSERT, SELECT, CREATE ON *.* TO app"]
    for number in range(1, len(NAMES) + 1):
        statements += [f"CREATE USER repl{number} IDENTIFIED BY 'repl'", f"GRANT REPLICATION SLAVE ON *.* TO repl{number}"]
    _, said = server.communicate(";\n".join(statements) + ";\n", timeout=TEMPLATE_SECONDS)
    if server.returncode:
        raise AssertionError(said)
    return seed / "data"

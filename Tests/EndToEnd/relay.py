"""A relay between an agent and its server that loses, cuts and repeats what they say, when a test says so."""

import socket
import threading

CONNECT_SECONDS = 5


def chunks(data):
    """The whole HTTP chunks that a piece begins with, each as it was sent, and what is in it."""
    while data:
        size, mark, after = data.partition(b"\r\n")
        try:
            length = int(size, 16)
        except ValueError:
            return
        if not mark or len(after) < length + 2:
            return
        yield size + mark + after[:length + 2], after[:length]
        data = after[length + 2:]


class Relay:
    """Listens on a port of its own and passes on to the server's.

    `rule(direction, data)` looks at each piece that is about to be passed on (`up` from the agent, `down` from the
    server) and answers what becomes of it: `pass`, `lose` (cut before it), `cut` (pass it on, then cut), `twice`
    (pass a whole chunk on two times), or the bytes to pass on in its place, as many.
    """

    def __init__(self, server_port, address="127.0.0.1"):
        self.server_port = server_port
        self.address = address
        self.rule = lambda direction, data: "pass"
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port), CONNECT_SECONDS)
                server.settimeout(None)
            except OSError:
                agent.close()
                continue
            pair = (agent, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._pump, args=(pair, agent, server, "up"), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, server, agent, "down"), daemon=True).start()

    def _pump(self, pair, source, target, direction):
        try:
            while data := source.recv(1 << 20):
                verdict = self.rule(direction, data)
                if verdict == "lose":
                    break
                if isinstance(verdict, bytes):
                    data = verdict
                target.sendall(data)
                if verdict == "twice":
                    # The server writes one line a chunk, and chunks may be repeated: the framing stays whole.
                    target.sendall(self._whole_chunks(data))
                if verdict == "cut":
                    break
        except OSError:
            pass
        self._close(pair)

    @staticmethod
    def _whole_chunks(data):
        """The HTTP chunks of a piece, from the first that begins in it; nothing where it does not begin with one."""
        return b"".join(sent for sent, _ in chunks(data))

    def _close(self, pair):
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def cut(self):
        """Ends every connection that is open; new ones are let through."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)

    def close(self):
        self._listener.close()
        self.cut()


class Once:
    """A rule that gives its verdict the first time that a pattern is seen in one direction, and says that it did."""

    def __init__(self, direction, pattern, verdict, count=1):
        self.direction = direction
        self.pattern = pattern
        self.verdict = verdict
        self.left = count
        self.happened = threading.Event()
        self._tail = b""

    def __call__(self, direction, data):
        if direction != self.direction or self.left == 0:
            return "pass"
        if self.pattern not in self._tail + data:
            self._tail = data[-len(self.pattern):]
            return "pass"
        self._tail = b""
        self.left -= 1
        self.happened.set()
        return self.verdict


class Replace(Once):
    """Puts as many other bytes in a pattern's place, the first time that it is seen in one direction."""

    def __init__(self, direction, pattern, other):
        assert len(pattern) == len(other)
        super().__init__(direction, pattern, None)
        self.other = other

    def __call__(self, direction, data):
        if direction != self.direction or self.left == 0 or self.pattern not in data:
            return "pass"
        self.left -= 1
        self.happened.set()
        return data.replace(self.pattern, self.other, 1)

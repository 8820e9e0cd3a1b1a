"""An order that was right once, sent to its agent again when it is not any more, as by a server that slept meanwhile."""

import json
import threading

from relay import chunks


class OldOrder:
    """A rule of a relay: keeps the first order of an action that passes to the agent, and once `send` was called slips it in
    again, under an id that nobody knows. `answer`: what the agent then says of that id."""

    LIFETIME = b"an-order-of-before"

    def __init__(self, action):
        self.pattern = f'"name":"{action}"'.encode()
        self.line = None
        self.answer = None
        self.was_sent = threading.Event()
        self._is_due = False
        self._tail = b""

    def send(self):
        """With the next thing that the agent is told."""
        self.was_sent.clear()
        self.answer, self._tail = None, b""
        self._is_due = True

    def __call__(self, direction, data):
        if direction == "up":
            self._listen(data)
            return "pass"
        lines = self._lines(data)
        if self.line is None:
            self.line = next((line for line in lines or [] if b'"type":"offer"' in line and self.pattern in line), None)
        # Only where a piece ends with a chunk another one may follow.
        if not self._is_due or lines is None or not self.line:
            return "pass"
        self._is_due = False
        self.was_sent.set()
        old = self.again()
        return data + f"{len(old):x}\r\n".encode() + old + b"\r\n"

    @property
    def order(self):
        return json.loads(self.line)["order"]

    def again(self):
        message = json.loads(self.line)
        message["order"]["id"] = self.LIFETIME.decode()
        return json.dumps(message, separators=(",", ":")).encode() + b"\n"

    @staticmethod
    def _lines(data):
        """What is in the HTTP chunks of a piece that holds nothing but whole ones; else None."""
        found = list(chunks(data))
        if sum(len(sent) for sent, _ in found) < len(data):
            return None
        return [line for _, content in found for line in content.split(b"\n") if line]

    def _listen(self, data):
        self._tail = (self._tail + data)[-(1 << 16):]
        if self.answer is None and self.was_sent.is_set():
            self.answer = next(
                (line.decode() for line in self._tail.split(b"\n")[:-1] if self.LIFETIME in line and b'"type":"attempt"' in line), None)

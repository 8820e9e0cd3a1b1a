"""Step 7: alert channels, a webhook and a script, are told what begins and what ends, once each."""

import http.server
import json
import threading
import time
import unittest

from harness import FleetTestCase


class Receiver:
    """A small server that keeps what was posted to it; the first `failures` posts are answered 503."""

    def __init__(self, failures=0):
        self.posts = []
        self.refused = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.refused < failures:
                    receiver.refused += 1
                    self.send_response(503)
                else:
                    receiver.posts.append((time.time(), body, dict(self.headers)))
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def alerts(self, status, name=None):
        found = [alert for _, body, _ in self.posts for alert in body["alerts"] if alert["status"] == status]
        return [alert for alert in found if name is None or alert["labels"]["alertname"] == name]

    def messages(self, status, name):
        """The names of the messages that told of it: a message that comes again keeps its name."""
        return {
            headers["Evenkeel-Message"] for _, body, headers in self.posts for alert in body["alerts"]
            if alert["status"] == status and alert["labels"]["alertname"] == name}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


CHANNELS = """\
apiVersion: evenkeel.dev/v1
kind: AlertChannel
metadata:
  name: on-call
spec:
  webhook:
    url: http://127.0.0.1:{port}/hook
    headers: {{X-Fleet: test}}
---
apiVersion: evenkeel.dev/v1
kind: AlertChannel
metadata:
  name: notes
spec:
  script: {{name: note, timeout: 5s}}
"""


class Channels(FleetTestCase):
    network = 32

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.receiver = Receiver(failures=2)
        cls.addClassCleanup(cls.receiver.close)
        (cls.fleet.repository / "channels.yaml").write_text(CHANNELS.format(port=cls.receiver.port))
        cls.fleet.commit("Tell us")
        cls.fleet.converge()

    def test_1_drift_is_told_once_with_retries_and_its_end_too(self):
        self.fleet.cli("suspend", "Cluster/orders")  # So that it lasts.
        self.fleet.wait_until(lambda: self.fleet.cluster()["suspended"], 10, "the cluster is suspended")
        self.fleet.database(self.fleet.primary()).rows("DROP USER app@'127.%'")
        self.fleet.wait_until(
            lambda: self.receiver.alerts("firing", "AccountDrift"), 30, "the webhook is told of the drift, after two refusals")
        self.assertEqual(self.receiver.refused, 2)
        self.fleet.wait_until(
            lambda: any(a["labels"]["alertname"] == "AccountDrift" for a in self.fleet.scripted("firing")), 15, "the script is told")
        for _ in range(3):  # More passes find the same.
            self.fleet.cli("reconcile", "Cluster/orders")
        time.sleep(3)  # Nothing more is to come: only time can show that.
        self.assertEqual(len(self.receiver.alerts("firing", "AccountDrift")), 1)
        alert = self.receiver.alerts("firing", "AccountDrift")[0]
        self.assertEqual(alert["labels"]["cluster"], "orders")
        self.assertEqual(alert["labels"]["host"], self.fleet.primary()["host"])
        text = json.dumps(alert)
        self.assertIn("app@127.%", text)
        self.assertIn(self.fleet.unit()["revision"][:7], text)
        self.assertRegex(alert["startsAt"], r"^20\d\d-\d\d-\d\dT")
        self.assertNotIn(self.fleet.passwords["orders-app"], text)
        for mended in (self.fleet.cli("doctor", status=(1,)), self.fleet.cli("describe", "cluster", "orders")):
            self.assertIn(alert["annotations"]["mend"], mended.stdout)
        self.fleet.cli("resume", "Cluster/orders")
        self.fleet.wait_until(
            lambda: self.receiver.alerts("resolved", "AccountDrift"), 30, "the webhook is told of its end")
        self.fleet.wait_until(
            lambda: any(a["labels"]["alertname"] == "AccountDrift" for a in self.fleet.scripted("resolved")), 15, "so is the script")
        time.sleep(2)
        self.assertEqual(len(self.receiver.alerts("resolved", "AccountDrift")), 1)

    def test_2_a_silent_host_and_its_replica_are_told(self):
        replica = self.fleet.replicas()[0]
        self.fleet.agents[replica["host"]].kill()
        self.fleet.wait_until(lambda: self.receiver.alerts("firing", "HostSilent"), 40, "the silent host is told")
        self.fleet.start_agent(replica["host"])
        self.fleet.wait_until(lambda: self.receiver.alerts("resolved", "HostSilent"), 40, "its return is told")

    def test_3_a_manifest_with_an_error_is_told(self):
        good = self.fleet.cluster_file.read_text()
        self.fleet.edit((r"topology: primaryReplica", "topology: ring"), message="A mistake")
        self.fleet.cli("reconcile", status=None)
        self.fleet.wait_until(lambda: self.receiver.alerts("firing", "InvalidManifest"), 30, "the error is told")
        self.assertIn("clusters/orders.yaml", json.dumps(self.receiver.alerts("firing", "InvalidManifest")[0]))
        self.fleet.cluster_file.write_text(good)
        self.fleet.commit("Mended")
        self.fleet.converge()
        self.fleet.wait_until(lambda: self.receiver.alerts("resolved", "InvalidManifest"), 30, "its end is told")

    def test_4_a_restarted_server_tells_nothing_twice(self):
        self.fleet.cli("suspend", "Cluster/orders")
        self.fleet.wait_until(lambda: self.fleet.cluster()["suspended"], 10, "the cluster is suspended")
        before = self.receiver.messages("firing", "DatabaseDrift")
        self.fleet.database(self.fleet.primary()).rows("DROP DATABASE orders")
        self.fleet.wait_until(
            lambda: self.receiver.messages("firing", "DatabaseDrift") > before, 30, "the drift is told")
        told = self.receiver.messages("firing", "DatabaseDrift")
        self.assertEqual(len(told), len(before) + 1)
        self.fleet.server.kill()
        self.fleet.start_server()
        self.fleet.wait_until(
            lambda: any(f["reason"] == "DatabaseDrift" for f in (self.fleet.unit() or {}).get("findings", [])), 30,
            "the new server sees it too")
        time.sleep(3)
        # A server killed before it could note that the message arrived sends that message once more, under its name.
        self.assertEqual(self.receiver.messages("firing", "DatabaseDrift"), told)
        self.fleet.cli("resume", "Cluster/orders")
        self.fleet.wait_until(lambda: self.receiver.alerts("resolved", "DatabaseDrift"), 30, "its end is told")


if __name__ == "__main__":
    unittest.main()

"""`plan --path` sends what differs from the revision in force, and the plan is that of the whole folder."""

import http.server
import json
import threading
import urllib.error
import urllib.request

from harness import START_SECONDS, FleetTestCase


class Recorder:
    """Passes requests on to the server and keeps what was asked; `alter(path, body)` may change what is sent."""

    def __init__(self, url):
        self.asked = []
        self.alter = lambda path, body: body
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.pass_on(None)

            def do_POST(self):
                self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))

            def pass_on(self, body):
                body = recorder.alter(self.path, body)
                recorder.asked.append((self.path, body))
                wanted = ("Authorization", "Accept", "Content-Type")
                headers = {name: self.headers[name] for name in wanted if self.headers[name]}
                request = urllib.request.Request(url + self.path, data=body, headers=headers, method=self.command)
                try:
                    answer = urllib.request.urlopen(request, timeout=30)
                except urllib.error.HTTPError as error:
                    answer = error
                said = answer.read()
                self.send_response(answer.status)
                for name in ("Content-Type", "Evenkeel-Exit-Status"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def plans(self):
        return [json.loads(body) for path, body in self.asked if path == "/api/v1/plan"]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Differences(FleetTestCase):
    network = 62

    @classmethod
    def prepare(cls):
        cls.fleet.start_server()
        cls.fleet.wait_until(cls.is_in_force, START_SECONDS, "the first commit is in force")

    @classmethod
    def is_in_force(cls):
        source = cls.fleet.document()["sources"][0]
        return (source.get("accepted") or {}).get("commit") == cls.fleet.head

    def setUp(self):
        super().setUp()
        self.recorder = Recorder(self.fleet.url)
        self.addCleanup(self.recorder.stop)

    def plan(self, status=(0, 2, 4, 8)):
        return self.fleet.cli(
            "plan", "--path", str(self.fleet.repository), "-o", "json", "--server", self.recorder.url, status=status)

    def units(self, text):
        return json.loads(text)["units"]

    def test_1_nothing_is_sent_where_nothing_differs(self):
        self.plan()
        self.assertEqual([(plan["files"], plan["base"]) for plan in self.recorder.plans()], [([], self.fleet.head)])

    def test_2_what_differs_is_sent_and_the_plan_is_that_of_the_whole(self):
        spare = self.fleet.repository / "clusters" / "spare.yaml"
        text = self.fleet.cluster_file.read_text().replace("name: orders\n", "name: spare\n", 1)
        spare.write_text(text.replace(f"port: {self.fleet.port}", "port: 4406"))
        self.fleet.commit("A second cluster")
        self.fleet.wait_until(self.is_in_force, 20, "it is in force")
        spare.unlink()
        self.fleet.edit((r"cn-hangzhou-b, replicas: 1", "cn-hangzhou-b, replicas: 2"))
        changed = str(self.fleet.cluster_file.relative_to(self.fleet.repository))
        said = self.plan().stdout
        files = self.recorder.plans()[0]["files"]
        self.assertEqual([file["path"] for file in files], [changed, "clusters/spare.yaml"])
        self.assertEqual(files[0]["text"], self.fleet.cluster_file.read_text())
        self.assertNotIn("text", files[1])
        whole = [{"path": str(path.relative_to(self.fleet.repository)), "text": path.read_text()}
                 for path in sorted(self.fleet.repository.rglob("*.yaml"))]
        self.assertEqual(self.units(said), self.fleet.api("plan", {"files": whole, "format": "json"})["units"])
        self.assertIn("4 instances", said)

    def test_3_a_revision_that_the_server_does_not_know_any_more_is_asked_for_once_again(self):
        lost = []

        def lose(path, body):
            if path != "/api/v1/plan" or lost and not self.always:
                return body
            lost.append(path)
            return json.dumps(dict(json.loads(body), base="f" * 40)).encode()

        self.recorder.alter, self.always = lose, False
        self.plan()
        self.assertEqual(
            [path for path, _ in self.recorder.asked], ["/api/v1/tree", "/api/v1/plan", "/api/v1/tree", "/api/v1/plan"])
        self.always = True
        self.recorder.asked.clear()
        self.assertIn("f" * 7, self.plan(status=(5,)).stderr)
        self.assertEqual(len(self.recorder.plans()), 2)

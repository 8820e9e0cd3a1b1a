import ChildProcess
import FleetModel
import Foundation
import MetadataStore
@testable import Monitoring
import Testing

/// An executable in a directory of its own, removed with this object.
private final class TestScript {
    let directory = NSTemporaryDirectory() + "evenkeel-script-" + UUID().uuidString
    var path: String { directory + "/script" }

    init(_ text: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(("#!/bin/sh\n" + text).utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func runner(_ arguments: [String] = []) -> ScriptRunner {
        ScriptRunner(scripts: ["page": AlertScript(path: path, arguments: arguments)])
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: directory + "/" + name, encoding: .utf8) }
}

private func delivery(_ payload: String = "{}") -> Delivery {
    let alert = AlertRecord(
        key: "k", labels: ["alertname": "InstanceDown", "cluster": "orders", "host": "h $(touch x)"],
        annotations: ["summary": "a; b"], began: Instant(milliseconds: 0))
    let channel = AlertChannel(metadata: Metadata(name: "pager"), target: .script(name: "page", timeout: .seconds(5)))
    return Delivery(entry: "e", message: "e|1", channel: channel, payload: payload, alert: alert, isResolved: false)
}

@Suite struct ScriptTests {
    @Test func `a script gets the payload on standard input, its fixed arguments and the alert's variables`() async throws {
        let script = try TestScript("cd \"$(dirname \"$0\")\"; cat > input; env > variables; echo \"$@\" > arguments\n")
        let payload = String(repeating: "x", count: 1_000_000)
        try await script.runner(["--to", "ops"]).run(delivery(payload), script: "page", timeLimit: .seconds(10))
        #expect(try script.read("input") == payload)
        #expect(try script.read("arguments") == "--to ops\n")
        let variables = Set(try script.read("variables").split(separator: "\n").map(String.init))
        #expect(
            variables.isSuperset(of: [
                "EVENKEEL_STATUS=firing", "EVENKEEL_ALERTNAME=InstanceDown", "EVENKEEL_CLUSTER=orders",
                "EVENKEEL_HOST=h $(touch x)", "EVENKEEL_SUMMARY=a; b", "EVENKEEL_CHANNEL=pager", "EVENKEEL_MESSAGE=e|1",
            ]))
        #expect(!variables.contains { $0.hasPrefix("HOME=") })
    }

    @Test func `a script that fails is named with its exit code and its last words`() async throws {
        let script = try TestScript("echo 'no network' >&2; exit 3\n")
        await #expect(throws: DeliveryFailure.transient("script page ended with exit code 3: no network")) {
            try await script.runner().run(delivery(), script: "page", timeLimit: .seconds(10))
        }
    }

    @Test func `a script that is not configured, or not there, is a failure that can be mended`() async throws {
        await #expect(throws: DeliveryFailure.self) {
            try await ScriptRunner(scripts: [:]).run(delivery(), script: "page", timeLimit: .seconds(1))
        }
        let gone = ScriptRunner(scripts: ["page": AlertScript(path: "/nowhere/script")])
        await #expect(throws: DeliveryFailure.self) { try await gone.run(delivery(), script: "page", timeLimit: .seconds(1)) }
    }

    @Test func `a script is ended with all that it started when its time is over`() async throws {
        let script = try TestScript(
            "trap '' TERM; sleep 300 & echo $! > \"$(dirname \"$0\")/child\"; while true; do sleep 0.1; done\n")
        let began = ContinuousClock.now
        await #expect(throws: DeliveryFailure.transient("script page did not end within 3000 ms and was ended")) {
            try await script.runner().run(delivery(), script: "page", timeLimit: .seconds(3))
        }
        // What it started would go on for 300 s.
        #expect(ContinuousClock.now - began < .seconds(100))
        let child = try script.read("child").trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try await hasEnded(child))
    }

    @Test func `a script is ended when the server stops`() async throws {
        let script = try TestScript("echo $$ > \"$(dirname \"$0\")/self\"; exec sleep 300\n")
        let runner = script.runner()
        let task = Task { () throws -> Void in try await runner.run(delivery(), script: "page", timeLimit: .seconds(200)) }
        while (try? script.read("self").contains("\n")) != true { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: DeliveryFailure.self) { try await task.value }
        #expect(try await hasEnded(script.read("self").trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// Whether a process ends within two seconds; one that nobody has reaped yet has ended.
    private func hasEnded(_ pid: String) async throws -> Bool {
        for _ in 0..<200 {
            let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            guard let status, !status.contains(") Z ") else { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

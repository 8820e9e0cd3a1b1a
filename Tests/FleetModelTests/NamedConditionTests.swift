import FleetModel
import Foundation
import Testing

/// Reasons of conditions and events that say nothing to be wrong.
private let neutral: Set<String> = [
    "AgentReports", "Converged", "Declared", "FailoverRequested", "InForce", "NotConverged", "Progressing", "Resolved", "Resumed", "RevisionAccepted",
    "RevisionApproved", "StoreRebuilt", "Suspended", "SwitchoverRequested", "TaskCancelled", "TaskFailed", "TaskRefused", "TaskStarted",
    "TaskSucceeded",
]

/// The text of all that raises anything, without comments.
private func raisingSources() throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    var text = ""
    for room in ["Planning", "Reconciliation", "Monitoring", "Server"] {
        let files = FileManager.default.enumerator(at: root.appending(path: "Sources/\(room)"), includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            text += lines.filter { !$0.drop { $0 == " " }.hasPrefix("//") }.joined(separator: "\n") + "\n"
        }
    }
    return text
}

@Suite struct NamedConditionTests {
    @Test func `every code that is raised is in the table, and every row is raised`() throws {
        let words = try raisingSources().matches(of: #/"([A-Z][a-z]+(?:[A-Z]+[a-z]*)*)"/#).map { String($0.output.1) }
        let raised = Set(words)
        let known = Set(NamedCondition.all.map(\.code))
        #expect(raised.count > 80)
        #expect(raised.subtracting(known).subtracting(neutral).sorted() == [], "in the sources, and not in the table")
        #expect(known.subtracting(raised).sorted() == [], "in the table, and raised nowhere")
        #expect(neutral.subtracting(raised).sorted() == [], "not in the sources any more")
    }

    @Test func `drift is told at once`() throws {
        let calls = try raisingSources().matches(of: #/find\(\s*"(\w+)"(?s:.*?)drift: (\w+)/#)
        #expect(calls.count > 50)
        for call in calls where call.output.2 == "true" {
            #expect(NamedCondition.of(String(call.output.1))?.telling == .atOnce, "\(call.output.1)")
        }
    }

    @Test func `codes are unique, and every row says all of it in sentences`() {
        #expect(Set(NamedCondition.all.map(\.code)).count == NamedCondition.all.count)
        for row in NamedCondition.all {
            #expect(!row.name.isEmpty)
            for text in [row.sentence, row.evidence, row.follows, row.mend] {
                #expect(text.hasSuffix(".") && !text.contains("\n") && !text.contains("|"), "\(row.code): \(text)")
            }
        }
    }

    @Test func `what stops writes is critical`() {
        for code in ["CommitsWaiting", "DiskFull", "DiskStalled", "FailoverHeld", "ErrantGTID", "WrongSource", "ReplicaWritable"] {
            #expect(NamedCondition.of(code)?.severity == .critical, "\(code)")
        }
    }

    @Test func `the gravest comes first, and what is not known last`() {
        let codes = ["Unheard", "ParameterDrift", "InstanceDown", "SemiSyncOff", "FailoverHeld", "InstanceDown"]
        let findings = codes.enumerated().map { Finding(reason: $1, subject: "\($0)", message: "", isDrift: false) }
        #expect(findings.byPriority.map(\.reason) == ["FailoverHeld", "InstanceDown", "InstanceDown", "SemiSyncOff", "ParameterDrift", "Unheard"])
        #expect(findings.byPriority.map(\.subject) == ["4", "2", "5", "3", "1", "0"])
    }
}

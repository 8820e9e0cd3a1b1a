import Foundation
import Simulation
import Testing

/// What MariaDB does is asked of MariaDB by Tests/EndToEnd/test_16_facts.py, by the same scripts.
@Suite struct FactTests {
    private static func scripts() throws -> [FactScript] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "EndToEnd/facts.txt")
        return FactScript.list(try String(contentsOf: file, encoding: .utf8))
    }

    @Test func `the model answers as mariadbd does`() throws {
        let scripts = try Self.scripts()
        for script in scripts where script.unmodelled == nil {
            if let problem = script.problem() { Issue.record("\(script.name): \(problem)") }
        }
        #expect(scripts.count { $0.unmodelled == nil } > 30)
    }

    @Test func `a wrong answer is one`() {
        let wrong = FactScript.list("fact a closed server takes rows\nwrite a 1\nacknowledged = 1\n")
        #expect(wrong.first?.problem() == "line 3: acknowledged = none, expected 1")
    }
}

import Foundation
import Simulation
import Testing

/// What MariaDB does is asked of MariaDB by Tests/EndToEnd/test_16_facts.py, by the same scripts.
@Suite struct FactTests {
    private static func scripts(_ name: String, isGalera: Bool) throws -> [FactScript] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "EndToEnd/" + name)
        return FactScript.list(try String(contentsOf: file, encoding: .utf8), isGalera: isGalera)
    }

    @Test(arguments: [("facts.txt", false, 40), ("galera-facts.txt", true, 9)])
    func `the model answers as mariadbd does`(_ file: String, _ isGalera: Bool, _ least: Int) throws {
        let scripts = try Self.scripts(file, isGalera: isGalera)
        for script in scripts where script.unmodelled == nil {
            if let problem = script.problem() { Issue.record("\(script.name): \(problem)") }
        }
        #expect(scripts.count { $0.unmodelled == nil } > least)
    }

    @Test func `a wrong answer is one`() {
        let wrong = FactScript.list("fact a closed server takes rows\nwrite a 1\nacknowledged = 1\n")
        #expect(wrong.first?.problem() == "line 3: acknowledged = none, expected 1")
        let member = FactScript.list("fact one is a component\nkill b\nsize a = 3\n", isGalera: true)
        #expect(member.first?.problem() == "line 3: size a = 2, expected 3")
    }
}

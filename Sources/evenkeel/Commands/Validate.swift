import ArgumentParser
import FleetModel
import Manifests

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check manifests offline: every error at once, each with file:line:column.",
        discussion: """
            Examples:
              evenkeel validate .
              evenkeel validate fleet -o json        for editors and CI

            Exit codes: 0 valid (warnings are told), 1 not valid.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "A folder of manifests, or one file.")
    var path: String
    @Option(name: [.customShort("o"), .long], help: "text or json.")
    var output: Format = .text

    func run() throws {
        let files = try readManifests(path)
        var manifests = ManifestSet()
        _ = manifests.apply(changed: files, revision: Revision(commit: "worktree"))
        let assembly = manifests.assemble()
        switch output {
        case .json: Terminal.standardOutput.write(assembly.diagnostics.json + "\n")
        case .text:
            let text = assembly.diagnostics.isEmpty ? "" : assembly.diagnostics.rendered(color: Terminal.standardOutput.hasColor)
            Terminal.standardOutput.write(text)
            if !assembly.hasErrors { Terminal.standardOutput.write("\(path): valid, \(files.count) files.\n") }
        }
        if assembly.hasErrors { throw ExitStatus.error }
    }
}

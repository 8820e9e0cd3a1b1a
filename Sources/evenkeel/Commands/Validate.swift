import ArgumentParser
import FleetModel
import Manifests
import Planning

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
        // A cluster that has no place is told only where all else is right: a broken host would make many homeless.
        let diagnostics = assembly.hasErrors ? assembly.diagnostics : assembly.diagnostics + placing(assembly, manifests)
        let hasErrors = diagnostics.contains { $0.severity == .error }
        switch output {
        case .json: Terminal.standardOutput.write(diagnostics.json + "\n")
        case .text:
            if !diagnostics.isEmpty {
                Terminal.standardOutput.write(diagnostics.rendered(color: Terminal.standardOutput.hasColor))
            }
            if !hasErrors { Terminal.standardOutput.write("\(path): valid, \(files.count) files.\n") }
        }
        if hasErrors { throw ExitStatus.error }
    }

    /// Clusters that would find no hosts or ports in an empty fleet in which no host or zone is closed: nobody knows here what
    /// is on those already, and stays.
    private func placing(_ assembly: Assembly, _ manifests: ManifestSet) -> [Diagnostic] {
        var fleet = assembly.fleet
        for (name, host) in fleet.hosts where !host.value.takesInstances {
            var open = host
            (open.value.schedulable, open.value.drain) = (true, false)
            fleet.hosts[name] = open
        }
        for (name, zone) in fleet.zones where !zone.value.takesInstances {
            var open = zone
            (open.value.schedulable, open.value.drain) = (true, false)
            fleet.zones[name] = open
        }
        return Planner.allocate(fleet, FleetRecords(storeID: "")).problems.map { problem in
            manifests.diagnostic(
                unit: UnitID(.cluster, problem.cluster), field: problem.field, message: problem.message, help: problem.help)
        }.sorted()
    }
}

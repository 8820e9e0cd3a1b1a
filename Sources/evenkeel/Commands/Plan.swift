import ArgumentParser
import ControlAPI
import FleetModel
import FoundationEssentials
import JSONStream
import Manifests
import Planning

struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What reconciliation would do, task by task; changes nothing.",
        discussion: """
            The server plans, from what it observes now; of a folder it is sent what differs from the revision in force. \
            With --observed a snapshot is planned from, offline.

            Examples:
              evenkeel plan                           what is in force
              evenkeel plan --path .                  this folder, before you commit
              evenkeel plan --revision feature-x      a branch or commit of the source
              evenkeel plan -o dot | dot -Tsvg        as a picture
              evenkeel snapshot > seen.json           what is observed now, and with it
              evenkeel plan --path . --observed seen.json      offline

            A snapshot of `{}` says that nothing was ever seen.

            Exit codes: 0 nothing to do, 1 error, 2 changes, 3 refused for safety, 4 waits for what no rehearsal can \
            supply, 5 the revision in force changed meanwhile, 6 drift only, 8 a host seen before is silent.
            """)

    @Option(help: "A folder of manifests, committed or not.")
    var path: String?
    @Option(help: "A commit or branch of the source.")
    var revision: String?
    @Option(help: "A snapshot of what was observed; plans offline.")
    var observed: String?
    @Option(help: "Offline: the moment to plan for, as RFC 3339; default: the snapshot's, then the present.")
    var now: String?
    @Option(name: .customLong("converged-out"), help: ArgumentHelp("Offline: writes the state that the plan ends in, as a snapshot.", visibility: .hidden))
    var convergedOut: String?
    @Option(help: "Only this unit, as Kind/name; may be repeated.")
    var unit: [String] = []
    @Option(help: "Which source, where the server has several.")
    var source: String?
    @Option(name: [.customShort("o"), .long], help: "text, json, markdown or dot (for Graphviz).")
    var output: PlanForm = .text
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if path != nil, revision != nil { throw ValidationError("--path and --revision exclude each other") }
        if observed != nil, path == nil { throw ValidationError("--observed plans offline and needs --path") }
    }

    func run() async throws {
        let units = try unit.map { try parseUnit($0) }
        if let observed, let path {
            try await OfflinePlan(
                path: path, observed: observed, now: now, units: units, format: output, convergedOut: convergedOut
            ).run()
        } else {
            try await askServer(units)
        }
    }

    private func askServer(_ units: [UnitID]) async throws {
        var command = PlanCommand()
        command.source = source
        command.revision = revision
        command.units = units.map(\.description)
        command.format = output.rawValue
        command.columns = Terminal.standardOutput.isTerminal ? Terminal.standardOutput.width : 0
        command.hasColor = output == .text && Terminal.standardOutput.hasColor
        let answer = try await Client.with(connection) { [command] client in
            guard let path else { return try await client.post(Route.plan, body: command.jsonBytes) }
            return try await ask(client, command, path)
        }
        Terminal.standardOutput.write(answer.body)
        try (answer.exitStatus ?? .nothingToDo).leave()
    }

    /// Sends what differs from the revision in force. Where the server does not know that any more when it is asked to
    /// plan (another came, and history was rewritten), the differences are made once again.
    private func ask(_ client: Client, _ command: PlanCommand, _ path: String) async throws -> Client.Answer {
        var command = command
        let query = source.map { [("source", $0)] } ?? []
        var tree: TreeDocument = try await client.get(Route.tree, query: query)
        let files = try WorkingTree(WorkingTree.folder(path, of: tree))
        for isLast in [false, true] {
            command.base = tree.revision.isEmpty ? nil : tree.revision
            command.files = tree.revision.isEmpty ? files.whole : try files.differences(from: tree)
            do {
                return try await client.post(Route.plan, body: command.jsonBytes)
            } catch let error as CommandError where error.status == .planIsStale && !isLast {
                tree = try await client.get(Route.tree, query: query)
            }
        }
        throw CommandError("the revision in force changed twice meanwhile", help: "ask again", status: .planIsStale)
    }
}

extension PlanForm: ExpressibleByArgument {}

/// The manifests of a folder; a `CommandError` where it is not there.
func readManifests(_ path: String) throws -> [ManifestFile] {
    do {
        return try ManifestDirectory.read(path)
    } catch {
        throw CommandError(error.description, help: "name a folder of manifests")
    }
}

/// A plan from a snapshot, without a server.
struct OfflinePlan {
    var path: String
    var observed: String
    var now: String?
    var units: [UnitID]
    var format: PlanForm
    /// For benchmarks: a fleet in which nothing is left to do, without running one.
    var convergedOut: String?

    func run() async throws {
        // Read beside the manifests: of a large fleet either takes seconds.
        let observed = observed
        async let reading = OfflinePlan.snapshot(observed)
        var manifests = try await ManifestLoading.load(path)
        let assembly = manifests.assemble()
        if !assembly.diagnostics.isEmpty {
            Terminal.standardError.write(assembly.diagnostics.rendered(color: Terminal.standardError.hasColor))
        }
        guard !assembly.hasErrors else { throw ExitStatus.error }
        let snapshot = try await reading
        let request = FleetPlanRequest(
            fleet: assembly.fleet, snapshot: snapshot, now: try moment(snapshot),
            units: units.isEmpty ? nil : Set(units))
        if let convergedOut {
            try FleetPlanner.converged(request).write(to: try SnapshotFile.sink(convergedOut))
            return
        }
        let totals = try await render(request)
        try (ExitStatus(rawValue: Int32(totals.exitStatus)) ?? .error).leave()
    }

    private func render(_ request: FleetPlanRequest) async throws -> PlanTotals {
        let terminal = Terminal.standardOutput
        return try await FleetPlanner.plan(
            request, in: format, width: terminal.isTerminal ? terminal.width : nil, isColored: terminal.hasColor
        ) { terminal.write($0) }
    }

    private static func snapshot(_ observed: String) throws -> Snapshot {
        guard let bytes = SnapshotFile.read(observed) else {
            throw CommandError("the snapshot \(observed) cannot be read", help: "make one with `evenkeel snapshot`, or write {} into it")
        }
        do {
            return try Snapshot(json: bytes)
        } catch {
            throw CommandError("the snapshot \(observed) is not understood: \(error)")
        }
    }

    private func moment(_ snapshot: Snapshot) throws -> Instant {
        if let now {
            guard let date = try? Date(now, strategy: .iso8601) else {
                throw CommandError("--now: \"\(now)\" is no moment", help: "such as 2026-11-21T02:00:00Z")
            }
            return Instant(milliseconds: Int64(date.timeIntervalSince1970 * 1000))
        }
        return snapshot.taken ?? Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
    }
}

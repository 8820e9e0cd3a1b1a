import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Rebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See what a rebuild of the server's store comes to, and approve it.",
        discussion: """
            A store that was lost, or a backup that was put back, is rebuilt by `evenkeel serve --rebuild` from git and \
            from what the agents tell. Nothing is planned or done before it was approved; databases run on meanwhile.

            Examples:
              evenkeel rebuild                                     what was found, and what stands in the way
              evenkeel rebuild --approve 3f0c52a41b9e
              evenkeel rebuild --approve 3f0c52a41b9e --without hz-c-1 --writer orders=orders-2

            --without leaves a host out whose agent cannot report: nothing of it is taken, and what is on it is left as it \
            is. --writer names the writer of a cluster where no agent does, or `none` to leave the cluster as it is. \
            --create lets a declared cluster be made of which nothing was found though hosts are left out.

            Exit codes: 0 it can be approved, or was; 1 error; 3 an approval is refused for what is said; 5 something \
            else is seen than the approval names.
            """)

    @Option(help: ArgumentHelp("Take what is seen for the records; the digest is that which was shown.", valueName: "digest"))
    var approve: String?
    @Option(help: ArgumentHelp("Hosts to go on without, separated by commas.", valueName: "host"))
    var without: [String] = []
    @Option(help: ArgumentHelp("The writer of a cluster, such as orders=orders-2, or orders=none.", valueName: "cluster=instance"))
    var writer: [String] = []
    @Option(help: ArgumentHelp("Declared clusters that were never made, separated by commas.", valueName: "cluster"))
    var create: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let command = try command()
        if command.digest.isEmpty { return try await show(command) }
        try await Client.with(connection) { client in _ = try await client.post(Route.rebuild, body: command.jsonBytes) }
        Terminal.standardOutput.write("The store is rebuilt and in use; `evenkeel plan` shows what is to be done.\n")
    }

    private func show(_ command: RebuildCommand) async throws {
        let query =
            command.without.map { ("without", $0) } + command.create.map { ("create", $0) }
            + command.writers.sorted { $0.key < $1.key }.map { ("writer", "\($0.key)=\($0.value)") }
        let document: RebuildDocument = try await Client.with(connection) { try await $0.get(Route.rebuild, query: query) }
        output.show(RebuildReport(document: document, choices: choices))
        if !document.refusals.isEmpty { try ExitStatus.refusedForSafety.leave() }
    }

    /// As they were given, for the approval.
    private var choices: String {
        (without.map { ("without", $0) } + writer.map { ("writer", $0) } + create.map { ("create", $0) })
            .map { " --\($0.0) \($0.1)" }.joined()
    }

    private func command() throws -> RebuildCommand {
        var command = RebuildCommand()
        if let approve, approve.isEmpty { throw CommandError("--approve names no digest", help: "`evenkeel rebuild` shows it") }
        command.digest = approve ?? ""
        command.without = without.flatMap { $0.split(separator: ",").map(String.init) }
        command.create = create.flatMap { $0.split(separator: ",").map(String.init) }
        for text in writer {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw CommandError("--writer: \"\(text)\" names no instance of a cluster", help: "write CLUSTER=INSTANCE, such as orders=orders-2, or CLUSTER=none")
            }
            guard command.writers.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw CommandError("--writer names the cluster \(parts[0]) twice", help: "name each cluster once")
            }
        }
        return command
    }
}

struct RebuildReport: View {
    var document: RebuildDocument
    /// The flags that the document was asked for with.
    var choices: String

    var names: [String] { document.clusters.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        let revision = document.revision.map { "revision \($0.short)" } ?? "no revision yet"
        var text = "The store is being rebuilt, from \(revision) and the reports of \(document.hosts.count) hosts. "
        text += "Nothing is done before it is approved.\n\n" + clusters(terminal) + "\n" + instances(terminal, isWide)
        for cluster in document.clusters {
            for note in cluster.notes { text += "note: \(cluster.name): \(note)\n" }
        }
        for stray in document.strays { text += "unmanaged: \(stray)\n" }
        guard document.refusals.isEmpty else {
            return text + "\n" + document.refusals.map { terminal.red("refused: ") + $0 + "\n" }.joined()
        }
        return text + "\nApprove what you see: evenkeel rebuild --approve \(document.digest)\(choices)\n"
    }

    private func clusters(_ terminal: Terminal) -> String {
        var table = Table(["CLUSTER", "STANDING", "EPOCH", "WRITER", "KNOWN BY", "GTID DOMAIN"], whenEmpty: "No cluster is declared or found.")
        for cluster in document.clusters {
            let isKnown = cluster.epoch > 0
            table.add(
                cluster.name, cluster.standing, isKnown ? String(cluster.epoch) : "-", cluster.writer.isEmpty ? "-" : cluster.writer,
                cluster.writerKnownBy.isEmpty ? "-" : cluster.writerKnownBy, isKnown ? String(cluster.gtidDomain) : "-")
        }
        return table.text(width: terminal.width)
    }

    private func instances(_ terminal: Terminal, _ isWide: Bool) -> String {
        var table = Table(["INSTANCE", "HOST", "STATE", "EPOCH", "POSITION"], whenEmpty: "No host reports an instance.")
        for instance in document.clusters.flatMap(\.instances) {
            table.add(instance.name, instance.host, instance.state, String(instance.epoch), instance.position)
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { document.write(to: &writer) }
}

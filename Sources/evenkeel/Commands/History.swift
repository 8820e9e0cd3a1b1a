import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The revisions that were taken into force, held or refused, newest first.")

    @Option(help: "How many.")
    var limit = 20
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await Client.with(connection) { client in
            output.show(
                HistoryView(revisions: try await client.get(Route.history, query: [("limit", String(limit))])))
        }
    }
}

struct HistoryView: View {
    var revisions: [RevisionDocument]

    var names: [String] { revisions.map(\.revision.commit) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["SEEN (UTC)", "SOURCE", "REVISION", "STATE", "AUTHOR", "SUBJECT", "MESSAGE"],
            whenEmpty: "No revision was seen yet.")
        for entry in revisions {
            table.add(
                timeText(entry.seen), entry.source, isWide ? entry.revision.commit : entry.revision.short, entry.state,
                entry.revision.author, entry.revision.subject, entry.message)
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { revisions.write(to: &writer) }
}

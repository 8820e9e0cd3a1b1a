import ArgumentParser
import ControlAPI
import FleetModel
import FoundationEssentials
import GameDay
import JSONStream

struct GameDayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gameday",
        abstract: "Hurt a test cluster on purpose under a recorded load, and look for every acknowledged write afterwards.",
        discussion: """
            Examples:
              evenkeel gameday --list                                   the faults, a line each
              evenkeel gameday orders --fault primary-kill --fault host-cut
              evenkeel gameday orders                                   every fault, one after another
              evenkeel gameday orders --sabotage semi-sync-off          what must lose writes, and must be seen to

            The cluster's manifest says `gameDay: allowed`, its agents were started with --game-day, and it has converged. \
            The load writes to the table evenkeel_gameday of --database as --user, whose password is read from \
            --password-file or EVENKEEL_GAMEDAY_PASSWORD.

            Exit codes: 0 every verdict is ok, 1 one is not (sabotage always), 3 refused.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "The cluster.")
    var cluster: String?
    @Flag(help: "List faults and sabotages.")
    var list = false
    @Option(help: "A fault by name; may be repeated. Default: all that can be had here.")
    var fault: [String] = []
    @Option(help: "A sabotage by name: semi-sync-off, undrained, relay-purge, plain-restart or two-writers. Afterwards the cluster may need a rebuild.")
    var sabotage: [String] = []
    @Option(help: "The database of the load's table.")
    var database = "gameday"
    @Option(help: "The account that writes: CREATE, INSERT and SELECT on the database.")
    var user = "gameday"
    @Option(help: "A file that holds its password.")
    var passwordFile: String?
    @Option(help: "Clients that keep their connection, and as many that make one for each write.")
    var clients = 4
    @Option(help: "A directory for a journal of each fault: every write and what became of it.")
    var out: String?
    @Option(name: [.customShort("o"), .long], help: "text or json.")
    var output: Format = .text
    @OptionGroup var connection: ConnectionOptions

    private static let clientsMax = 64
    private static let passwordBytesMax = 4096

    func run() async throws {
        if list { return Terminal.standardOutput.write(FaultsView().render(output == .json ? .json : .table)) }
        guard let cluster else { throw ValidationError("Name a cluster, or ask for --list.") }
        let unit = try parseUnit(cluster)
        let faults = try chosen()
        guard (1...GameDayCommand.clientsMax).contains(clients) else {
            throw ValidationError("--clients is 1 to \(GameDayCommand.clientsMax).")
        }
        let account = LoadAccount(user: user, password: try password(), database: database)
        let journal = try out.map { try GameDayJournal(directory: $0) }
        let reports = try await Client.with(connection) { client in
            let server = GameDayClient(client: client, unit: unit)
            let day = GameDay(server: server, account: account, clients: clients)
            var reports: [FaultReport] = []
            for fault in faults {
                tell("\(fault.name): \(fault.summary)")
                let report = try await run(fault, day, journal)
                tell("  \(report.verdict)")
                reports.append(report)
                if !report.isOK, report.unsettled { break }
            }
            return reports
        }
        Terminal.standardOutput.write(GameDayView(reports: reports).render(output == .json ? .json : .table))
        try status(reports).leave()
    }

    private func run(_ fault: Fault, _ day: GameDay, _ journal: GameDayJournal?) async throws -> FaultReport {
        do {
            return try await day.run(fault) { report, writes in try journal?.keep(report, writes) }
        } catch let error as GameDayError {
            throw CommandError(error.description, help: error.help)
        }
    }

    /// A fault that cannot be had here fails only where it was asked for by name.
    private func status(_ reports: [FaultReport]) -> ExitStatus {
        if reports.contains(where: { !$0.isOK && !$0.isRefused }) { return .error }
        if reports.contains(where: { $0.isRefused && (fault + sabotage).contains($0.fault) }) { return .refusedForSafety }
        return reports.contains(where: \.isOK) ? .nothingToDo : .refusedForSafety
    }

    private func chosen() throws -> [Fault] {
        let faults = try fault.map { try named($0, Fault.all, "--fault") }
        let sabotages = try sabotage.map { try named($0, Fault.sabotages, "--sabotage") }
        return faults.isEmpty && sabotages.isEmpty ? Fault.all : faults + sabotages
    }

    private func named(_ name: String, _ known: [Fault], _ option: String) throws -> Fault {
        if let found = known.first(where: { $0.name == name }) { return found }
        throw ValidationError("\(option) \(name) is none of \(known.map(\.name).joined(separator: ", ")).")
    }

    private func password() throws -> String {
        guard let passwordFile else {
            guard let password = ProcessInfo.processInfo.environment["EVENKEEL_GAMEDAY_PASSWORD"] else {
                throw CommandError(
                    "there is no password for the account \(user)", help: "name a file with --password-file, or set EVENKEEL_GAMEDAY_PASSWORD")
            }
            return password
        }
        guard let data = FileManager.default.contents(atPath: passwordFile) else {
            throw CommandError("the password file \(passwordFile) cannot be read", help: "name a readable file with --password-file")
        }
        let text = String(decoding: data.prefix(GameDayCommand.passwordBytesMax), as: UTF8.self)
        return String(text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false).first ?? "")
    }

    private func tell(_ line: String) {
        if output == .text { Terminal.standardError.write(line + "\n") }
    }
}

extension FaultReport {
    /// Not done at all.
    var isRefused: Bool { verdict.hasPrefix("not done") }
    /// Nothing can be told of the next fault.
    fileprivate var unsettled: Bool { settledMilliseconds == nil && !isRefused }
}

/// Every write of every fault, in files.
struct GameDayJournal {
    private let directory: String

    init(directory: String) throws {
        self.directory = directory
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw CommandError("the directory \(directory) cannot be made: \(error)", help: "name another one with --out")
        }
    }

    /// A line of the report, then one for each write.
    func keep(_ report: FaultReport, _ writes: [Write]) throws {
        var bytes = report.jsonBytes + [UInt8(ascii: "\n")]
        for write in writes {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("id", write.id)
            writer.member("client", write.sort.rawValue)
            writer.member("sent", write.sent)
            writer.member("ended", write.ended)
            writer.member("outcome", write.outcome.rawValue)
            writer.endObject()
            bytes += writer.bytes + [UInt8(ascii: "\n")]
        }
        let path = "\(directory)/\(report.fault).jsonl"
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw CommandError("the journal \(path) cannot be written", help: "name another directory with --out")
        }
    }
}

/// `--list`.
private struct FaultsView: View {
    var names: [String] { (Fault.all + Fault.sabotages).map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var faults = Table(["FAULT", "WHAT IS DONE, AND WHAT SHOULD FOLLOW"])
        for fault in Fault.all { faults.add(fault.name, fault.summary) }
        var sabotages = Table(["SABOTAGE", "WHAT MUST LOSE WRITES"])
        for fault in Fault.sabotages { sabotages.add(fault.name, fault.summary) }
        return faults.text(width: terminal.width) + "\n" + sabotages.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) {
        writer.beginArray()
        for fault in Fault.all + Fault.sabotages {
            writer.beginObject()
            writer.member("name", fault.name)
            writer.member("sabotage", fault.isSabotage)
            writer.member("summary", fault.summary)
            writer.endObject()
        }
        writer.endArray()
    }
}

struct GameDayView: View {
    var reports: [FaultReport]

    var names: [String] { reports.map(\.fault) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table([
            "FAULT", "POOLED", "RECONNECTING", "BEHIND", "ACKNOWLEDGED", "LOST", "UNKNOWN", "PRIMARY", "SETTLED", "VERDICT",
        ])
        for report in reports {
            let change = report.primaryAfter.isEmpty || report.primaryAfter == report.primaryBefore
                ? report.primaryBefore : "\(report.primaryBefore) → \(report.primaryAfter)"
            table.add(
                report.fault, seconds(report.pooledMilliseconds), seconds(report.reconnectingMilliseconds),
                report.behind.values.max().map(String.init) ?? "-", String(report.acknowledged), String(report.lost),
                String(report.unknown), change, seconds(report.settledMilliseconds), report.verdict)
        }
        return table.text(width: terminal.width)
    }

    private func seconds(_ milliseconds: Int64?) -> String {
        guard let milliseconds else { return "-" }
        let hundredths = (milliseconds + 5) / 10
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
    }

    func json(to writer: inout JSONWriter) {
        writer.beginArray()
        for report in reports { report.write(to: &writer) }
        writer.endArray()
    }
}

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
              evenkeel gameday orders --fault primary-kill --times 5    the median of five, and the worst
              evenkeel gameday orders --sabotage semi-sync-off          what must lose writes, and must be seen to

            The cluster's manifest says `gameDay: allowed`, its agents were started with --game-day, and it has converged. \
            The load writes to the table evenkeel_gameday of --database as --user, whose password is read from \
            --password-file or EVENKEEL_GAMEDAY_PASSWORD.

            AIM is the time without writes that the project aims at for a fault; one that was missed is marked and changes no \
            verdict.

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
    @Option(help: "How often each fault is run, 1 to \(timesMax): medians and the worst are shown.")
    var times = 1
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
    private static let timesMax = 20
    private static let passwordBytesMax = 4096

    func run() async throws {
        if list { return Terminal.standardOutput.write(FaultsView().render(output == .json ? .json : .table)) }
        guard let cluster else { throw ValidationError("Name a cluster, or ask for --list.") }
        let unit = try parseUnit(cluster)
        let faults = try chosen()
        guard (1...GameDayCommand.clientsMax).contains(clients) else {
            throw ValidationError("--clients is 1 to \(GameDayCommand.clientsMax).")
        }
        guard (1...GameDayCommand.timesMax).contains(times) else {
            throw ValidationError("--times is 1 to \(GameDayCommand.timesMax).")
        }
        guard times == 1 || sabotage.isEmpty else {
            throw ValidationError("--times is for faults: after a sabotage the cluster may need a rebuild.")
        }
        let account = LoadAccount(user: user, password: try password(), database: database)
        let journal = try out.map { try GameDayJournal(directory: $0) }
        let (reports, broken) = try await Client.with(connection) { client in
            let server = GameDayClient(client: client, unit: unit)
            return await runAll(faults, GameDay(server: server, account: account, clients: clients), journal)
        }
        if let broken, reports.isEmpty { throw broken }
        let summaries = times == 1 ? [] : Fault.all.map { FaultSummary($0, reports) }.filter { $0.times > 0 }
        let view = GameDayView(reports: reports, summaries: summaries)
        Terminal.standardOutput.write(view.render(output == .json ? .json : .table))
        if let broken { throw broken }
        try status(reports).leave()
    }

    /// Until one leaves the cluster unsettled, or cannot go on: what the earlier ones came to is shown all the same.
    private func runAll(_ faults: [Fault], _ day: GameDay, _ journal: GameDayJournal?) async -> ([FaultReport], (any Error)?) {
        var reports: [FaultReport] = []
        do {
            for fault in faults {
                for round in 1...times {
                    if !reports.isEmpty { try await refusing { try await day.rest() } }
                    tell("\(fault.name)\(times > 1 ? ", \(round) of \(times)" : ""): \(fault.summary)")
                    let report = try await refusing {
                        try await day.run(fault, round: times > 1 ? round : nil) { report, writes in try journal?.keep(report, writes) }
                    }
                    tell("  \(report.verdict)")
                    reports.append(report)
                    if !report.isOK, report.unsettled { return (reports, nil) }
                    if report.isRefused { break }
                }
            }
        } catch {
            return (reports, error)
        }
        return (reports, nil)
    }

    private func refusing<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await body()
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
        let path = "\(directory)/\(report.fault)\(report.round.map { "-\($0)" } ?? "").jsonl"
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw CommandError("the journal \(path) cannot be written", help: "name another directory with --out")
        }
    }
}

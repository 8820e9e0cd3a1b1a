import FleetModel
import Glibc

// How far a dead galera instance's data come up. Read before every start: one without it may found a new history over the
// data that are there.

extension InstanceWorker {
    /// As long as a start may take whose log grows: InnoDB recovers.
    static let positionReadMax: Duration = .seconds(3600)
    /// How much of the log after the last start is looked through for a vote.
    static let voteSearchMax: Int64 = 4 << 20

    /// The task: the process is dead, and what its data hold is kept for the reports.
    func readPosition() async throws -> TaskResult {
        try requireReady()
        // Its agent was faster, and started it: then it tells itself how far it is.
        guard process.living(thorough: true) == nil else { return TaskResult(acted: false) }
        guard let configuration = try Files.text(layout.started) ?? Files.text(layout.configuration) else {
            throw EngineError(.refused, "the configuration file \(layout.configuration) is missing: configure the instance first")
        }
        let setting = StartSetting(version: try identity().engineVersion, configuration: configuration)
        let files = GaleraFiles(layout)
        let recovered = try await recoveredPosition(by: setting)
        try files.keep(recovered)
        return TaskResult(recovered: recovered)
    }

    /// What the data and Galera's files say. Throws `refused` where there is no history at all.
    func recoveredPosition(by setting: StartSetting) async throws -> RecoveredPosition {
        let files = GaleraFiles(layout)
        try noteVote(files)
        guard let (uuid, sequence) = try await position(by: setting) else {
            throw EngineError(.refused, "\(layout.id) has no position: its data belong to no history, and it is cloned")
        }
        let (saved, view) = (try files.savedState(), try files.view())
        let leftInOrder = view == nil && saved?.stateUUID == uuid && (saved?.sequence ?? -1) >= 0
        return RecoveredPosition(
            stateUUID: uuid, sequence: sequence, view: view, leftInOrder: leftInOrder,
            leftLast: leftInOrder && saved?.isSafeToBootstrap == true, wasInconsistent: files.isInconsistent)
    }

    /// History and sequence as InnoDB has them; nil where the data were never in one.
    func position(by setting: StartSetting) async throws -> (uuid: String, sequence: Int64)? {
        let binaries = try await finder.forInstance(madeWith: setting.version)
        let user = try host.processUser()
        try Files.write(layout.reading, setting.configuration)
        // Emptied first: the position of an earlier time must not be taken for this one's.
        try Files.write(layout.readingLog, "", mode: 0o640)
        if let user { try Files.give(layout.readingLog, to: user) }
        var arguments = ["--defaults-file=" + layout.reading, "--wsrep-recover", "--skip-networking", "--log-error=" + layout.readingLog]
        if let user { arguments.append("--user=" + user.name) }
        if binaries.base != "/usr" { arguments.append("--basedir=" + binaries.base) }
        let outcome = try await Tool.run(binaries.server, arguments, within: Self.positionReadMax)
        let log = ErrorLog((try Files.text(layout.readingLog) ?? "") + outcome.errors)
        guard outcome.status == 0, let position = log.recoveredPosition else { throw log.readingFailure(of: layout) }
        return position.uuid == GaleraFiles.noHistory ? nil : position
    }

    /// A member that was voted out has nothing in its data that says so, and would be back in the component, silently
    /// different. Its log says it.
    private func noteVote(_ files: GaleraFiles) throws {
        guard !files.isInconsistent else { return }
        let began = try Files.text(layout.startedLog).flatMap { Int64($0.trimmedSpaces) } ?? 0
        let from = max(began, Files.size(layout.errorLog) - Self.voteSearchMax)
        if let vote = errorLog(since: from).vote { try files.markInconsistent(vote) }
    }
}

extension ErrorLog {
    /// `WSREP: Recovered position: UUID:SEQ`, with a GTID behind it where the server keeps one; the last there is.
    var recoveredPosition: (uuid: String, sequence: Int64)? {
        for line in text.split(separator: "\n").reversed() {
            guard let mark = line.firstRange(of: "WSREP: Recovered position") else { continue }
            let rest = line[mark.upperBound...].drop { $0 == ":" || $0 == " " }
            let position = rest.prefix { $0 != "," && $0 != " " }
            guard let colon = position.lastIndex(of: ":"), let sequence = Int64(position[position.index(after: colon)...]) else { return nil }
            return (String(position[..<colon]), sequence)
        }
        return nil
    }

    /// What the server said when the others voted it out.
    var vote: String? {
        text.split(separator: "\n").last { $0.contains("WSREP: Inconsistency detected") || $0.contains("Inconsistent by consensus") }
            .map { String($0.prefix(Self.lineMax)) }
    }

    /// Nobody has what it missed any more: it ended rather than take somebody's whole data.
    var demandedWholeState: Bool { text.contains("Will never receive state") || text.contains("SST failed") || text.contains("SST sending failed") }

    func readingFailure(of layout: InstanceLayout) -> EngineError {
        if isDiskFull { return .diskFull(at: layout.data) }
        let said = errors.filter { !$0.hasPrefix("Aborting") }.prefix(Self.linesMax).map { String($0.prefix(Self.lineMax)) }
        let why = said.isEmpty ? "its log says nothing of it" : said.joined(separator: "; ")
        let isPassing = text.contains("Do you already have another") || text.contains("Unable to lock")
        return EngineError(isPassing ? .transient : .permanent, "the position of \(layout.id) could not be read: \(why) (\(layout.readingLog))")
    }
}

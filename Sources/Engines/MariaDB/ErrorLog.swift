import FleetModel

/// What a server wrote to its error log since some moment.
struct ErrorLog: Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    /// Lines that say `[ERROR]`, without their time, the first ones: later ones tend to follow from them.
    var errors: [String] {
        text.split(separator: "\n").compactMap { line in
            if let mark = line.firstRange(of: "[ERROR] ") { return String(line[mark.upperBound...]) }
            return line.contains("error:") || line.contains("ERROR:") ? String(line) : nil
        }
    }

    /// How many lines an error repeats, and how long each may be.
    static let linesMax = 3
    static let lineMax = 300

    /// Why a server that was started ended.
    func startFailure(of layout: InstanceLayout) -> EngineError {
        if isDiskFull || Files.freeBytes(layout.data) < 1 << 16 { return .diskFull(at: layout.data) }
        let said = errors.filter { !$0.hasPrefix("Aborting") }.prefix(Self.linesMax).map { String($0.prefix(Self.lineMax)) }
        let why = said.isEmpty ? "its log says nothing of it" : said.joined(separator: "; ")
        let isPassing = text.contains("Address already in use") || text.contains("Do you already have another")
        return EngineError(isPassing ? .transient : .permanent, "\(layout.id) was started and ended at once: \(why) (\(layout.errorLog))")
    }

    var isDiskFull: Bool {
        ["No space left on device", "Disk is full", "Errcode: 28", "errno: 28", "error 28", "error number 28", "Disk full"]
            .contains { text.contains($0) }
    }
}

import FleetModel
import JSONStream

/// What Galera itself keeps in a data directory, and what we keep beside it.
///
/// `grastate.dat` says where a start begins, and is good only after a stop in good order: otherwise it says -1, or nothing
/// at all. `gvwstate.dat` is the last primary view, there only while the instance is in one or after it was torn out.
struct GaleraFiles: Sendable {
    let layout: InstanceLayout

    init(_ layout: InstanceLayout) { self.layout = layout }

    /// The content of `grastate.dat`.
    struct SavedState: Sendable, Hashable {
        var stateUUID: String
        var sequence: Int64
        var isSafeToBootstrap: Bool

        init(stateUUID: String, sequence: Int64, isSafeToBootstrap: Bool) {
            self.stateUUID = stateUUID
            self.sequence = sequence
            self.isSafeToBootstrap = isSafeToBootstrap
        }

        /// Nil where the text is none: it was torn, and says nothing.
        init?(_ text: String) {
            let fields = GaleraFiles.fields(of: text)
            guard let uuid = fields["uuid"]?.first, let sequence = fields["seqno"]?.first.flatMap({ Int64($0) }) else { return nil }
            self.init(stateUUID: uuid, sequence: sequence, isSafeToBootstrap: fields["safe_to_bootstrap"]?.first == "1")
        }

        var text: String {
            """
            # GALERA saved state
            version: 2.1
            uuid:    \(stateUUID)
            seqno:   \(sequence)
            safe_to_bootstrap: \(isSafeToBootstrap ? 1 : 0)

            """
        }
    }

    static let noHistory = "00000000-0000-0000-0000-000000000000"

    private var savedStateFile: String { layout.data + "/grastate.dat" }
    private var viewFile: String { layout.data + "/gvwstate.dat" }

    func savedState() throws(EngineError) -> SavedState? { try Files.text(savedStateFile).flatMap { SavedState($0) } }

    /// The server's user reads it, and writes it when the server stops.
    func write(_ state: SavedState, for user: HostUser?) throws(EngineError) {
        try Files.write(savedStateFile, state.text, mode: 0o640)
        if let user { try Files.give(savedStateFile, to: user) }
    }

    /// Nil where it left in good order, or was in no primary view.
    func view() throws(EngineError) -> ComponentView? { try Files.text(viewFile).flatMap { Self.view($0) } }

    /// Those of the view do not find each other by it any more: a component is there, or is begun by an order.
    func forgetView() throws(EngineError) { try Files.remove(viewFile) }

    /// `my_uuid: U`, then `view_id: 3 U N` and one `member: U 0` for each. Nil for a text that is torn.
    static func view(_ text: String) -> ComponentView? {
        guard text.contains("#vwend") else { return nil }
        let fields = fields(of: text)
        guard let own = fields["my_uuid"]?.first, let id = fields["view_id"]?.first else { return nil }
        let words = id.split(separator: " ")
        guard words.count == 3, let number = Int64(words[2]) else { return nil }
        let members = (fields["member"] ?? []).compactMap { $0.split(separator: " ").first.map(String.init) }.sorted()
        guard members.contains(own) else { return nil }
        return ComponentView(number: number, maker: String(words[1]), own: own, members: members)
    }

    /// Values of `name: value` lines by name, in their order.
    private static func fields(of text: String) -> [String: [String]] {
        var fields: [String: [String]] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            fields[String(parts[0].trimmedSpaces), default: []].append(String(parts[1].trimmedSpaces))
        }
        return fields
    }

    // MARK: Ours

    /// What was read of the directory since its process died.
    var recovered: RecoveredPosition? {
        (try? Files.text(layout.recoveredPosition)).flatMap { $0 }.flatMap { try? RecoveredPosition(jsonText: $0) }
    }

    func keep(_ recovered: RecoveredPosition) throws(EngineError) { try Files.write(layout.recoveredPosition, recovered.jsonText + "\n") }

    func forgetRecovered() throws(EngineError) { try Files.remove(layout.recoveredPosition) }

    /// It was voted out: nothing in the data says so once it was started again.
    var isInconsistent: Bool { Files.exists(layout.inconsistentMark) }

    func markInconsistent(_ why: String) throws(EngineError) {
        guard !isInconsistent else { return }
        try Files.write(layout.inconsistentMark, why + "\n")
    }
}

extension InstanceLayout {
    /// A galera instance's position and view, as read of its dead process's data.
    var recoveredPosition: String { directory + "/recovered-position" }
    /// Mark: it was voted out of its component, and is never started so.
    var inconsistentMark: String { directory + "/INCONSISTENT" }
    /// Mark: it is the founder, and its component has not been opened yet.
    var foundingMark: String { directory + "/FOUNDING" }
    /// Where the error log stood when the process was started last.
    var startedLog: String { directory + "/started.log-size" }
    /// Programs that the server calls by name; first in its `PATH`.
    var programs: String { directory + "/programs" }
    /// A copy of the configuration for reading positions: no process that has it is taken for the server.
    var reading: String { directory + "/reading.cnf" }
    var readingLog: String { log + "/reading.log" }

    /// Whether the instance is one of a galera cluster, by what it was ordered to be.
    var isGalera: Bool { (try? Files.text(template)).flatMap { $0 }.map { ConfigurationFile($0).isGalera } ?? false }
}

extension ConfigurationFile {
    var isGalera: Bool { ["ON", "1"].contains(value("wsrep_on") ?? "") }

    /// How many instances the group has by it, this one among them.
    var groupSize: Int { value("wsrep_cluster_address").map { $0.split(separator: ",").count } ?? 0 }
}

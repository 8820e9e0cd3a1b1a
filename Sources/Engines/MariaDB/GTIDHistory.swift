import FleetModel
import MySQLClient

/// How far a server's binary log goes, by domain and server: what it holds.
struct GTIDHistory: Sendable, Hashable {
    private struct Writer: Hashable {
        var domain: Int64
        var serverID: Int64
    }

    private var last: [Writer: Int64] = [:]

    /// Reads `@@gtid_binlog_state`.
    init?(_ text: String) {
        for part in text.split(separator: ",") {
            let numbers = part.split(separator: "-").compactMap { Int64($0.trimmedSpaces) }
            guard numbers.count == 3 else { return nil }
            last[Writer(domain: numbers[0], serverID: numbers[1])] = numbers[2]
        }
    }

    /// Whether the last of each domain is in it. By the server that wrote it: two that wrote under one number wrote
    /// different rows.
    func holds(_ position: GTIDSet) -> Bool {
        position.domains.allSatisfy { holds(domain: $0.key, serverID: $0.value.serverID, sequence: $0.value.sequence) }
    }

    /// What a server wrote and is in this history, further than `held` goes.
    func written(by serverID: Int64, after held: GTIDSet) -> GTIDSet {
        var found = GTIDSet()
        for (writer, sequence) in last
        where writer.serverID == serverID && sequence > held.domains[writer.domain]?.sequence ?? 0 {
            found.domains[writer.domain] = .init(serverID: serverID, sequence: sequence)
        }
        return found
    }

    func holds(domain: Int64, serverID: Int64, sequence: Int64) -> Bool {
        last[Writer(domain: domain, serverID: serverID)].map { $0 >= sequence } ?? false
    }
}

extension MySQLConnection {
    func history() async throws -> GTIDHistory {
        let text = try await query("SELECT @@GLOBAL.gtid_binlog_state", within: AdminSession.quick).first ?? ""
        guard let history = GTIDHistory(text) else {
            throw EngineError(.transient, "a server's binary log state cannot be read: \(text)")
        }
        return history
    }
}

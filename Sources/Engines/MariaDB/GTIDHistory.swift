import FleetModel
import MySQLClient

/// How far a server's rows go, by domain and by the server that wrote them: what it holds.
struct GTIDHistory: Sendable, Hashable, CustomStringConvertible {
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

    /// As `gtid_binlog_state` takes it: what a domain ends with comes last of it.
    var description: String {
        last.sorted { ($0.key.domain, $0.value, $0.key.serverID) < ($1.key.domain, $1.value, $1.key.serverID) }
            .map { "\($0.key.domain)-\($0.key.serverID)-\($0.value)" }
            .joined(separator: ",")
    }

    /// The history of a copy that ends at `position`, of the same servers' rows: nothing but `position` where that is not
    /// in this one.
    ///
    /// In a domain whoever holds a transaction holds all with lower numbers, so that what is named here at or below
    /// `position` is in the copy too. A server that went on beyond it may have written before it as well; up to where
    /// cannot be seen from here, and it is left out, unless it wrote `position` itself. What is left out the copy holds
    /// without saying so, and whoever comes back with it is copied for nothing; a claim beyond the copy would hide a loss.
    func upTo(_ position: GTIDSet) -> GTIDHistory {
        var found = self
        found.last = last.filter { writer, sequence in
            guard let end = position.domains[writer.domain] else { return false }
            return sequence < end.sequence && holds(domain: writer.domain, serverID: end.serverID, sequence: end.sequence)
        }
        for (domain, end) in position.domains { found.last[Writer(domain: domain, serverID: end.serverID)] = end.sequence }
        return found
    }

    /// With what was applied: a copy's binary log may name only what came after it.
    func merged(with applied: GTIDSet) -> GTIDHistory {
        var found = self
        for (domain, end) in applied.domains {
            let writer = Writer(domain: domain, serverID: end.serverID)
            found.last[writer] = max(found.last[writer] ?? 0, end.sequence)
        }
        return found
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
        let row = try await query("SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos", within: AdminSession.quick).rows.first ?? []
        guard row.count == 2, let history = GTIDHistory(row[0] ?? ""), let applied = GTIDSet(row[1] ?? "") else {
            throw EngineError(.transient, "a server's binary log state cannot be read")
        }
        return history.merged(with: applied)
    }
}

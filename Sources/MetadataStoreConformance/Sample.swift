import FleetModel
import MetadataStore

/// Records with every field filled, so that a field that a backend loses shows.
enum Sample {
    static let start = Instant(milliseconds: 1_700_000_000_000)
    static let unit = UnitID(.cluster, "orders")

    static func at(_ seconds: Int) -> Instant { start + .seconds(seconds) }

    static func server(_ name: String, run: Int64 = 1) -> LeaseHolder { LeaseHolder(name: "server-\(name)", run: run) }

    /// Members 1…n on hosts h1…hn.
    static func cluster(_ name: String, number: Int64, port: Int = 3306, members: Int = 2) -> ClusterRecords {
        var cluster = ClusterRecords(uid: "uid-\(name)", name: name, gtidDomain: number)
        cluster.engineVersion = "10.11.6"
        cluster.members = (1...members).map { ordinal in
            MemberRecord(
                ordinal: ordinal, host: "h\(ordinal)", zone: "z", address: "127.0.1.\(ordinal)", port: port,
                serverID: number * 100 + Int64(ordinal))
        }
        cluster.epoch = 3
        cluster.primary = 1
        cluster.isFounded = true
        cluster.ackSet = [2]
        cluster.switchover = SwitchoverIntent(from: 1, to: 2, epoch: 4, began: start, reason: "restart")
        cluster.parameters = ["max_connections": AppliedParameter(declared: "200", readBack: "200", version: "10.11.6")]
        cluster.databases = ["orders": .retain]
        cluster.accounts = ["app@%": AppliedAccount(fingerprint: "f00d", grants: [Grant(on: "orders.*", privileges: ["SELECT"])])]
        cluster.failures = ["key": FailureRecord(count: 2, last: start, message: "no", retryAt: at(5))]
        return cluster
    }

    static func task(_ name: String = "orders") -> PlannedTask {
        PlannedTask(
            unit: UnitID(.cluster, name), target: .instance(InstanceID(clusterUID: "uid-\(name)", ordinal: 2), host: "h2"),
            action: .setVariables(values: ["max_connections": "200", "sql_mode": nil], configuration: "[mysqld]\n"),
            alsoBusy: InstanceID(clusterUID: "uid-\(name)", ordinal: 1), isVoluntary: false,
            cause: .manifest(
                revision: "abc", at: SourcePosition(file: "a b.yaml", line: 3, column: 7), field: "spec.parameters"),
            summary: "set \"max_connections\" to 200 — Änderung")
    }

    static func attempt(_ id: String, key: String? = nil, of name: String = "orders") -> AttemptRecord {
        AttemptRecord(id: id, key: key ?? id, task: task(name), plan: "plan", revision: "abc", started: start)
    }

    static func event(_ number: Int, _ name: String = "orders") -> Event {
        Event(time: at(number), unit: UnitID(.cluster, name), level: .warning, reason: "Test", message: "number \(number)")
    }

    static func revision(_ commit: String, _ state: RevisionRecord.State, source: String = "fleet") -> RevisionRecord {
        RevisionRecord(
            source: source, revision: Revision(commit: commit, subject: "Change", author: "Ada", time: start),
            seen: at(1), accepted: state == .accepted ? at(2) : nil, state: state, message: "why")
    }

    static func plan(_ id: String, _ name: String = "orders") -> PlanRecord {
        PlanRecord(id: id, unit: UnitID(.cluster, name), revision: "abc", made: start, text: "1. clone\n")
    }

    static func outbox(_ id: String, seconds: Int = 0) -> OutboxEntry {
        OutboxEntry(
            id: id, channel: "hook", payload: "{\"a\":1}", created: at(seconds), attempts: 2, nextTry: at(9),
            lastError: "503", delivered: at(10), gaveUp: at(11))
    }
}

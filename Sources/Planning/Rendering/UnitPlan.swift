package import FleetModel

/// A field of a manifest that the plan brings into force, as people read it.
package struct FieldChange: Sendable, Hashable {
    /// With names in place of numbers: `placement[cn-hangzhou-c].replicas`.
    package var label: String
    /// The manifest's own path: `spec.placement[2].replicas`.
    package var field: String
    /// Nil: it was not there, or is not any more.
    package var before: String?
    package var after: String?
    /// `dynamic`, `needs a restart` …; empty where there is nothing to add.
    package var note: String
    /// Where the manifest says so; nil where the manifest is gone.
    package var position: SourcePosition?

    package init(
        label: String, field: String, before: String?, after: String?, note: String = "", position: SourcePosition? = nil
    ) {
        self.label = label
        self.field = field
        self.before = before
        self.after = after
        self.note = note
        self.position = position
    }
}

/// What a plan does to things that people count: instances, databases, accounts, channels. Each counts once.
package struct PlanCounts: Sendable, Hashable {
    package var create = 0
    package var change = 0
    package var remove = 0
    package var tasks = 0
    package var waves = 0
    /// Planned restarts of instances, and how many of them stop the writer.
    package var restarts = 0
    package var writerRestarts = 0
    package var switchovers = 0
    /// Directories and databases that are deleted with what they hold.
    package var destroyed = 0

    package init() {}

    package static func += (left: inout PlanCounts, right: PlanCounts) {
        left.create += right.create
        left.change += right.change
        left.remove += right.remove
        left.tasks += right.tasks
        left.waves = max(left.waves, right.waves)
        left.restarts += right.restarts
        left.writerRestarts += right.writerRestarts
        left.switchovers += right.switchovers
        left.destroyed += right.destroyed
    }
}

/// The plan of one unit, ready to be rendered: its rehearsal and what follows from it.
package struct UnitPlan: Sendable {
    package var rehearsal: Rehearsal
    /// Where its manifest begins; nil where there is none any more.
    package var position: SourcePosition?
    /// Nothing of it exists yet.
    package var isNew: Bool
    package var changes: [FieldChange]
    package var counts: PlanCounts
    /// The keys of the tasks, wave by wave; computed once, since both digest and forms need them.
    let keys: [[String]]
    /// The things that the plan makes.
    private let creations: Set<String>

    package var unit: UnitID { rehearsal.unit }

    /// `declared`: the manifest in force; `records`: those that the rehearsal began with (allocated already).
    package init(
        _ rehearsal: Rehearsal, declared: Declared<Cluster>?, records: ClusterRecords, fieldPaths: FieldPaths = FieldPaths()
    ) {
        self.rehearsal = rehearsal
        position = declared.map { SourcePosition(file: $0.file, line: $0.line, column: 1) }
        isNew = declared != nil && !records.isFounded
        keys = Self.keys(rehearsal)
        creations = Self.creations(rehearsal, records)
        counts = PlanCounts(rehearsal, records: records, creations: creations)
        changes = declared.map { FieldChanges(rehearsal, $0, records, fieldPaths).all } ?? []
    }

    /// The plan of an alert channel; `declared` nil: it is taken away.
    package init(_ rehearsal: Rehearsal, channel declared: Declared<AlertChannel>?, isNew: Bool) {
        self.rehearsal = rehearsal
        position = declared.map { SourcePosition(file: $0.file, line: $0.line, column: 1) }
        self.isNew = isNew
        changes = []
        keys = Self.keys(rehearsal)
        creations = []
        counts = PlanCounts()
        counts.tasks = rehearsal.waves.reduce(0) { $0 + $1.tasks.count }
        counts.waves = rehearsal.waves.count
        guard counts.tasks > 0 else { return }
        if declared == nil { counts.remove = 1 } else if isNew { counts.create = 1 } else { counts.change = 1 }
    }

    /// Nothing to do and nothing to say.
    package var isEmpty: Bool {
        rehearsal.waves.isEmpty && waits.isEmpty && rehearsal.findings.isEmpty && rehearsal.warnings.isEmpty
            && rehearsal.refusal == nil
    }

    /// What is waited for at the end, but for directories that are only kept.
    package var waits: [Wait] {
        rehearsal.waits.filter { wait in
            if case .retention = wait.reason { return false }
            return true
        }
    }

    package var hasDrift: Bool { rehearsal.findings.contains(where: \.isDrift) }

    /// Whether no task has its cause in a manifest: all of them only mend what was seen.
    package var isDriftOnly: Bool {
        !rehearsal.waves.isEmpty && hasDrift
            && rehearsal.waves.allSatisfy { wave in
                wave.tasks.allSatisfy { task in
                    if case .observation = task.cause { return true }
                    return false
                }
            }
    }

    /// How people see the target: `orders-3`, or nothing where the server itself acts.
    package func label(_ task: PlannedTask) -> String {
        guard case .instance(let id, _) = task.target else { return "" }
        return "\(unit.name)-\(id.ordinal)"
    }

    private static func keys(_ rehearsal: Rehearsal) -> [[String]] {
        rehearsal.waves.map { wave in wave.tasks.map { Planner.key(of: $0, rehearsal.rendered) } }
    }

    private static func creations(_ rehearsal: Rehearsal, _ records: ClusterRecords) -> Set<String> {
        var made: Set<String> = []
        for task in rehearsal.waves.lazy.flatMap(\.tasks) {
            switch task.action {
            case .install, .clone: made.insert(task.thing)
            case .ensureDatabase(let database) where records.databases[database.name] == nil: made.insert(task.thing)
            case .ensureAccount(let account, _) where records.accounts[account.key] == nil: made.insert(task.thing)
            default: break
            }
        }
        return made
    }

    /// `+` makes something, `>` brings along what is being made or moved, `~` alters, `-` takes away.
    package func mark(_ task: PlannedTask) -> Character {
        switch task.action {
        case .install, .clone: "+"
        case .ensureDatabase, .ensureAccount: creations.contains(task.thing) ? "+" : "~"
        case .start, .initialize, .prepareReplica, .replicate, .acknowledge, .open, .demote, .promote, .expel, .revoke, .fence, .rejoin, .probe,
            .foundComponent, .joinComponent, .readPosition, .recoverComponent: ">"
        case .configure, .restart, .upgrade, .takeBack, .close, .setVariables, .renewCertificate: "~"
        case .applyChannel(let digest): digest == nil ? "-" : isNew ? "+" : "~"
        case .dropDatabase, .dropAccount, .retire, .purge: "-"
        }
    }
}

extension PlannedTask {
    /// What people count: one instance, database, account or channel.
    var thing: String {
        switch action {
        case .ensureDatabase(let database): "database/" + database.name
        case .dropDatabase(let name): "database/" + name
        case .ensureAccount(let account, _): "account/" + account.key
        case .dropAccount(let name, let host): "account/" + name + "@" + host
        case .applyChannel: "channel/" + unit.name
        default:
            if case .instance(let id, _) = target { "instance/\(id.ordinal)" } else { "" }
        }
    }
}

extension PlanCounts {
    fileprivate init(_ rehearsal: Rehearsal, records: ClusterRecords, creations: Set<String>) {
        self.init()
        guard !rehearsal.waves.isEmpty else { return }
        var changed: Set<String> = []
        var removed: Set<String> = []
        for task in rehearsal.waves.lazy.flatMap(\.tasks) {
            tasks += 1
            switch task.action {
            case .retire, .dropAccount: removed.insert(task.thing)
            case .purge, .dropDatabase:
                removed.insert(task.thing)
                destroyed += 1
            case .restart(let isPrimary), .upgrade(let isPrimary, _):
                restarts += 1
                if isPrimary { writerRestarts += 1 }
                changed.insert(task.thing)
            case .takeBack:
                restarts += 1
                changed.insert(task.thing)
            case .demote: switchovers += 1
            // What others do for a new one is no change of theirs.
            case .prepareReplica, .expel: break
            case .start, .replicate, .acknowledge, .open, .promote, .initialize:
                if case .observation = task.cause { changed.insert(task.thing) }
            default: changed.insert(task.thing)
            }
        }
        waves = rehearsal.waves.count
        create = creations.count
        change = changed.subtracting(creations).subtracting(removed).count
        remove = removed.subtracting(creations).count
    }
}

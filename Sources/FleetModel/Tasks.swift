// Tasks: what is done. An action is a kind of step, a task one action on one target with its arguments, an attempt one
// try of a task.

/// How to reach a member of a cluster, and who it is.
package struct Peer: Sendable, Hashable {
    package var ordinal: Int
    package var host: String
    package var address: String
    package var port: Int
    /// Of another cluster's member; empty: the cluster is that of the task's target.
    package var clusterUID: String

    package init(ordinal: Int, host: String, address: String, port: Int, clusterUID: String = "") {
        self.ordinal = ordinal
        self.host = host
        self.address = address
        self.port = port
        self.clusterUID = clusterUID
    }

    /// Where it names no cluster it is one of `cluster`, by uid.
    package func id(in cluster: String) -> InstanceID { InstanceID(clusterUID: clusterUID.isEmpty ? cluster : clusterUID, ordinal: ordinal) }
}

/// What a founding install and a clone need to make an instance.
package struct InstanceBlueprint: Sendable, Hashable {
    package var clusterName: String
    package var port: Int
    package var address: String
    package var serverID: Int64
    package var gtidDomain: Int64
    /// The engine's version as declared: a prefix by parts, or exact.
    package var engineVersion: String
    /// The whole configuration file.
    package var configuration: String
    /// Bytes that must be free on the host.
    package var storageBytes: Int64

    package init(
        clusterName: String, port: Int, address: String, serverID: Int64, gtidDomain: Int64, engineVersion: String,
        configuration: String, storageBytes: Int64
    ) {
        self.clusterName = clusterName
        self.port = port
        self.address = address
        self.serverID = serverID
        self.gtidDomain = gtidDomain
        self.engineVersion = engineVersion
        self.configuration = configuration
        self.storageBytes = storageBytes
    }
}

/// Every action, with its arguments. Secrets are never here: the server adds them to the attempt that it sends.
package indirect enum Action: Sendable, Hashable {
    /// Makes directory, identity, configuration and an empty data directory. Only before the cluster is founded.
    case install(InstanceBlueprint)
    /// Makes an instance as a copy of a donor.
    case clone(InstanceBlueprint, donor: Peer)
    /// Starts the process closed: read-only, replication threads down.
    case start
    /// Writes the configuration file; a running process keeps what it has.
    case configure(configuration: String)
    /// Planned stop and start, closed, relay logs drained first. `isPrimary`: it is the writer, and is opened again
    /// by a task of its own. Where it does not start by its configuration it is started by the last one that it did
    /// start by, and the attempt fails.
    case restart(isPrimary: Bool)
    /// The same, and the start is by the host's binaries of `version` (exact); system tables are brought up to it where
    /// they are of another series. Where it does not start so it is started as it was, and the attempt fails.
    case upgrade(isPrimary: Bool, version: String)
    /// Stopped, and started by what it ran by before its last change: version and configuration. What it was started by since
    /// counts as refused, for this reason. Fails where the agent does not know what that was.
    case takeBack(reason: String)
    /// On the founding primary, still closed: our own accounts (replication ones for these ordinals).
    case initialize(replicas: [Int])
    /// Makes sure that the replication account of one replica exists, on the writer. `cluster`: the uid of the standby
    /// whose member it is; empty: it is one of the writer's own cluster.
    case prepareReplica(ordinal: Int, cluster: String = "")
    /// Attaches to a source and starts both threads, closed. Drains what was received before. `acknowledges`: from its
    /// first row on, and what it had already; otherwise asynchronously.
    case replicate(source: Peer, acknowledges: Bool = false)
    /// Turns semi-sync on at a replica that has caught up, so that it acknowledges from then on.
    case acknowledge(source: Peer)
    /// On the writer, where nothing else commits: commits a row of ours, so that it shows whether anybody acknowledges. Never
    /// ended by us; beside a commit that waits already there is none.
    case probe
    /// Opens the writer under an epoch: semi-sync first (where `semiSync`), read-only off last.
    case open(epoch: Int64, semiSync: Bool)
    /// Makes an instance that is not the writer read-only.
    case close
    /// `SET GLOBAL` and the same in the configuration file, which is written whole. Nil: back to the default.
    case setVariables(values: [String: String?], configuration: String)
    case ensureDatabase(DatabaseSpec)
    case dropDatabase(name: String)
    /// Makes the account as declared: password, grants, nothing else.
    case ensureAccount(AccountSpec, fingerprint: String)
    case dropAccount(name: String, host: String)
    /// Planned switchover, first half: the writer stops taking writes, bounded; its position is the result.
    case demote(epoch: Int64)
    /// Second half: waits for the position, becomes the writer under the epoch. `refusing`: replicas (ordinals) that it
    /// lets connect no more, from before its first write, until their accounts are made sure of again.
    /// `sequence`: in a galera cluster, waited for instead of the position.
    case promote(epoch: Int64, position: GTIDSet, semiSync: Bool, refusing: [Int] = [], sequence: Int64? = nil)
    /// On the writer: the replica of this ordinal, of which nothing is heard, can connect and acknowledge no more until its
    /// account is made sure of again. The writer's position afterwards is the result's.
    case expel(ordinal: Int)
    /// Failover, on who may have acknowledged: it receives nothing any more, for whatever it has promised before; its
    /// applier goes on. What it has received is the result's position. Bounded: what does not stop is killed.
    case revoke(epoch: Int64)
    /// Failover, on the lost writer: its process gets SIGKILL, and nothing but a task starts it again. The last position
    /// of its binlog is the result's, where it can be read.
    case fence(epoch: Int64)
    /// Brings back a member that a failover left behind, as a replica of `source`: started so that what was never
    /// acknowledged is cut, and attached where the source has all that it holds; else its directory is moved aside and
    /// kept, so that a clone can take its place.
    case rejoin(source: Peer)
    /// Galera, on the founding instance, which was installed and never started: it makes the cluster's one history and is its
    /// component alone. The history's uuid is the result's. Refused where its data belong to a history already.
    case foundComponent(epoch: Int64)
    /// Galera: starts an instance, closed, and waits until it is in the component. It begins at the position of its data and
    /// receives what it missed from another member; where nobody has that any more it fails, its data untouched. Refused where
    /// its data belong to another history, or it was voted out.
    case joinComponent(epoch: Int64, stateUUID: String)
    /// Galera, on an instance whose process is dead: how far its data come up, and the last view that it was in. Changes no
    /// data. What it read stays in the reports until the next start.
    case readPosition
    /// Galera, on one of a lost component's members whose processes are all dead: it is started as the first of the next
    /// component of the same history. Refused where its position is not the one given.
    case recoverComponent(epoch: Int64, stateUUID: String, position: Int64)
    /// Galera: the certificate of the group's traffic that comes with the order takes the place of the one that is there; an
    /// instance that runs shows it from then on, and stays in its component.
    case renewCertificate
    /// Stops an instance for good and keeps its directory.
    case retire
    /// Deletes a retired or half-made directory.
    case purge
    /// Takes an alert channel's new settings into force, or removes it. By the server itself.
    case applyChannel(digest: String?)

    /// The action's name in plans, logs and on the wire.
    package var name: String {
        switch self {
        case .install: "install"
        case .clone: "clone"
        case .start: "start"
        case .configure: "configure"
        case .restart: "restart"
        case .upgrade: "upgrade"
        case .takeBack: "takeBack"
        case .initialize: "initialize"
        case .prepareReplica: "prepareReplica"
        case .replicate: "replicate"
        case .acknowledge: "acknowledge"
        case .probe: "probe"
        case .open: "open"
        case .close: "close"
        case .setVariables: "setVariables"
        case .ensureDatabase: "ensureDatabase"
        case .dropDatabase: "dropDatabase"
        case .ensureAccount: "ensureAccount"
        case .dropAccount: "dropAccount"
        case .demote: "demote"
        case .promote: "promote"
        case .expel: "expel"
        case .revoke: "revoke"
        case .fence: "fence"
        case .rejoin: "rejoin"
        case .foundComponent: "foundComponent"
        case .joinComponent: "joinComponent"
        case .readPosition: "readPosition"
        case .recoverComponent: "recoverComponent"
        case .renewCertificate: "renewCertificate"
        case .retire: "retire"
        case .purge: "purge"
        case .applyChannel: "applyChannel"
        }
    }
}

/// What a task works on.
package enum TaskTarget: Sendable, Hashable {
    case instance(InstanceID, host: String)
    /// The server itself (alert channels).
    case server
}

/// Why a task is there: a line of a manifest, or something seen.
///
/// Indirect, since many tasks share one cause and every task is handed on many times.
package indirect enum Cause: Sendable, Hashable {
    case manifest(revision: String, at: SourcePosition, field: String)
    case observation(String)
}

/// One action on one target, with its arguments and its cause. Two tasks with one key do the same thing.
///
/// Its parts never change and sit in one shared box: a task is handed on many times, from step to admission, invariants,
/// effects and renderings, and each time only a reference is copied.
package struct PlannedTask: Sendable, Hashable, CustomReflectable {
    private final class Box: Sendable {
        let unit: UnitID
        let target: TaskTarget
        let action: Action
        let alsoBusy: InstanceID?
        let isVoluntary: Bool
        let cause: Cause
        let summary: String

        init(
            _ unit: UnitID, _ target: TaskTarget, _ action: Action, _ alsoBusy: InstanceID?, _ isVoluntary: Bool,
            _ cause: Cause, _ summary: String
        ) {
            self.unit = unit
            self.target = target
            self.action = action
            self.alsoBusy = alsoBusy
            self.isVoluntary = isVoluntary
            self.cause = cause
            self.summary = summary
        }
    }

    private let box: Box

    package init(
        unit: UnitID, target: TaskTarget, action: Action, alsoBusy: InstanceID? = nil, isVoluntary: Bool = true,
        cause: Cause, summary: String
    ) {
        box = Box(unit, target, action, alsoBusy, isVoluntary, cause, summary)
    }

    package var unit: UnitID { box.unit }
    package var target: TaskTarget { box.target }
    package var action: Action { box.action }
    /// Another instance that must not work on anything else meanwhile: the donor of a clone.
    package var alsoBusy: InstanceID? { box.alsoBusy }
    /// Voluntary tasks wait for budgets and windows; involuntary ones (restart of what died, reopening) do not.
    package var isVoluntary: Bool { box.isVoluntary }
    package var cause: Cause { box.cause }
    /// One line for people: `clone from orders-2`.
    package var summary: String { box.summary }

    /// By its fields, not by the box.
    package var customMirror: Mirror {
        Mirror(
            self,
            children: [
                "unit": unit, "target": target, "action": action, "alsoBusy": alsoBusy as Any, "isVoluntary": isVoluntary,
                "cause": cause, "summary": summary,
            ], displayStyle: .struct)
    }

    package static func == (left: PlannedTask, right: PlannedTask) -> Bool {
        left.box === right.box
            || left.unit == right.unit && left.target == right.target && left.action == right.action
                && left.alsoBusy == right.alsoBusy && left.isVoluntary == right.isVoluntary && left.cause == right.cause
                && left.summary == right.summary
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(unit)
        hasher.combine(target)
        hasher.combine(action)
        hasher.combine(summary)
    }
}

/// What an attempt that succeeded tells, beside the observation that follows it.
package struct TaskResult: Sendable, Hashable {
    /// False where the effect was already there.
    package var acted: Bool
    /// Declared variables as the server reads them back, after start and setVariables.
    package var readBack: [String: String]
    /// The position after demote, expel, revoke and fence.
    package var position: GTIDSet?
    /// Of a galera instance, the last write set that it holds, after demote.
    package var sequence: Int64?
    /// After readPosition; after foundComponent, joinComponent and recoverComponent, history and sequence alone.
    package var recovered: RecoveredPosition?
    /// Exact version, after install, clone, setVariables and upgrade.
    package var engineVersion: String?
    /// What people have to know of it: after rejoin, which rows were taken out and where they are kept.
    package var note: String?

    package init(
        acted: Bool = true, readBack: [String: String] = [:], position: GTIDSet? = nil, engineVersion: String? = nil,
        note: String? = nil, sequence: Int64? = nil, recovered: RecoveredPosition? = nil
    ) {
        self.sequence = sequence
        self.recovered = recovered
        self.acted = acted
        self.readBack = readBack
        self.position = position
        self.engineVersion = engineVersion
        self.note = note
    }
}

/// How an attempt ended.
package enum AttemptOutcome: Sendable, Hashable {
    case succeeded(TaskResult)
    /// It ran and did not reach its effect; what was half made is marked. The sentence says what, why, how to mend.
    case failed(String)
    case cancelled
    /// The agent did not begin: a precondition, term or epoch no longer holds.
    case refused(String)
}

/// An attempt that has not ended, as step sees it: its target and donor are busy.
package struct RunningAttempt: Sendable, Hashable {
    package var id: String
    package var task: PlannedTask
    package var started: Instant
    /// Phase and progress as its agent last told, for people.
    package var progress: String

    package init(id: String, task: PlannedTask, started: Instant, progress: String = "") {
        self.id = id
        self.task = task
        self.started = started
        self.progress = progress
    }
}

extension PlannedTask {
    /// Whoever this task works on: nobody else may at the same time.
    package var participants: [InstanceID] {
        var all: [InstanceID] = []
        if case .instance(let id, _) = target { all.append(id) }
        if let alsoBusy { all.append(alsoBusy) }
        return all
    }
}

// The desired state: the values that manifests declare, with defaults filled in. Reading them from YAML, and every
// check of one field or between documents, is the business of the target Manifests; here a value is valid.

/// What every manifest has beside its spec.
package struct Metadata: Sendable, Hashable {
    package var name: String
    package var labels: [String: String]
    package var annotations: [String: String]

    package init(name: String, labels: [String: String] = [:], annotations: [String: String] = [:]) {
        self.name = name
        self.labels = labels
        self.annotations = annotations
    }
}

package struct Region: Sendable, Hashable {
    package var metadata: Metadata
    /// What people see; the name where it is not given.
    package var displayName: String
    /// 0…127, unique in the fleet: the top bits of GTID domains and server ids.
    package var locationCode: Int
    package var isDefault: Bool

    package init(metadata: Metadata, displayName: String, locationCode: Int, isDefault: Bool) {
        self.metadata = metadata
        self.displayName = displayName
        self.locationCode = locationCode
        self.isDefault = isDefault
    }
}

package struct AvailabilityZone: Sendable, Hashable {
    package var metadata: Metadata
    package var region: String
    /// At least one physical room.
    package var rooms: [String]
    /// False: allocate places nothing new in it. What is there stays.
    package var schedulable: Bool
    /// True: it takes nothing new, and writers leave it.
    package var drain: Bool
    /// Of every host in it.
    package var maintenance: Maintenance?

    package init(
        metadata: Metadata, region: String, rooms: [String], schedulable: Bool = true, drain: Bool = false, maintenance: Maintenance? = nil
    ) {
        self.metadata = metadata
        self.region = region
        self.rooms = rooms
        self.schedulable = schedulable
        self.drain = drain
        self.maintenance = maintenance
    }

    /// Whether allocate may place an instance in it.
    package var takesInstances: Bool { schedulable && !drain }
}

/// What a host offers to instances. Nil: no limit is declared.
package struct HostCapacity: Sendable, Hashable {
    package var memoryBytes: Int64?
    package var storageBytes: Int64?
    package var instances: Int?

    package init(memoryBytes: Int64? = nil, storageBytes: Int64? = nil, instances: Int? = nil) {
        self.memoryBytes = memoryBytes
        self.storageBytes = storageBytes
        self.instances = instances
    }
}

package struct Host: Sendable, Hashable {
    package var metadata: Metadata
    package var zone: String
    /// One of its zone's rooms; the zone's first where it is not given.
    package var room: String
    /// What its instances listen on and what clients connect to: an IP address or a host name.
    package var address: String
    package var capacity: HostCapacity
    /// False: allocate places nothing new here. What is here stays.
    package var schedulable: Bool
    /// True: what is here moves to other hosts of its zone, each instance once its successor serves.
    package var drain: Bool
    /// While it is in force the host may be silent or down: its instances are left alone, the writer moves away.
    package var maintenance: Maintenance?

    package init(
        metadata: Metadata, zone: String, room: String, address: String, capacity: HostCapacity = HostCapacity(),
        schedulable: Bool = true, drain: Bool = false, maintenance: Maintenance? = nil
    ) {
        self.metadata = metadata
        self.zone = zone
        self.room = room
        self.address = address
        self.capacity = capacity
        self.schedulable = schedulable
        self.drain = drain
        self.maintenance = maintenance
    }

    /// Whether allocate may place an instance here.
    package var takesInstances: Bool { schedulable && !drain }
}

package enum EngineType: String, Sendable, Hashable, CaseIterable { case mariadb }

package struct EngineSpec: Sendable, Hashable {
    package var type: EngineType
    /// `10.11` or exact, `10.11.19`; compared by its parts. The exact one is recorded when the cluster is allocated.
    package var version: String

    package init(type: EngineType, version: String) {
        self.type = type
        self.version = version
    }
}

package enum Topology: String, Sendable, Hashable, CaseIterable { case single, primaryReplica, galera }

/// How many instances of a cluster, the primary among them, live in a zone.
package struct Placement: Sendable, Hashable {
    package var zone: String
    package var replicas: Int

    package init(zone: String, replicas: Int) {
        self.zone = zone
        self.replicas = replicas
    }
}

/// `semiSync`: a commit is acknowledged when at least one other instance has it. `async`: when the primary has it.
package enum Durability: String, Sendable, Hashable, CaseIterable { case semiSync, async }

/// What a semi-synchronous primary does without anybody to acknowledge for it.
package enum WhenAlone: String, Sendable, Hashable, CaseIterable {
    /// Commits wait.
    case wait
    /// Commits are on it alone, once nobody else can acknowledge any more.
    case `continue`
}

/// When a replica's relay log is on disk: for `always` after every event, before it acknowledges.
package enum RelaySync: String, Sendable, Hashable, CaseIterable { case os, always }

/// Where a secret's value comes from, by the name of a provider that the *server's* configuration declares.
package enum SecretReference: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// A file below the server's secrets root, by its relative path without `..`.
    case file(String)
    /// An environment variable of the server that its configuration allows.
    case env(String)

    package var description: String {
        switch self {
        case .file(let path): "file:" + path
        case .env(let name): "env:" + name
        }
    }

    /// The reverse of `description`.
    package init?(_ text: some StringProtocol) {
        if text.hasPrefix("file:") {
            self = .file(String(text.dropFirst(5)))
        } else if text.hasPrefix("env:") {
            self = .env(String(text.dropFirst(4)))
        } else {
            return nil
        }
    }

    package static func < (left: SecretReference, right: SecretReference) -> Bool {
        left.description < right.description
    }
}

/// A database (schema) of a cluster.
package struct DatabaseSpec: Sendable, Hashable {
    package var name: String
    package var characterSet: String
    /// Nil: the character set's default collation.
    package var collation: String?
    /// Retain (the default): removing it from the manifest drops nothing.
    package var deletionPolicy: DeletionPolicy

    package init(
        name: String, characterSet: String = "utf8mb4", collation: String? = nil,
        deletionPolicy: DeletionPolicy = .retain
    ) {
        self.name = name
        self.characterSet = characterSet
        self.collation = collation
        self.deletionPolicy = deletionPolicy
    }
}

/// Privileges on one scope. Privileges are upper case, sorted, without repeats.
package struct Grant: Sendable, Hashable, Comparable {
    /// `*.*`, `db.*` or `db.table`, unquoted.
    package var on: String
    package var privileges: [String]
    package var withGrantOption: Bool

    package init(on: String, privileges: [String], withGrantOption: Bool = false) {
        self.on = on
        self.privileges = privileges
        self.withGrantOption = withGrantOption
    }

    package static func < (left: Grant, right: Grant) -> Bool { left.on < right.on }
}

/// A database account, `name`@`host`. Grants are sorted by scope, one entry a scope.
package struct AccountSpec: Sendable, Hashable {
    package var name: String
    package var host: String
    package var passwordFrom: SecretReference
    package var grants: [Grant]

    package init(name: String, host: String, passwordFrom: SecretReference, grants: [Grant]) {
        self.name = name
        self.host = host
        self.passwordFrom = passwordFrom
        self.grants = grants
    }

    /// `name@host`: its key within the cluster.
    package var key: String { name + "@" + host }
}

/// What becomes of a cluster whose writer is lost.
package enum FailoverMode: String, Sendable, Hashable, CaseIterable {
    /// Another member that provably holds every acknowledged write takes over.
    case automatic
    /// The writer is waited for; an operator decides.
    case manual
}

/// Whether a cluster may be hurt on purpose.
package enum GameDayMode: String, Sendable, Hashable, CaseIterable {
    case forbidden
    /// Its agents carry out the faults of `evenkeel gameday`, where they were started with `--game-day`.
    case allowed
}

package enum DeletionPolicy: String, Sendable, Hashable, CaseIterable {
    case retain = "Retain"
    case delete = "Delete"
}

package struct ClusterResources: Sendable, Hashable {
    package var memoryBytes: Int64
    package var storageBytes: Int64

    package init(memoryBytes: Int64, storageBytes: Int64) {
        self.memoryBytes = memoryBytes
        self.storageBytes = storageBytes
    }
}

package struct Cluster: Sendable, Hashable {
    package var metadata: Metadata
    package var engine: EngineSpec
    package var topology: Topology
    /// Sorted by zone, one entry a zone, in all at least one instance.
    package var placement: [Placement]
    /// Nil: allocate picks the lowest from 3306 on that is free on every host it chose.
    package var port: Int?
    package var resources: ClusterResources
    /// Declared text by variable name (lower case, `_` for `-`).
    package var parameters: [String: String]
    /// A mark that is no engine's: every instance is started once with it. Nil: there is none.
    package var restart: String?
    package var durability: Durability
    package var whenAlone: WhenAlone
    package var relaySync: RelaySync
    /// Instances that voluntary tasks leave in service; nil: all but one (`single`: 0).
    package var availabilityMin: Int?
    /// Zones in which the primary should be, the most wanted first; empty: anywhere.
    package var preferredZones: [String]
    /// Sorted by name.
    package var databases: [DatabaseSpec]
    /// Sorted by key.
    package var accounts: [AccountSpec]
    /// How long a removed instance's directory is kept.
    package var retainFor: Duration
    package var deletionPolicy: DeletionPolicy
    package var suspend: Bool
    package var failover: FailoverMode
    /// How many commits a failover without proof may be known to lose; nil: there is none without proof.
    package var maxDataLoss: Int64?
    /// While it is in force nothing is started, failed over or changed.
    package var maintenance: Maintenance?
    package var gameDay: GameDayMode
    /// The name of the cluster that it follows; nil: it leads, or is to.
    package var standbyOf: String?
    /// What the demotion left of the cluster from which it takes the lead; nil: what the store has of it.
    package var promotionToken: DemotionToken?
    /// The epoch of the cluster that is given up, with whatever only it has; nil: nothing is.
    package var acceptLoss: Int64?
    /// Of a galera cluster, the epoch in which its component was lost: another one is made without the members that cannot be
    /// read; nil: it waits for them.
    package var recoveryAcceptLoss: Int64?

    package init(
        metadata: Metadata, engine: EngineSpec, topology: Topology, placement: [Placement], port: Int? = nil,
        resources: ClusterResources, parameters: [String: String] = [:], restart: String? = nil, durability: Durability = .semiSync,
        whenAlone: WhenAlone = .wait, relaySync: RelaySync = .os,
        availabilityMin: Int? = nil, preferredZones: [String] = [], databases: [DatabaseSpec] = [],
        accounts: [AccountSpec] = [], retainFor: Duration = .seconds(24 * 3600),
        deletionPolicy: DeletionPolicy = .retain, suspend: Bool = false, failover: FailoverMode = .automatic,
        maxDataLoss: Int64? = nil, maintenance: Maintenance? = nil, gameDay: GameDayMode = .forbidden,
        standbyOf: String? = nil, promotionToken: DemotionToken? = nil, acceptLoss: Int64? = nil,
        recoveryAcceptLoss: Int64? = nil
    ) {
        self.metadata = metadata
        self.engine = engine
        self.topology = topology
        self.placement = placement
        self.port = port
        self.resources = resources
        self.parameters = parameters
        self.restart = restart
        self.durability = durability
        self.whenAlone = whenAlone
        self.relaySync = relaySync
        self.availabilityMin = availabilityMin
        self.preferredZones = preferredZones
        self.databases = databases
        self.accounts = accounts
        self.retainFor = retainFor
        self.deletionPolicy = deletionPolicy
        self.suspend = suspend
        self.failover = failover
        self.maxDataLoss = maxDataLoss
        self.maintenance = maintenance
        self.gameDay = gameDay
        self.standbyOf = standbyOf
        self.promotionToken = promotionToken
        self.acceptLoss = acceptLoss
        self.recoveryAcceptLoss = recoveryAcceptLoss
    }

    package var replicas: Int { placement.reduce(0) { $0 + $1.replicas } }
}

/// Where a channel delivers.
package enum ChannelTarget: Sendable, Hashable {
    /// An HTTP POST of Alertmanager's payload, version 4.
    case webhook(url: String, headers: [String: String])
    /// A script that the server's configuration names, never a path or a command line.
    case script(name: String, timeout: Duration)
}

package struct AlertChannel: Sendable, Hashable {
    package var metadata: Metadata
    package var target: ChannelTarget
    /// Label values that an alert must carry to come here; empty: every alert.
    package var matchers: [String: String]
    package var repeatInterval: Duration
    package var sendResolved: Bool

    package init(
        metadata: Metadata, target: ChannelTarget, matchers: [String: String] = [:],
        repeatInterval: Duration = .seconds(4 * 3600), sendResolved: Bool = true
    ) {
        self.metadata = metadata
        self.target = target
        self.matchers = matchers
        self.repeatInterval = repeatInterval
        self.sendResolved = sendResolved
    }
}

/// Where each field of a document stands, for diagnostics and for the cause of each task.
///
/// Field paths are interned once for all documents, so an entry costs 12 bytes; a fleet of 100,000 clusters keeps them
/// all in memory. Documents with the same layout share their entries, whose lines count from the document's own.
package struct FieldPositions: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        /// The number of the path in `FieldPaths`.
        package var path: UInt32
        /// To be added to `FieldPositions.line`.
        package var line: UInt32
        package var column: UInt32

        package init(path: UInt32, line: UInt32, column: UInt32) {
            self.path = path
            self.line = line
            self.column = column
        }
    }

    package var entries: [Entry]
    /// The line from which those of the entries count.
    package var line: UInt32

    package init(entries: [Entry] = [], line: UInt32 = 0) {
        self.entries = entries
        self.line = line
    }

    /// Where the path of this number stands.
    fileprivate func place(_ path: UInt32) -> (line: Int, column: Int)? {
        entries.withUnsafeBufferPointer { entries in
            for entry in entries where entry.path == path { return (Int(line &+ entry.line), Int(entry.column)) }
            return nil
        }
    }
}

/// A manifest with the place it came from.
///
/// The parts sit in one shared, immutable box, so that copying a fleet of 100,000 clusters copies 100,000 references
/// and not each cluster's fields.
package struct Declared<Value: Sendable & Hashable>: Sendable, Hashable {
    @usableFromInline final class Box: Sendable {
        @usableFromInline let value: Value
        @usableFromInline let file: String
        @usableFromInline let line: Int
        @usableFromInline let fields: FieldPositions
        @usableFromInline let revision: String

        init(value: Value, file: String, line: Int, fields: FieldPositions, revision: String) {
            self.value = value
            self.file = file
            self.line = line
            self.fields = fields
            self.revision = revision
        }
    }

    @usableFromInline var box: Box

    package init(value: Value, file: String, line: Int, fields: FieldPositions = FieldPositions(), revision: String = "") {
        box = Box(value: value, file: file, line: line, fields: fields, revision: revision)
    }

    @inlinable package var value: Value {
        get { box.value }
        set { self = with(newValue) }
    }
    /// The file within the fleet repository.
    @inlinable package var file: String { box.file }
    /// The line of the document's first key, from 1.
    @inlinable package var line: Int { box.line }
    @inlinable package var fields: FieldPositions { box.fields }
    /// The revision in which the file was last read with a change of this manifest; the unit's last good one where it
    /// is held back.
    @inlinable package var revision: String { box.revision }

    /// The same place with another value, for what-if plans and tests.
    @usableFromInline package func with(_ value: Value) -> Declared {
        Declared(value: value, file: file, line: line, fields: fields, revision: revision)
    }

    /// The same with other numbers for its field paths.
    package func numbered(_ number: (UInt32) -> UInt32) -> Declared {
        guard fields.entries.contains(where: { number($0.path) != $0.path }) else { return self }
        var fields = fields
        for index in fields.entries.indices { fields.entries[index].path = number(fields.entries[index].path) }
        return Declared(value: value, file: file, line: line, fields: fields, revision: revision)
    }

    package static func == (left: Declared, right: Declared) -> Bool {
        left.box === right.box
            || left.value == right.value && left.file == right.file && left.line == right.line
                && left.fields == right.fields && left.revision == right.revision
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(value)
        hasher.combine(file)
        hasher.combine(line)
        hasher.combine(revision)
    }
}

/// The whole desired state of one revision.
package struct DesiredFleet: Sendable {
    package var revision: Revision
    package var regions: [String: Declared<Region>]
    package var zones: [String: Declared<AvailabilityZone>]
    package var hosts: [String: Declared<Host>]
    package var clusters: [String: Declared<Cluster>]
    package var channels: [String: Declared<AlertChannel>]
    /// Names for the numbers in `FieldPositions`; shared by all documents.
    package var fieldPaths: FieldPaths

    package init(
        revision: Revision, regions: [String: Declared<Region>] = [:],
        zones: [String: Declared<AvailabilityZone>] = [:], hosts: [String: Declared<Host>] = [:],
        clusters: [String: Declared<Cluster>] = [:], channels: [String: Declared<AlertChannel>] = [:],
        fieldPaths: FieldPaths = FieldPaths()
    ) {
        self.revision = revision
        self.regions = regions
        self.zones = zones
        self.hosts = hosts
        self.clusters = clusters
        self.channels = channels
        self.fieldPaths = fieldPaths
    }

    /// Whether allocate may place an instance on this host: neither it nor its zone says otherwise.
    package func takesInstances(_ host: Host) -> Bool {
        host.takesInstances && (zones[host.zone]?.value.takesInstances ?? true)
    }
}

/// The interned field paths (`spec.parameters.max_connections`, `spec.placement[2].replicas`) of a fleet.
package struct FieldPaths: Sendable {
    package private(set) var names: [String] = []
    private var numbers: [String: UInt32] = [:]

    package init() {}

    /// The number of a path, given anew where it is not known yet.
    package mutating func intern(_ path: String) -> UInt32 {
        if let known = numbers[path] { return known }
        let number = UInt32(names.count)
        names.append(path)
        numbers[path] = number
        return number
    }

    package func number(of path: String) -> UInt32? { numbers[path] }

    /// Where a field of a document stands; the nearest enclosing field that has a place where it has none itself, the
    /// document's first line at the last.
    package func position<Value>(of path: String, in declared: Declared<Value>) -> SourcePosition {
        var path = path[...]
        while !path.isEmpty {
            if let number = numbers[String(path)], let place = declared.fields.place(number) {
                return SourcePosition(file: declared.file, line: place.line, column: place.column)
            }
            let dot = UInt8(ascii: "."), bracket = UInt8(ascii: "[")
            guard let cut = path.utf8.lastIndex(where: { $0 == dot || $0 == bracket }) else { break }
            path = path[..<cut]
        }
        return SourcePosition(file: declared.file, line: declared.line, column: 1)
    }
}

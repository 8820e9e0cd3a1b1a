import FleetModel

extension KindTable where Value == Cluster {
    static let cluster = KindTable(
        .cluster, \.metadata, spec: spec,
        blank: {
            Cluster(
                metadata: Metadata(name: ""), engine: EngineSpec(type: .mariadb, version: ""),
                topology: .primaryReplica, placement: [], resources: ClusterResources(memoryBytes: 0, storageBytes: 0))
        },
        finish: { cluster, decoder in ClusterChecks.finish(&cluster, &decoder) },
        page: KindPage(
            about: """
                A database cluster: its engine, where its instances live, what is in it. One of its instances is the primary, which alone takes writes; the others are replicas.

                Evenkeel carries out every difference between this manifest and what runs. Parameters that the server takes at run time are set at once; others are brought in by restarting replicas first, zone by zone, then by a planned switchover.
                """,
            example: """
                apiVersion: evenkeel.dev/v1
                kind: Cluster
                metadata:
                  name: orders
                  labels: {team: checkout}
                spec:
                  engine: {type: mariadb, version: "10.11"}
                  topology: primaryReplica
                  placement:
                    - {zone: cn-hangzhou-a, replicas: 1}
                    - {zone: cn-hangzhou-b, replicas: 1}
                    - {zone: cn-hangzhou-c, replicas: 1}
                  primary: {preferredZones: [cn-hangzhou-a]}
                  port: 3306
                  resources: {memory: 256Mi, storage: 5Gi}
                  durability: semiSync
                  parameters: {max_connections: 200}
                  databases:
                    - {name: orders, characterSet: utf8mb4}
                  accounts:
                    - name: app
                      host: "127.%"
                      passwordFrom: {file: orders-app}
                      grants: [{on: "orders.*", privileges: [SELECT, INSERT, UPDATE, DELETE]}]
                  deletionPolicy: Retain

                """,
            checks: [
                "Every zone of `placement` is declared, and has at least `replicas` hosts: no host gets two instances of a cluster. Where fewer of them are `schedulable`, a new instance waits.",
                "`primary.preferredZones` are zones of `placement`.",
                "`topology: single` has one instance and no `semiSync`; `durability: semiSync` has two or more.",
                "`topology: galera` has three or five instances in one region, and neither `durability`, `failover.maxDataLoss` nor `standbyOf`; its majority in one zone is a warning ([Galera clusters](galera.md)).",
                "`availability.min` leaves an instance that may be restarted.",
                "Server variables that Evenkeel sets itself (`server_id`, `gtid_*`, `log_bin`, `read_only`, `rpl_semi_sync_*`, `sync_binlog`, `datadir`, `port`, `unix_socket`, `require_secure_transport` …) are refused; the error names the field to use.",
                "A name that no server of the version knows is told in the plan and as a condition, with the nearest one, and no configuration of the cluster is touched until it is mended.",
                "A value by which a server does not start takes down one replica for a moment: it is started as before, and nobody else is restarted until a commit changes it ([rolling change](rolling-change.md)).",
                "Privileges that write through `read_only` (`READ_ONLY ADMIN`, `BINLOG ADMIN`, `SUPER`, `ALL` on `*.*`) or change replication are refused, and so are the server's own databases and accounts.",
            ]))

    private static let spec = Table<Cluster>([
        .required("engine", \.engine, .engine, "The database engine."),
        .optional(
            "topology", \.topology, .choice, default: .primaryReplica, "primaryReplica",
            "`primaryReplica`: a primary and replicas that copy it. `single`: one instance, whose restarts interrupt service. `galera`: three or five instances that each hold every row, of which a majority goes on by itself ([Galera clusters](galera.md)). A cluster that exists stays galera, or not."),
        .required(
            "placement", \.placement, .list(of: .placement, countMin: 1, sortedBy: \.zone),
            "How many instances live in which zone, one entry a zone. Within a zone they are spread over hosts, then over rooms."),
        .group("primary", "Where the primary should be.", Table([
            .optional(
                "preferredZones", \.preferredZones, .list(of: .name("a zone's name")), default: [], "anywhere",
                "Zones in which the primary should be, the most wanted first.")
        ])),
        .optional(
            "port", \.port, .integer(1024...65535), absent: "the lowest from 3306 on that is free on its hosts",
            "The port of every instance."),
        .required("resources", \.resources, .resources, "What each instance is given."),
        .wordOrGroup(
            "durability", word: "mode", \.durability, .choice, default: "semiSync; async for `single`; not for `galera`",
            isDefault: { $0 == ($1.topology == .primaryReplica ? .semiSync : .async) },
            "`semiSync`: a commit is acknowledged when at least one other instance has it. `async`: when the primary has it.",
            more: [
                .optional(
                    "whenAlone", \.whenAlone, .choice, default: .wait, "wait",
                    "What a `semiSync` primary does when every other instance is away. `wait`: commits wait. `continue`: once nobody else can acknowledge any more they are on the primary alone, and `Unprotected` says so until another one acknowledges again."),
                .optional(
                    "relaySync", \.relaySync, .choice, default: .os, "os",
                    "`always`: a replica has what it acknowledges on disk, not only in its system's memory. It guards only against losing power on both sides at once, and costs a flush for every event: some 700 commits a second at the most."),
            ]),
        .group("availability", "What voluntary work must leave in service.", Table([
            .optional(
                "min", \.availabilityMin, .integer(0...1000), absent: "all but one; 0 for `single`",
                "Instances that restarts, moves and removals leave in service at any time.")
        ])),
        .optional(
            "parameters", \.parameters, .parameters, default: [:], "none",
            "Server variables by name, in any spelling that the server takes. Values are text as an option file has it. Where nothing is declared `binlog_expire_logs_seconds` is 604800, `character_set_server` utf8mb4, `innodb_buffer_pool_size` 60 % of `spec.resources.memory`, and, but in a galera cluster, `max_binlog_size` 16 MiB ([why](failover.md#planned-switchovers))."),
        .optional(
            "restart", \.restart, .restartMark, absent: "none",
            "Any text, for example `2026-11-22 new OpenSSL`. Another text restarts every instance once, one after the other as for a parameter that needs it ([rolling change](rolling-change.md)); what was started with this text already, or is made later, is not restarted for it. Taking it away restarts nothing."),
        .optional(
            "databases", \.databases, .list(of: .database, sortedBy: \.name), default: [], "none",
            "Databases (schemas) that exist."),
        .optional(
            "accounts", \.accounts, .list(of: .account, sortedBy: { $0.name.isEmpty ? "" : $0.key }), default: [], "none",
            "Database accounts that exist, with exactly these grants."),
        .optional(
            "retainFor", \.retainFor, .duration(.zero...(.seconds(3650 * 24 * 3600))), default: .seconds(24 * 3600), "24h",
            "How long the directory of a removed instance is kept before it is purged."),
        .optional(
            "deletionPolicy", \.deletionPolicy, .choice, default: .retain, "Retain",
            "What may become of the data when the manifest is removed. In this release it is kept and the cluster left as it is, with `Delete` too."),
        .optional(
            "suspend", \.suspend, .boolean, default: false, "false",
            "`true` stops voluntary work and healing; a killed instance is still restarted, and alerts still go out."),
        .wordOrGroup(
            "failover", word: "mode", \.failover, .choice, default: "automatic", isDefault: { value, _ in value == .automatic },
            "`automatic`: where the primary is lost, a member that provably holds every acknowledged write takes over. `manual`: the primary is waited for.",
            more: [
                .optional(
                    "maxDataLoss", \.maxDataLoss, .commits, absent: "none: there is no failover without proof",
                    "Where nobody provably holds every acknowledged write, the one that has most takes over after 30 s if it is known to lack no more commits than this. What was written and never seen comes on top; `DataAtRisk` says how many are known.")
            ]),
        .maintenance(
            \.maintenance,
            "While it is in force nothing of the cluster is started, failed over, healed or changed, and of its alerts only `Maintenance` goes out. A second writer is closed all the same, and a change of writer that is under way is brought to its end."),
        .optional(
            "gameDay", \.gameDay, .choice, default: .forbidden, "forbidden",
            "`allowed`: `evenkeel gameday` may hurt this cluster on purpose, where its agents were started with `--game-day`. For test clusters only."),
        .group("standbyOf", "The cluster that it follows; absent: it leads ([standby clusters](standby.md)).", Table([
            .optional(
                "cluster", \.standbyOf, .name("a cluster's name"), absent: "it leads",
                "Its instances are read-only copies of that cluster's. Removing it moves the lead here, with what `promotion` says.")
        ])),
        .group("promotion", "How a cluster that was a standby takes the lead.", Table([
            .optional(
                "token", \.promotionToken, .demotionToken, absent: "what the store has of the demotion",
                "The demotion token of the cluster that led, from `evenkeel describe`: it is opened once it holds everything up to there."),
            .optional(
                "acceptLoss", \.acceptLoss, .commits, absent: "nothing is given up",
                "The epoch of a cluster that is lost: the lead is taken without what only that cluster has."),
        ])),
        .group("recovery", "How a galera cluster whose component is lost is made to serve again ([Galera clusters](galera.md)).", Table([
            .optional(
                "acceptLoss", \.recoveryAcceptLoss, .commits, absent: "nothing is given up: every member is waited for",
                "The epoch that `RecoveryHeld` names: the component is made anew without the members that cannot be read. What only they hold is lost.")
        ])),
        .unsupported("upgrade", "the engine's version changes with `engine.version`."),
    ])
}

// MARK: Parts

extension Shape where Value == Int64 {
    static var commits: Shape {
        let count = Shape<Int>.integer(0...1_000_000_000)
        return Shape(
            description: count.description, read: { decoder, node, path in count.read(&decoder, node, path).map { Int64($0) } },
            write: { count.write(Int($0), &$1) })
    }
}

extension Shape where Value == DemotionToken {
    static var demotionToken: Shape {
        let text = Shape<String>.text(lengthMax: 1000, expected: "a demotion token") { text throws(ScalarProblem) in
            guard DemotionToken(text) != nil else {
                throw ScalarProblem(
                    "is no demotion token: \"\(Decoder.shortened(text))\"", help: "copy it whole from `evenkeel describe cluster NAME` of the cluster that led")
            }
            return text
        }
        return Shape(
            description: text.description,
            read: { decoder, node, path in text.read(&decoder, node, path).flatMap { DemotionToken($0) } },
            write: { text.write($0.description, &$1) })
    }
}

extension Shape where Value == String {
    /// One line that is the same without what surrounds it: an option file drops blanks at the ends.
    static var restartMark: Shape {
        anyScalar(lengthMax: 128) { text throws(ScalarProblem) in
            guard Letters.isOneLine(text) else { throw ScalarProblem("must be one line without control characters") }
            guard !text.isEmpty, text.first != " ", text.last != " " else {
                throw ScalarProblem("must be a text that neither begins nor ends with a blank", help: "for example `2026-11-22 new OpenSSL`")
            }
            return text
        }
    }
}

extension Shape where Value == EngineSpec {
    static var engine: Shape {
        .object(
            Table([
                .required("type", \.type, .choice, "The engine."),
                .required(
                    "version", \.version, .engineVersion,
                    "`10.11`, or exact: `10.11.19`. The exact version that is found is recorded when the cluster is made; another one of the series comes by naming it, one instance at a time (`manifests/rolling-change.md`)."),
            ]),
            blank: { EngineSpec(type: .mariadb, version: "") })
    }
}

extension Shape where Value == String {
    /// Text, though it looks like a number: `10.10` is not 10.1.
    static var engineVersion: Shape {
        var shape = anyScalar(lengthMax: 32) { text throws(ScalarProblem) in
            if text == "10.11" { return text }
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2 || parts.count == 3, parts.allSatisfy({ UInt16($0).map(String.init) == String($0) }) else {
                throw ScalarProblem(
                    "must be a version such as `10.11`, not \"\(Decoder.shortened(text))\"",
                    help: "two or three numbers with points between them")
            }
            guard parts[0] == "10", parts[1] == "11" else {
                throw ScalarProblem(
                    "is \(text), which this release does not support", help: "write `\"10.11\"`, or an exact version of it")
            }
            return text
        }
        shape.write = { $1.string($0) }
        return shape
    }
}

extension Shape where Value == Placement {
    static var placement: Shape {
        .object(
            Table([
                .required("zone", \.zone, .name("a zone's name"), "The availability zone."),
                .optional(
                    "replicas", \.replicas, .integer(1...100), default: "1", isDefault: { _, _ in false },
                    "How many instances, the primary among them."),
            ]),
            blank: { Placement(zone: "", replicas: 1) })
    }
}

extension Shape where Value == ClusterResources {
    static var resources: Shape {
        .object(
            Table([
                .required(
                    "memory", \.memoryBytes, .quantity(min: 64 << 20),
                    "Memory of an instance. The sizes of its buffers follow from it."),
                .required(
                    "storage", \.storageBytes, .quantity(min: 256 << 20), "Storage that an instance needs on its host."),
            ]),
            blank: { ClusterResources(memoryBytes: 0, storageBytes: 0) })
    }
}

extension Shape where Value == DatabaseSpec {
    static var database: Shape {
        .object(
            Table([
                .required("name", \.name, .databaseName, "The name; letters, digits, `_`, `$` and `-`, at most 64."),
                .optional(
                    "characterSet", \.characterSet, .word(others: "_", first: "", lengthMax: 32, expected: "a character set such as `utf8mb4`"),
                    default: "utf8mb4", "utf8mb4", "The default character set."),
                .optional(
                    "collation", \.collation, .word(others: "_", first: "", lengthMax: 64, expected: "a collation such as `utf8mb4_bin`"),
                    absent: "the character set's own", "The default collation."),
                .optional(
                    "deletionPolicy", \.deletionPolicy, .choice, default: .retain, "Retain",
                    "What becomes of it when it is removed from the manifest: `Retain` keeps it, `Delete` drops it."),
            ]),
            blank: { DatabaseSpec(name: "") })
    }
}

extension Shape where Value == String {
    static var databaseName: Shape {
        text(pattern: "^[A-Za-z0-9_$][A-Za-z0-9_$-]*$", lengthMax: 64) { text throws(ScalarProblem) in
            guard Letters.isWord(text, others: "_$-", first: "_$") else {
                throw ScalarProblem(
                    "must be the name of a database, not \"\(Decoder.shortened(text))\"",
                    help: "letters, digits, `_`, `$` and `-`, at most 64")
            }
            guard !SystemSchemas.isOne(text) else {
                throw ScalarProblem("is `\(text)`, which belongs to the server", help: "choose another name")
            }
            return text
        }
    }
}

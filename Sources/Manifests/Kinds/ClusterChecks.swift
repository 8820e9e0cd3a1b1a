import FleetModel

/// Checks between the fields of one Cluster.
enum ClusterChecks {
    static func finish(_ cluster: inout Cluster, _ decoder: inout Decoder) {
        checkTopology(&cluster, &decoder)
        checkGalera(&cluster, &decoder)
        checkRisks(cluster, &decoder)
        checkPrimary(cluster, &decoder)
        checkStandby(cluster, &decoder)
        for (index, database) in cluster.databases.enumerated() { checkCollation(database, index, &decoder) }
        for (index, account) in cluster.accounts.enumerated() { check(account, index, cluster, &decoder) }
    }

    private static func checkTopology(_ cluster: inout Cluster, _ decoder: inout Decoder) {
        let replicas = cluster.replicas
        guard replicas > 0 else { return }
        if cluster.topology == .single {
            if replicas > 1 {
                decoder.error(
                    field: "spec.placement", "`topology: single` has one instance, not \(replicas)",
                    help: "write `topology: primaryReplica`, or place one instance")
            }
            checkSingleDurability(&cluster, &decoder)
        } else if cluster.topology == .primaryReplica, cluster.durability == .semiSync, replicas == 1 {
            decoder.error(
                field: "spec.durability",
                "`durability: semiSync` needs two or more instances: with one, no commit would ever be acknowledged",
                help: "place another instance, or write `durability: async`")
        }
        if let min = cluster.availabilityMin, min >= replicas {
            decoder.error(
                field: "spec.availability.min",
                "`spec.availability.min` is \(min) of \(replicas) instances, which would never let one be restarted",
                help: "write \(replicas - 1) or less")
        }
    }

    private static func checkSingleDurability(_ cluster: inout Cluster, _ decoder: inout Decoder) {
        checkSingleFields(cluster, &decoder)
        guard cluster.durability == .semiSync else { return }
        let isMapping = decoder.isGiven("spec.durability.whenAlone") || decoder.isGiven("spec.durability.relaySync")
        guard decoder.isGiven("spec.durability.mode") || decoder.isGiven("spec.durability") && !isMapping else {
            cluster.durability = .async
            return
        }
        decoder.error(
            field: "spec.durability", "`durability: semiSync` needs another instance, and `topology: single` has none",
            help: "leave `durability` out, or write `topology: primaryReplica`")
    }

    /// What is about other instances says nothing of one alone.
    private static func checkSingleFields(_ cluster: Cluster, _ decoder: inout Decoder) {
        let fields = [
            ("spec.durability.whenAlone", cluster.whenAlone != .wait), ("spec.durability.relaySync", cluster.relaySync != .os),
            ("spec.failover.maxDataLoss", cluster.maxDataLoss != nil),
        ]
        for (field, isSet) in fields where isSet {
            decoder.error(field: field, "`\(field)` needs another instance, and `topology: single` has none", help: "leave it out")
        }
    }

    /// What is accepted says something only where it can come about.
    private static func checkRisks(_ cluster: Cluster, _ decoder: inout Decoder) {
        guard cluster.topology == .primaryReplica else { return }
        if cluster.whenAlone == .continue, cluster.durability == .async {
            decoder.error(
                field: "spec.durability.whenAlone", "`whenAlone: continue` is for a primary that waits, and with `mode: async` none does",
                help: "leave it out, or write `mode: semiSync`")
        }
        if cluster.maxDataLoss != nil, cluster.failover == .manual {
            decoder.error(
                field: "spec.failover.maxDataLoss", "`maxDataLoss` is for automatic failovers, and with `mode: manual` there are none",
                help: "leave it out, or write `mode: automatic`")
        }
    }

    private static func checkStandby(_ cluster: Cluster, _ decoder: inout Decoder) {
        if decoder.isGiven("spec.standbyOf"), cluster.standbyOf == nil, !decoder.hasError {
            decoder.error(field: "spec.standbyOf", "`standbyOf` names no cluster", help: "write `standbyOf: {cluster: NAME}`, or leave it out")
        }
        if let leading = cluster.standbyOf, leading == cluster.metadata.name {
            decoder.error(field: "spec.standbyOf.cluster", "a cluster cannot follow itself", help: "name the cluster that leads")
        }
        guard cluster.promotionToken != nil || cluster.acceptLoss != nil else { return }
        if cluster.standbyOf != nil {
            decoder.error(
                field: "spec.promotion", "`promotion` is for a cluster that is to lead, and `standbyOf` says that it follows",
                help: "remove one of the two")
        }
        if cluster.promotionToken != nil, cluster.acceptLoss != nil {
            decoder.error(
                field: "spec.promotion.acceptLoss", "with a token nothing is given up", help: "leave out `token` or `acceptLoss`")
        }
    }

    private static func checkPrimary(_ cluster: Cluster, _ decoder: inout Decoder) {
        let zones = cluster.placement.map(\.zone)
        guard !zones.isEmpty, !zones.contains("") else { return }
        for (index, zone) in cluster.preferredZones.enumerated() {
            let field = "spec.primary.preferredZones[\(index)]"
            if cluster.preferredZones[..<index].contains(zone) {
                decoder.error(field: field, "`\(zone)` is preferred twice", help: "remove one of the two")
            } else if !zones.contains(zone) {
                decoder.error(
                    field: field, "the primary cannot be in `\(zone)`: `spec.placement` has no instance there",
                    help: Suggestion.help(for: zone, among: zones, else: "its zones are "))
            }
        }
    }

    private static func checkCollation(_ database: DatabaseSpec, _ index: Int, _ decoder: inout Decoder) {
        guard let collation = database.collation else { return }
        let set = database.characterSet
        guard !collation.hasPrefix(set + "_"), collation != set, !collation.hasPrefix("uca1400_") else { return }
        decoder.error(
            field: "spec.databases[\(index)].collation",
            "the collation `\(collation)` is none of the character set `\(set)`",
            help: "its collations begin with `\(set)_`; or set `characterSet`")
    }
}

// MARK: Accounts

extension ClusterChecks {
    private static func check(_ account: AccountSpec, _ index: Int, _ cluster: Cluster, _ decoder: inout Decoder) {
        if isHostName(account.host) {
            decoder.warning(
                field: "spec.accounts[\(index)].host", "`\(account.host)` is a host name, and the server resolves none",
                help: "write an address, or a pattern such as `10.1.%`")
        }
        for (number, grant) in account.grants.enumerated() {
            guard let scope = GrantScope(grant.on) else { continue }
            // The path is only made for what is wrong: all but few manifests are right.
            let path = { "spec.accounts[\(index)].grants[\(number)]" }
            check(grant, scope, path, &decoder)
            guard let database = scope.database, !cluster.databases.contains(where: { $0.name == database }) else { continue }
            // A database that the manifest does not declare may be there all the same; one that is nearly declared is a slip.
            guard let near = Suggestion.nearest(to: database, among: cluster.databases.map(\.name)) else { continue }
            decoder.warning(
                field: path() + ".on", "the manifest declares no database `\(database)`",
                help: "did you mean `\(near)`?")
        }
    }

    private static func check(_ grant: Grant, _ scope: GrantScope, _ path: () -> String, _ decoder: inout Decoder) {
        for (index, privilege) in grant.privileges.enumerated() {
            var field: String { path() + ".privileges[\(index)]" }
            if privilege == Privileges.all, grant.privileges.count > 1 {
                decoder.error(field: field, "`ALL` stands beside other privileges", help: "write it alone, or leave it out")
            }
            if privilege == Privileges.all, scope.scope == .global {
                decoder.error(
                    field: field, "`ALL` on `*.*` writes through `read_only`, so that a replica would differ from its primary",
                    help: "grant it on one database, or name the privileges that are needed")
            }
            if let least = Privileges.scopes[privilege], least > scope.scope {
                decoder.error(
                    field: field, "`\(privilege)` cannot be granted on `\(grant.on)`",
                    help: least == .global ? "grant it on `\"*.*\"`" : "grant it on a whole database")
            }
        }
        checkSystemSchema(grant, scope, path, &decoder)
    }

    private static func checkSystemSchema(_ grant: Grant, _ scope: GrantScope, _ path: () -> String, _ decoder: inout Decoder) {
        guard let database = scope.database, SystemSchemas.isOne(database) else { return }
        guard database.lowercased() != "information_schema" else {
            decoder.error(
                field: path() + ".on", "nothing can be granted on `information_schema`",
                help: "every account sees there what it may see; remove the entry")
            return
        }
        let others = grant.privileges.filter { $0 != "SELECT" && $0 != "EXECUTE" }
        guard let other = others.first else { return }
        decoder.error(
            field: path() + ".privileges", "`\(other)` on `\(grant.on)` would change what belongs to the server",
            help: "grant SELECT or EXECUTE there, nothing else")
    }

    /// A name that would need a name service, and `skip_name_resolve` is always on.
    private static func isHostName(_ host: String) -> Bool {
        guard !host.isEmpty, host != "localhost", !host.contains(where: { "%_/:".contains($0) }) else { return false }
        return host.utf8.contains { $0 != UInt8(ascii: ".") && !($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) }
    }
}

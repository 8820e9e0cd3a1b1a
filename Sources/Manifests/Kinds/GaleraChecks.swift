import FleetModel

// What a galera cluster can be, and what can be said of it.

extension ClusterChecks {
    static func checkGalera(_ cluster: inout Cluster, _ decoder: inout Decoder) {
        guard cluster.topology == .galera else {
            if cluster.recoveryAcceptLoss != nil {
                decoder.error(
                    field: "spec.recovery", "`recovery` is for `topology: galera`, whose component can be lost",
                    help: cluster.topology == .single ? "leave it out" : "leave it out; see `failover.maxDataLoss` and `promotion.acceptLoss`")
            }
            return
        }
        checkMajority(cluster, &decoder)
        checkForeignFields(cluster, &decoder)
        // A commit waits for all members of the component by itself; nothing of ours makes it wait.
        cluster.durability = .async
    }

    private static func checkMajority(_ cluster: Cluster, _ decoder: inout Decoder) {
        let replicas = cluster.replicas
        guard replicas > 0 else { return }
        guard replicas == 3 || replicas == 5 else {
            decoder.error(
                field: "spec.placement", "`topology: galera` has three or five instances, not \(replicas)",
                help: "a majority of them goes on when others are lost: with two none does, and a fourth adds nothing")
            return
        }
        let majority = replicas / 2 + 1
        for (index, placement) in cluster.placement.enumerated() where placement.replicas >= majority && !placement.zone.isEmpty {
            decoder.warning(
                field: "spec.placement[\(index)]",
                "\(placement.replicas) of \(replicas) instances are in `\(placement.zone)`: its loss stops the whole cluster (MajorityInZone)",
                help: "place them over three zones")
        }
        if let min = cluster.availabilityMin, min < majority {
            decoder.error(
                field: "spec.availability.min",
                "`spec.availability.min` is \(min) of \(replicas) instances, and fewer than \(majority) serve nothing",
                help: "write \(majority)\(majority < replicas - 1 ? " or \(replicas - 1)" : ""), or leave it out")
        }
    }

    private static func checkForeignFields(_ cluster: Cluster, _ decoder: inout Decoder) {
        if let field = ["spec.durability", "spec.durability.mode", "spec.durability.whenAlone", "spec.durability.relaySync"].first(where: { decoder.isGiven($0) }) {
            decoder.error(
                field: field, "`durability` is not for `topology: galera`: every member of the component has received a commit before it is acknowledged",
                help: "leave it out")
        }
        if cluster.maxDataLoss != nil {
            decoder.error(
                field: "spec.failover.maxDataLoss", "`maxDataLoss` is not for `topology: galera`: no member of the component lacks what another acknowledged",
                help: "leave it out; for a component that is lost there is `recovery.acceptLoss`")
        }
        if cluster.standbyOf != nil {
            decoder.error(
                field: "spec.standbyOf.cluster", "a galera cluster is no standby",
                help: "write `topology: primaryReplica` or `single` for the standby; it may follow a galera cluster")
        }
        if cluster.promotionToken != nil || cluster.acceptLoss != nil {
            decoder.error(field: "spec.promotion", "`promotion` is for a standby, and a galera cluster is none", help: "leave it out")
        }
        for name in ["default_storage_engine", "innodb_autoinc_lock_mode"] where cluster.parameters[name] != nil {
            decoder.error(
                field: "spec.parameters.\(name)", "the parameter `\(name)` belongs to Evenkeel in a galera cluster",
                help: "its tables are InnoDB's, and its members write beside each other; remove it")
        }
    }
}

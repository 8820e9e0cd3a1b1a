import ControlAPI
import FleetModel
import JSONStream

extension UnitDocument {
    /// One word for the state of a unit.
    var state: String {
        func holds(_ type: ConditionType) -> Bool { conditions.contains { $0.type == type && $0.isTrue } }
        // Conditions of before this leader's first pass may be over.
        if pass == nil { return waits.isEmpty ? "Unknown" : "Waiting" }
        if holds(.maintenance) { return "Maintenance" }
        if holds(.stalled) { return "Stalled" }
        if holds(.degraded) { return "Degraded" }
        if holds(.drifted) { return "Drifted" }
        if holds(.suspended) { return "Suspended" }
        if !running.isEmpty || holds(.reconciling) { return "Reconciling" }
        if isConverged || holds(.ready) { return "Ready" }
        return "Waiting"
    }

    /// The sentence that matters most now.
    var message: String {
        if !refusal.isEmpty { return refusal }
        if pass == nil, let wait = waits.first { return "waits for \(wait)" }
        if let running = running.first { return running.summary + (running.progress.isEmpty ? "" : " (\(running.progress))") }
        let bad = conditions.first { $0.isTrue && $0.type != .ready && !$0.message.isEmpty }
        return bad?.message ?? waits.first ?? warnings.first ?? ""
    }
}

struct ClustersView: View {
    var fleet: FleetDocument
    var units: [UnitDocument]

    var names: [String] { units.map(\.id) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["NAME", "STATE", "SERVING", "PRIMARY", "ZONE", "VERSION"] + (isWide ? ["EPOCH", "DURABILITY", "REVISION"] : [])
                + ["MESSAGE"], whenEmpty: "No clusters are declared.")
        for unit in units { table.rows.append(row(unit, isWide)) }
        return table.text(width: terminal.width)
    }

    private func row(_ unit: UnitDocument, _ isWide: Bool) -> [String] {
        let cluster = unit.cluster ?? ClusterDocument()
        let primary = cluster.instances.first { $0.name == cluster.primary }
        let serving = cluster.instances.filter(\.isServing).count
        let wide = isWide ? [String(cluster.epoch), cluster.durability, String(unit.revision.prefix(7))] : []
        return [
            unit.name, unit.state, "\(serving)/\(cluster.wanted)", cluster.primary.isEmpty ? "-" : cluster.primary,
            primary?.zone ?? "-", cluster.version.isEmpty ? cluster.engine : cluster.version,
        ] + wide + [unit.message]
    }

    func json(to writer: inout JSONWriter) { units.write(to: &writer) }
}

struct UnitsView: View {
    var fleet: FleetDocument
    var units: [UnitDocument]

    var names: [String] { units.map(\.id) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(["UNIT", "STATE", "REVISION", "DECLARED AT", "MESSAGE"], whenEmpty: "Nothing is declared.")
        for unit in units {
            table.add(unit.id, unit.state, String(unit.revision.prefix(7)), unit.position, unit.message)
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { units.write(to: &writer) }
}

struct InstancesView: View {
    var fleet: FleetDocument
    var instances: [InstanceDocument]

    var names: [String] { instances.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["NAME", "ROLE", "STATE", "HOST", "ZONE", "ADDRESS", "LAG", "SEMI-SYNC", "GTID"]
                + (isWide ? ["VERSION", "SERVER ID", "USED", "SEEN"] : []), whenEmpty: "No instances are placed.")
        for instance in instances { table.rows.append(InstancesView.row(instance, isWide)) }
        let problems = instances.filter { !$0.problem.isEmpty }.map { "\($0.name): \($0.problem)\n" }.joined()
        return table.text(width: terminal.width) + (problems.isEmpty ? "" : "\n" + problems)
    }

    private static func row(_ instance: InstanceDocument, _ isWide: Bool) -> [String] {
        var state = instance.phase == "active" ? instance.state : "\(instance.phase), \(instance.state)"
        if instance.isStale { state += " (stale)" }
        let wide = isWide
            ? [instance.version, String(instance.serverID), bytesText(instance.usedBytes), ageText(instance.age)] : []
        return [
            instance.name, instance.role.isEmpty ? "-" : instance.role, state, instance.host, instance.zone,
            "\(instance.address):\(instance.port)",
            instance.role == "replica" ? instance.lagSeconds.map { "\($0)s" } ?? "-" : "-",
            instance.isSemiSync ? "on" : "off", instance.position.isEmpty ? "-" : instance.position,
        ] + wide
    }

    func json(to writer: inout JSONWriter) { instances.write(to: &writer) }
}

struct HostsView: View {
    var hosts: [HostDocument]

    var names: [String] { hosts.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["NAME", "ZONE", "ADDRESS", "AGENT", "SEEN", "ENGINES", "FREE", "INSTANCES"]
                + (isWide ? ["ROOM", "SCHEDULABLE", "MEMORY", "AGENT VERSION", "UNMANAGED"] : []),
            whenEmpty: "No hosts are declared.")
        for host in hosts {
            let wide = isWide
                ? [
                    host.room, schedulableText(isSchedulable: host.isSchedulable, isDrained: host.isDrained), bytesText(host.memoryTotalBytes), host.agentVersion,
                    host.unmanaged.joined(separator: ", "),
                ] : []
            table.rows.append(
                [
                    host.name, host.zone, host.address, host.state, ageText(host.age),
                    host.engines.joined(separator: ", "), host.age == nil ? "-" : bytesText(host.storageFreeBytes),
                    host.instances.joined(separator: ", "),
                ] + wide)
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { hosts.write(to: &writer) }
}

private func schedulableText(isSchedulable: Bool, isDrained: Bool) -> String {
    isDrained ? "drain" : isSchedulable ? "yes" : "no"
}

struct ZonesView: View {
    var fleet: FleetDocument
    var zones: [ZoneDocument]

    var names: [String] { zones.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(["NAME", "REGION", "ROOMS", "HOSTS", "SCHEDULABLE"], whenEmpty: "No availability zones are declared.")
        for zone in zones {
            let hosts = fleet.hosts.filter { $0.zone == zone.name }.count
            table.add(zone.name, zone.region, zone.rooms.joined(separator: ", "), String(hosts),
                schedulableText(isSchedulable: zone.isSchedulable, isDrained: zone.isDrained))
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { zones.write(to: &writer) }
}

struct RegionsView: View {
    var regions: [RegionDocument]

    var names: [String] { regions.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(["NAME", "DISPLAY NAME", "LOCATION CODE", "DEFAULT"], whenEmpty: "No regions are declared.")
        for region in regions {
            table.add(region.name, region.displayName, String(region.locationCode), region.isDefault ? "yes" : "")
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { regions.write(to: &writer) }
}

struct SourcesView: View {
    var fleet: FleetDocument
    var sources: [SourceDocument]

    var names: [String] { sources.map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["NAME", "URL", "BRANCH", "IN FORCE", "NEWEST", "LOOKED AT", "MESSAGE"], whenEmpty: "No sources are configured.")
        for source in sources {
            table.add(
                source.name, source.url, source.branch, source.accepted?.short ?? "-", source.seen?.short ?? "-",
                ageText(source.lastFetch.map { fleet.time - $0 }),
                source.problem.isEmpty ? source.approvalNeeded : source.problem)
        }
        let diagnostics = sources.flatMap(\.diagnostics)
        return table.text(width: terminal.width) + (diagnostics.isEmpty ? "" : "\n" + diagnostics.joined(separator: "\n") + "\n")
    }

    func json(to writer: inout JSONWriter) { sources.write(to: &writer) }
}

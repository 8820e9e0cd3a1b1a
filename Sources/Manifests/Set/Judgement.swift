import FleetModel

/// What the checks between documents found with a unit.
struct Findings: Sendable {
    var diagnostics: [Diagnostic] = []
    /// Why it is held though nothing is wrong with itself: what it refers to is not valid. Told there, not here.
    var consequences: [Diagnostic] = []
    /// It is held at its last good manifest.
    var isHeld = false

    var hasErrors: Bool { !consequences.isEmpty || diagnostics.contains { $0.severity == .error } }
}

extension ManifestSet {
    /// Judges the pending units and all that their change can affect, what others refer to first, and puts what is
    /// valid in force. Answers the units that were judged.
    mutating func judge() -> Set<UnitID> {
        var work: [Kind: Set<String>] = [:]
        for unit in pending { work[unit.kind, default: []].insert(unit.name) }
        let counts = force.hostCounts
        for kind in Kind.allCases {
            if kind == .cluster { addClusters(whereCountsDifferFrom: counts, to: &work) }
            var names = Array(work[kind] ?? [])
            // Hosts that want one address are judged in an order that does not depend on hashing.
            if kind < .cluster { names.sort() }
            for name in names { judge(UnitID(kind, name), &work) }
        }
        let judged = Set(work.flatMap { kind, names in names.map { UnitID(kind, $0) } })
        showSourceLines(of: judged)
        return judged
    }

    /// Gives what was found its source lines, the lines of a file counted once for all of its diagnostics.
    private mutating func showSourceLines(of judged: Set<UnitID>) {
        var lines: [String: FileLines] = [:]
        func show(_ diagnostic: inout Diagnostic) {
            guard diagnostic.sourceLine == nil else { return }
            let path = diagnostic.position.file
            if lines[path] == nil { lines[path] = files[path].map { FileLines($0.text) } }
            if let lines = lines[path] { diagnostic.show(lines) }
        }
        for unit in findings.keys where judged.contains(unit) {
            guard var found = findings[unit] else { continue }
            for index in found.diagnostics.indices { show(&found.diagnostics[index]) }
            for index in found.consequences.indices { show(&found.consequences[index]) }
            findings[unit] = found
        }
    }

    private mutating func judge(_ unit: UnitID, _ work: inout [Kind: Set<String>]) {
        let before = force.fleet[unit]
        var found = Findings()
        let declared = verdict(unit, &found)
        found.isHeld = found.isHeld || found.hasErrors
        if !found.isHeld { force.set(unit, declared) }
        findings[unit] = found.isHeld || !found.diagnostics.isEmpty ? found : nil
        addDependents(of: unit, before, force.fleet[unit], to: &work)
    }

    /// The unit's manifest as it would be in force; nil: it is not declared, or it is held.
    private func verdict(_ unit: UnitID, _ found: inout Findings) -> AnyDeclared? {
        let sites = index.sites(unit)
        guard let site = sites.first else {
            found.consequences = unreadable(unit)
            return nil
        }
        guard sites.count == 1 else {
            found.diagnostics = duplicates(unit, sites)
            found.isHeld = true
            return nil
        }
        guard let document = document(at: site), let declared = document.declared else { return nil }
        if !document.isValid { found.isHeld = true }
        return crossChecked(declared, site, &found)
    }

    /// Errors of the files that declared a unit when they could last be read.
    private func unreadable(_ unit: UnitID) -> [Diagnostic] {
        var reasons: [Diagnostic] = []
        for path in claimed[unit] ?? [] {
            guard let file = files[path] else { continue }
            reasons += file.diagnostics
            for document in file.documents where document.unit == nil { reasons += document.diagnostics }
        }
        return reasons.filter { $0.severity == .error }
    }

    private func duplicates(_ unit: UnitID, _ sites: [Site]) -> [Diagnostic] {
        let places = sites.compactMap { site in
            document(at: site)?.declared.map { $0.position(of: "metadata.name", decoder.paths.names) }
        }.sorted()
        guard let first = places.first else { return [] }
        return places.dropFirst().map { place in
            Diagnostic(
                position: place, message: "the \(unit.kind.rawValue) `\(unit.name)` is declared twice",
                help: "the other is at \(first); rename or remove one of the two", unit: unit)
        }
    }
}

// MARK: What a change affects

extension ManifestSet {
    private func addDependents(
        of unit: UnitID, _ before: AnyDeclared?, _ after: AnyDeclared?, to work: inout [Kind: Set<String>]
    ) {
        // A unit that is not in force has dependents with errors, whose words depend on why it is not.
        let existence = before == nil || after == nil
        switch (unit.kind, before, after) {
        case (.region, _, _) where existence:
            work[.availabilityZone, default: []].formUnion(index.zonesByRegion[unit.name] ?? [])
        case (.availabilityZone, _, _) where existence:
            work[.host, default: []].formUnion(index.hostsByZone[unit.name] ?? [])
            for names in (index.clustersByZone[unit.name] ?? [:]).values { work[.cluster, default: []].formUnion(names) }
        case (.availabilityZone, .availabilityZone(let old), .availabilityZone(let new))
        where old.value.rooms != new.value.rooms:
            work[.host, default: []].formUnion(index.hostsByZone[unit.name] ?? [])
        default:
            break
        }
    }

    /// Clusters for which a zone now has enough hosts, or no longer.
    private func addClusters(whereCountsDifferFrom old: [String: Force.HostCount], to work: inout [Kind: Set<String>]) {
        for zone in Set(old.keys).union(force.hostCounts.keys) {
            let before = old[zone] ?? Force.HostCount()
            let after = force.hostCounts[zone] ?? Force.HostCount()
            guard before != after else { continue }
            let crossed = { (replicas: Int, from: Int, to: Int) in replicas > min(from, to) && replicas <= max(from, to) }
            for (replicas, names) in index.clustersByZone[zone] ?? [:]
            where crossed(replicas, before.all, after.all) || crossed(replicas, before.schedulable, after.schedulable) {
                work[.cluster, default: []].formUnion(names)
            }
        }
    }
}

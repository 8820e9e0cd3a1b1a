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
    mutating func judge() -> UnitNames {
        var work = pending
        let counts = force.hostCounts
        var zones: Set<String> = []
        for kind in Kind.allCases {
            if kind == .cluster { addClusters(in: zones, whereCountsDifferFrom: counts, to: &work) }
            // Hosts that want one address are judged in an order that does not depend on hashing.
            let names = kind < .cluster ? work[kind].sorted() : Array(work[kind])
            for name in names { judge(UnitID(kind, name), &work, &zones) }
        }
        showSourceLines(of: work)
        return work
    }

    /// Gives what was found its source lines, the lines of a file counted once for all of its diagnostics.
    private mutating func showSourceLines(of judged: UnitNames) {
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

    private mutating func judge(_ unit: UnitID, _ work: inout UnitNames, _ zones: inout Set<String>) {
        // Nothing depends on other kinds.
        let hasDependents = unit.kind < .host
        let before = hasDependents ? force.fleet[unit] : nil
        var found = Findings()
        let declared = verdict(unit, &found)
        found.isHeld = found.isHeld || found.hasErrors
        if !found.isHeld { force.set(unit, declared) }
        if found.isHeld || !found.diagnostics.isEmpty {
            findings[unit] = found
        } else if !findings.isEmpty {
            findings[unit] = nil
        }
        if hasDependents { addDependents(of: unit, before, force.fleet[unit], to: &work, &zones) }
    }

    /// The unit's manifest as it would be in force; nil: it is not declared, or it is held.
    private func verdict(_ unit: UnitID, _ found: inout Findings) -> AnyDeclared? {
        guard let (site, isOnly) = index.site(unit) else {
            found.consequences = unreadable(unit)
            return nil
        }
        guard isOnly else {
            found.diagnostics = duplicates(unit, index.sites(unit))
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
    /// `zones`: those of which every cluster has to be judged.
    private func addDependents(
        of unit: UnitID, _ before: AnyDeclared?, _ after: AnyDeclared?, to work: inout UnitNames,
        _ zones: inout Set<String>
    ) {
        // A unit that is not in force has dependents with errors, whose words depend on why it is not.
        let existence = before == nil || after == nil
        switch (unit.kind, before, after) {
        case (.region, _, _) where existence:
            work[.availabilityZone].formUnion(index.zonesByRegion[unit.name] ?? [])
        case (.availabilityZone, _, _) where existence:
            work[.host].formUnion(index.hostsByZone[unit.name] ?? [])
            zones.insert(unit.name)
        case (.availabilityZone, .availabilityZone(let old), .availabilityZone(let new))
        where old.value.rooms != new.value.rooms:
            work[.host].formUnion(index.hostsByZone[unit.name] ?? [])
        default:
            break
        }
        if case .availabilityZone(let old) = before, case .availabilityZone(let new) = after, old.value.takesInstances != new.value.takesInstances {
            zones.insert(unit.name)
        }
    }

    /// Clusters of these zones, and those for which a zone now has enough hosts, or no longer.
    private func addClusters(
        in zones: Set<String>, whereCountsDifferFrom old: [String: Force.HostCount], to work: inout UnitNames
    ) {
        var crossings: [String: (before: Force.HostCount, after: Force.HostCount)] = [:]
        for zone in Set(old.keys).union(force.hostCounts.keys) {
            let before = old[zone] ?? Force.HostCount()
            let after = force.hostCounts[zone] ?? Force.HostCount()
            if before != after { crossings[zone] = (before, after) }
        }
        // Before anything was kept in force every unit is pending anyway.
        guard !zones.isEmpty || !crossings.isEmpty, !force.isFirst else { return }
        let crossed = { (replicas: Int, from: Int, to: Int) in replicas > min(from, to) && replicas <= max(from, to) }
        for document in files.values.lazy.flatMap(\.documents) {
            guard let unit = document.unit, case .cluster(let cluster)? = document.declared else { continue }
            let isTouched = cluster.value.placement.contains { placement in
                if zones.contains(placement.zone) { return true }
                guard let (before, after) = crossings[placement.zone] else { return false }
                return crossed(placement.replicas, before.all, after.all)
                    || crossed(placement.replicas, before.schedulable, after.schedulable)
            }
            if isTouched { work.insert(unit) }
        }
    }
}

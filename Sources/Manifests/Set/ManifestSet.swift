package import FleetModel

/// All manifests of a fleet repository, kept from commit to commit: a commit that touches one file costs the parsing
/// of that file and the checks that it can affect.
///
/// Use: `apply` what differs from the revision seen before (everything, the first time), then `assemble`. A value:
/// a copy goes its own way (`plan --path`).
package struct ManifestSet: Sendable {
    // What the tree says.
    var files: [String: FileState] = [:]
    var index = DocumentIndex()
    var decoder = Decoder()
    /// Files with a problem of their own.
    var troubled: Set<String> = []
    /// Units that an unreadable file may still declare, and those files.
    var claimed: [UnitID: Set<String>] = [:]
    /// Files that `restore` named, until the first `apply`.
    private var restored: Set<String> = []
    var revision = Revision(commit: "")

    // What is in force.
    var force = Force()
    /// Units to judge before the next assembly.
    var pending = UnitNames()
    /// What the checks between documents found; of units that are as they should be nothing is kept.
    var findings: [UnitID: Findings] = [:]

    package init() {}

    /// Puts last good manifests in force, before the first `apply` of a server that starts while units are held.
    /// Answers the units whose manifest is not there any more or not valid.
    package mutating func restore(_ lastGood: [LastGood]) -> [UnitID] {
        var missing: [UnitID] = []
        for good in lastGood {
            let read = FileState.read(good.file, revision: good.revision, decoder: &decoder)
            let document = read.state.documents.first { $0.unit == good.unit && $0.isValid }
            guard let declared = document?.declared else {
                missing.append(good.unit)
                continue
            }
            force.set(good.unit, declared)
            files[good.file.path, default: FileState()].claims.insert(good.unit)
            claimed[good.unit, default: []].insert(good.file.path)
            restored.insert(good.file.path)
            pending.insert(good.unit)
        }
        force.keepChanges()
        return missing
    }

    /// Reads files that are new or changed at `revision` and forgets those that are gone. A path in both is changed.
    /// Paths that are no manifest (`ManifestFile.isManifest`) are passed over. `coming`: paths that the next calls for the
    /// same revision bring, so that many files can be read with pauses in between.
    package mutating func apply(
        changed: [ManifestFile], removed: [String] = [], coming: Set<String> = [], revision: Revision
    ) -> ChangeReport {
        var report = begin(coming.union(changed.map(\.path)), removed, revision)
        for file in changed where ManifestFile.isManifest(path: file.path) {
            let read = FileState.read(file, revision: revision.commit, decoder: &decoder)
            take(ReadFile(path: file.path, state: read.state, isWhole: read.isWhole), &report)
        }
        return report
    }

    /// The same with files that were read apart (`reader`), several at once; the outcome depends on their order only,
    /// not on which reader read which.
    package mutating func apply(
        read portions: [ReadManifests], removed: [String] = [], revision: Revision
    ) -> ChangeReport {
        var report = begin(Set(portions.lazy.flatMap(\.files).map(\.path)), removed, revision)
        for portion in portions {
            let renumbering = decoder.paths.adopt(portion.paths, known: portion.pathsKnown)
            for var file in portion.files {
                if !renumbering.isEmpty { file.state.renumber(portion.pathsKnown, renumbering) }
                take(file, &report)
            }
        }
        return report
    }

    /// What reads files apart from the set, as the set would.
    package func reader(of revision: Revision) -> ManifestReader { ManifestReader(decoder, revision) }

    private mutating func begin(_ present: Set<String>, _ removed: [String], _ revision: Revision) -> ChangeReport {
        self.revision = revision
        var report = ChangeReport()
        for path in Set(removed).union(restored) where !present.contains(path) { forget(path, &report.changed) }
        restored = []
        return report
    }

    private mutating func take(_ file: ReadFile, _ report: inout ChangeReport) {
        report.filesParsed += 1
        report.documentsParsed += file.state.documents.count
        replace(file.path, with: file.state, isWhole: file.isWhole, &report.changed)
    }

    /// A problem that another module found with a unit in force (`AllocationProblem`), at the place of its field or
    /// the nearest enclosing one.
    package func diagnostic(
        unit: UnitID, field: String, message: String, help: String, severity: Diagnostic.Severity = .error
    ) -> Diagnostic {
        guard let declared = force.fleet[unit] else {
            return Diagnostic(
                severity: severity, position: SourcePosition(file: ".", line: 1, column: 1), message: message,
                help: help, unit: unit)
        }
        let position = declared.position(of: field, decoder.paths.names)
        // A held unit's manifest stands in an earlier revision of the file than the one that is here.
        let state = findings[unit]?.isHeld == true ? nil : files[position.file]
        let excerpt = state.flatMap { FileLines($0.text).excerpt(line: position.line, column: position.column) }
        return Diagnostic(
            severity: severity, position: position, message: message, help: help, sourceLine: excerpt?.text,
            caretColumn: excerpt?.column, unit: unit)
    }
}

// MARK: Files

extension ManifestSet {
    private mutating func forget(_ path: String, _ changedUnits: inout [UnitID]) {
        guard let old = files[path] else { return }
        withdraw(path, old)
        files[path] = nil
        troubled.remove(path)
        changedUnits += old.units.union(old.claims)
    }

    private mutating func replace(
        _ path: String, with state: FileState, isWhole: Bool, _ changedUnits: inout [UnitID]
    ) {
        var state = state
        if let old = files[path] {
            if !isWhole { state.claims = old.units.union(old.claims).subtracting(state.units) }
            changedUnits += state.changedUnits(since: old)
            withdraw(path, old)
        } else {
            for document in state.documents { if let unit = document.unit { changedUnits.append(unit) } }
        }
        for (number, document) in state.documents.enumerated() {
            guard let unit = document.unit, let declared = document.declared else { continue }
            index.add(unit, Site(file: path, document: number))
            index.relate(declared, unit.name, &pending)
            pending.insert(unit)
        }
        for unit in state.claims {
            claimed[unit, default: []].insert(path)
            pending.insert(unit)
        }
        if state.hasProblem { troubled.insert(path) } else { troubled.remove(path) }
        files[path] = state
    }

    private mutating func withdraw(_ path: String, _ old: FileState) {
        for (number, document) in old.documents.enumerated() {
            guard let unit = document.unit, let declared = document.declared else { continue }
            index.remove(unit, Site(file: path, document: number))
            index.unrelate(declared, unit.name, &pending)
            pending.insert(unit)
        }
        // A document of the same name in another file has relations of its own.
        for unit in old.units {
            for site in index.sites(unit) {
                guard let other = document(at: site)?.declared else { continue }
                index.relate(other, unit.name, &pending)
            }
        }
        for unit in old.claims {
            claimed[unit]?.remove(path)
            if claimed[unit]?.isEmpty == true { claimed[unit] = nil }
            pending.insert(unit)
        }
    }

    func document(at site: Site) -> Document? {
        guard let documents = files[site.file]?.documents, documents.indices.contains(site.document) else { return nil }
        return documents[site.document]
    }
}

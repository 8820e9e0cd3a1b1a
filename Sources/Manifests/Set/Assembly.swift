package import FleetModel

/// What `ManifestSet.apply` changed.
package struct ChangeReport: Sendable {
    /// Units whose documents came, went or declare something else, sorted. Units that a check between documents
    /// touches besides are found by `assemble`.
    package var changedUnits: [UnitID] { Set(changed).sorted() }
    /// In no order, with repeats: a first reading of a large fleet names every unit and mostly nobody asks.
    var changed: [UnitID] = []
    package var filesParsed = 0
    package var documentsParsed = 0

    package init() {}
}

/// The desired state that a revision makes, and what keeps parts of it back.
package struct Assembly: Sendable {
    /// What is in force now. Each held unit has its last good manifest here if there was one; where the revision is
    /// held this is the fleet of the last accepted one.
    package var fleet: DesiredFleet
    /// Units that declare something else in `fleet` than in the last accepted assembly (new, changed, removed), sorted.
    package var changed: [UnitID] {
        get { unsorted.sorted() }
        set { unsorted = newValue }
    }
    private var unsorted: [UnitID]
    /// Units that an error holds at their last good manifest (absent from `fleet` where there never was one).
    package var held: [UnitID: [Diagnostic]]
    /// Why the whole revision is held; nil: it is accepted.
    package var revisionHeld: [Diagnostic]?
    /// All of them, sorted, without repeats.
    package var diagnostics: [Diagnostic]

    package init(
        fleet: DesiredFleet, changed: [UnitID] = [], held: [UnitID: [Diagnostic]] = [:],
        revisionHeld: [Diagnostic]? = nil, diagnostics: [Diagnostic] = []
    ) {
        self.fleet = fleet
        unsorted = changed
        self.held = held
        self.revisionHeld = revisionHeld
        self.diagnostics = diagnostics
    }

    package var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// Errors that hold no unit, and so would be told nowhere: sorted, as `diagnostics` are.
    package var strayErrors: [Diagnostic] {
        let errors = diagnostics.filter { $0.severity == .error }
        guard !errors.isEmpty else { return [] }
        let owned = Set(held.values.joined())
        return errors.filter { !owned.contains($0) }
    }
}

/// A last good manifest out of an earlier revision, for a server that starts anew (`HeldUnit` in the store).
package struct LastGood: Sendable {
    package var unit: UnitID
    /// The file as it was at `revision`.
    package var file: ManifestFile
    package var revision: String

    package init(unit: UnitID, file: ManifestFile, revision: String) {
        self.unit = unit
        self.file = file
        self.revision = revision
    }
}

extension ManifestSet {
    /// Takes what `apply` read into force, but for held units; nothing of it where the revision is held, which then
    /// waits for the next `apply`. `holdingRevisionOnError`: any error holds the whole revision.
    package mutating func assemble(holdingRevisionOnError: Bool = false) -> Assembly {
        let judged = judge()
        let refusal = revisionRefusal()
        var diagnostics = collected()
        if let refusal { diagnostics = sortedWithoutRepeats(diagnostics + refusal) }
        var revisionHeld = refusal
        if holdingRevisionOnError {
            let errors = diagnostics.filter { $0.severity == .error }
            if !errors.isEmpty { revisionHeld = errors }
        }
        var changed: [UnitID] = []
        if revisionHeld == nil {
            pending = UnitNames()
            changed = force.keepChanges()
            force.fleet.revision = revision
        } else {
            // What was judged against a state that is taken back has to be judged again.
            pending = judged
            force.undoChanges()
        }
        force.fleet.fieldPaths = decoder.paths.names
        return Assembly(
            fleet: force.fleet, changed: changed, held: heldUnits(), revisionHeld: revisionHeld,
            diagnostics: diagnostics)
    }

    private func collected() -> [Diagnostic] {
        var all: [Diagnostic] = []
        for path in troubled {
            guard let file = files[path] else { continue }
            all += file.diagnostics
            for document in file.documents { all += document.diagnostics }
        }
        for found in findings.values { all += found.diagnostics }
        return sortedWithoutRepeats(all)
    }

    private func heldUnits() -> [UnitID: [Diagnostic]] {
        var held: [UnitID: [Diagnostic]] = [:]
        for (unit, found) in findings where found.isHeld {
            var reasons = found.diagnostics + found.consequences
            for site in index.sites(unit) { reasons += document(at: site)?.diagnostics ?? [] }
            held[unit] = sortedWithoutRepeats(reasons.filter { $0.severity == .error })
        }
        return held
    }

    /// What no unit owns: no manifest at all, no default region, or two. Nil: nothing of it.
    private func revisionRefusal() -> [Diagnostic]? {
        let defaults = force.fleet.regions.values.filter(\.value.isDefault)
        guard defaults.count != 1 else { return nil }
        guard defaults.isEmpty else { return defaults.map { twoDefaults($0, of: defaults) }.sorted() }
        if index.isEmpty, troubled.isEmpty {
            return [
                Diagnostic(
                    position: SourcePosition(file: ".", line: 1, column: 1), message: "there is no manifest here",
                    help: "`evenkeel init` writes a first fleet repository; nothing that runs is changed")
            ]
        }
        // A region that is not valid may be the one, and a file that cannot be read may hold it: then that is the error.
        let broken = collected().filter { $0.severity == .error && ($0.unit == nil || $0.unit?.kind == .region) }
        guard broken.isEmpty else { return broken }
        let region = force.fleet.regions.values.min { ($0.file, $0.line) < ($1.file, $1.line) }
        let position = region.map { decoder.paths.names.position(of: "spec", in: $0) } ?? index.firstPosition(in: self)
        return [located(position, "no Region is the default", "set `default: true` in exactly one Region", unit: nil)]
    }

    private func twoDefaults(_ region: Declared<Region>, of all: [Declared<Region>]) -> Diagnostic {
        let others = all.map(\.value.metadata.name).filter { $0 != region.value.metadata.name }.sorted()
        let position = decoder.paths.names.position(of: "spec.default", in: region)
        return located(
            position, "two Regions are the default: this one and \(others.map { "`\($0)`" }.joined(separator: ", "))",
            "leave `default: true` in exactly one Region", unit: nil)
    }

    /// An error with its source line.
    func located(_ position: SourcePosition, _ message: String, _ help: String, unit: UnitID?) -> Diagnostic {
        var diagnostic = Diagnostic(position: position, message: message, help: help, unit: unit)
        if let file = files[position.file] { diagnostic.show(FileLines(file.text)) }
        return diagnostic
    }
}

extension Diagnostic {
    /// Takes its source line out of its file's.
    mutating func show(_ lines: FileLines) {
        let excerpt = lines.excerpt(line: position.line, column: position.column)
        sourceLine = excerpt?.text
        caretColumn = excerpt?.column
    }
}

package import FleetModel

/// What `ManifestSet.apply` changed.
package struct ChangeReport: Sendable {
    /// Units whose documents came, went or changed, sorted. Units that a check between documents touches besides are
    /// found by `assemble`.
    package var changedUnits: [UnitID] = []
    package var filesParsed = 0
    package var documentsParsed = 0

    package init() {}
}

/// The desired state that a revision makes, and what keeps parts of it back.
package struct Assembly: Sendable {
    /// What is in force now. Each held unit has its last good manifest here if there was one; where the revision is
    /// held this is the fleet of the last accepted one.
    package var fleet: DesiredFleet
    /// Units whose value in `fleet` is not the same as in the last accepted assembly (new, changed, removed), sorted.
    package var changed: [UnitID]
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
        self.changed = changed
        self.held = held
        self.revisionHeld = revisionHeld
        self.diagnostics = diagnostics
    }

    package var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
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

/// All manifests of a fleet repository, kept from commit to commit: a commit that touches one file costs the parsing
/// of that file and the checks that it can affect.
///
/// Use: `apply` what differs from the revision seen before (everything, the first time), then `assemble`. A value:
/// a copy is cheap and goes its own way (`plan --path`).
package struct ManifestSet: Sendable {
    private var fleet = DesiredFleet(revision: Revision(commit: ""))

    package init() {}

    /// Puts last good manifests in force, before the first `apply` of a server that starts while units are held.
    /// Answers the units whose manifest is not there any more or not valid.
    package mutating func restore(_ lastGood: [LastGood]) -> [UnitID] { [] }

    /// Reads files that are new or changed at `revision` and forgets those that are gone. A path in both is changed.
    /// Paths that are no manifest (`ManifestFile.isManifest`) are passed over.
    package mutating func apply(
        changed: [ManifestFile], removed: [String] = [], revision: Revision
    ) -> ChangeReport {
        ChangeReport()
    }

    /// Takes what `apply` read into force, but for held units; nothing of it where the revision is held, which then
    /// waits for the next `apply`. `holdingRevisionOnError`: any error holds the whole revision.
    package mutating func assemble(holdingRevisionOnError: Bool = false) -> Assembly {
        Assembly(fleet: fleet)
    }

    /// A problem that another module found with a unit in force (`AllocationProblem`), at the place of its field or
    /// the nearest enclosing one.
    package func diagnostic(
        unit: UnitID, field: String, message: String, help: String, severity: Diagnostic.Severity = .error
    ) -> Diagnostic {
        Diagnostic(
            severity: severity, position: SourcePosition(file: "", line: 1, column: 1), message: message, help: help,
            unit: unit)
    }
}

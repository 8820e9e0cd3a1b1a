package import FleetModel

/// A problem with a manifest, at the place where it stands.
package struct Diagnostic: Sendable, Hashable {
    /// An error keeps its unit (or the revision) from coming into force; a warning is only told.
    package enum Severity: String, Sendable, Hashable, CaseIterable { case error, warning }

    package var severity: Severity
    package var position: SourcePosition
    /// What is wrong: a sentence without its full stop.
    package var message: String
    /// How to mend it; empty where there is nothing to add.
    package var help: String
    /// The line of the file that `position` names (of a long one the part around the column), its tabs as one space;
    /// nil where there is none to show.
    package var sourceLine: String?
    /// Where in `sourceLine` the column is, from 1.
    package var caretColumn: Int?
    /// The unit that it holds back; nil where it belongs to a whole file or to the revision.
    package var unit: UnitID?

    package init(
        severity: Severity = .error, position: SourcePosition, message: String, help: String = "",
        sourceLine: String? = nil, caretColumn: Int? = nil, unit: UnitID? = nil
    ) {
        self.severity = severity
        self.position = position
        self.message = message
        self.help = help
        self.sourceLine = sourceLine
        self.caretColumn = caretColumn
        self.unit = unit
    }
}

extension Diagnostic: Comparable {
    /// By file, line and column; at one place errors first, then by their words.
    package static func < (left: Diagnostic, right: Diagnostic) -> Bool {
        if left.position != right.position { return left.position < right.position }
        if left.severity != right.severity { return left.severity == .error }
        return (left.message, left.help) < (right.message, right.help)
    }
}

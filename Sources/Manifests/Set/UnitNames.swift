import FleetModel

/// A set of units, kind by kind.
struct UnitNames: Sendable {
    private var byKind: [Set<String>] = Array(repeating: [], count: Kind.allCases.count + 1)

    subscript(kind: Kind) -> Set<String> {
        get { byKind[kind.rank] }
        _modify { yield &byKind[kind.rank] }
    }

    mutating func insert(_ unit: UnitID) { byKind[unit.kind.rank].insert(unit.name) }
    func contains(_ unit: UnitID) -> Bool { byKind[unit.kind.rank].contains(unit.name) }
}

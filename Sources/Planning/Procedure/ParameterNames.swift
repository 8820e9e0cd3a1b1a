import FleetModel

// Names of parameters: one that no server of the version knows would keep instances from starting, so that nothing is
// touched before it is mended.

/// Options of a start that are no variables, and so in no catalog.
private let optionsOnly: Set<String> = [
    "character_set_client_handshake", "core_file", "default_time_zone", "ssl", "symbolic_links",
    "transaction_isolation", "transaction_read_only",
]
/// Words that option files take before a name.
private let prefixes = ["skip_", "enable_", "disable_", "maximum_"]

extension ClusterProcedure {
    /// Declared names that the catalog of the cluster's version lacks, sorted; empty where no server of it has told.
    func unknownParameters() -> [String] {
        guard !cluster.parameters.isEmpty, let catalog = catalog() else { return [] }
        return cluster.parameters.keys.filter { !Self.knows(catalog, $0) }.sorted()
    }

    private func catalog() -> VariableCatalog? {
        context.catalogs.first { $0.type == cluster.engine.type && $0.version == records.engineVersion }
    }

    private static func knows(_ catalog: VariableCatalog, _ name: String) -> Bool {
        // The server passes over what it does not know under this word.
        if name.hasPrefix("loose_") || optionsOnly.contains(name) { return true }
        if catalog.dynamic.contains(name) || catalog.fixed.contains(name) { return true }
        guard let prefix = prefixes.first(where: { name.hasPrefix($0) }) else { return false }
        return knows(catalog, String(name.dropFirst(prefix.count)))
    }

    /// Tells of such names; true where there are any.
    @discardableResult
    mutating func refuseUnknownParameters() -> Bool {
        let names = unknownParameters()
        guard !names.isEmpty, let catalog = catalog() else { return false }
        for name in names {
            let field = "spec.parameters." + name
            let place = if case .manifest(_, let position, _) = because(field) { "\(position): " } else { "" }
            let near = Self.nearest(to: name, in: catalog).map { "did you mean \($0)? " } ?? ""
            let message =
                "\(place)\(catalog.type.rawValue) \(catalog.version) has no variable \(name), and does not start with it: \(near)change \(field); until then no configuration is touched"
            find("ParameterUnknown", "\(context.name).\(name)", on: nil, message, drift: false)
            decision.warnings.append(message)
            wait(.approval("spec.parameters"), message)
        }
        return true
    }

    private static func nearest(to name: String, in catalog: VariableCatalog) -> String? {
        let wanted = Array(name.utf8)
        let longest = max(1, wanted.count / 3)
        let near = catalog.dynamic.union(catalog.fixed).compactMap { known -> (distance: Int, name: String)? in
            let distance = edits(wanted, Array(known.utf8))
            return distance <= longest ? (distance, known) : nil
        }
        return near.min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
    }

    /// Insertions, deletions and replacements that turn one word into the other.
    private static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var previous = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                current.append(
                    min(previous[column + 1] + 1, current[column] + 1, previous[column] + (letter == other ? 0 : 1)))
            }
            previous = current
        }
        return previous[right.count]
    }
}

package import FleetModel

extension Planner {
    /// A key that is the same for the same task in plan, loop and simulator: unit, target, action and arguments, secrets
    /// as keyed fingerprints. Short enough to read in a list: the arguments are a digest.
    package static func key(of task: PlannedTask) -> String {
        // One text that grows in place: a plan of a large fleet makes millions of them.
        var key = ""
        key.reserveCapacity(96)
        key += task.unit.kind.rawValue
        key += "/"
        key += task.unit.name
        key += "/"
        switch task.target {
        case .instance(let id, _):
            key += id.clusterUID
            key += "-"
            key += String(id.ordinal)
        case .server: key += "server"
        }
        key += "/"
        key += task.action.name
        let arguments = task.action.arguments
        guard !arguments.isEmpty else { return key }
        key += "/"
        key += arguments
        return key
    }
}

extension Action {
    /// The arguments as one short text; long ones by their digest.
    fileprivate var arguments: String {
        switch self {
        case .start, .close, .retire, .purge: ""
        case .install(let blueprint): short(blueprint.configuration)
        case .clone(_, let donor): "from-\(donor.ordinal)"
        case .configure(let configuration): short(configuration)
        case .restart(let isPrimary): isPrimary ? "primary" : "replica"
        case .initialize(let replicas): replicas.map(String.init).joined(separator: ",")
        case .prepareReplica(let ordinal): String(ordinal)
        case .replicate(let source), .acknowledge(let source): "\(source.ordinal)@\(source.address):\(source.port)"
        case .open(let epoch, _), .demote(let epoch): String(epoch)
        case .promote(let epoch, let position, _): "\(epoch)@\(position)"
        case .setVariables(let values, let configuration):
            values.keys.sorted().joined(separator: ",") + "-" + short(configuration)
        case .ensureDatabase(let database):
            database.name + "-" + database.characterSet + (database.collation.map { "-" + $0 } ?? "")
        case .dropDatabase(let name): name
        case .ensureAccount(let account, let fingerprint):
            account.key + "-" + fingerprint + "-" + SHA256.short(account.grants.map(\.text).joined(separator: ";"))
        case .dropAccount(let name, let host): name + "@" + host
        case .applyChannel(let digest): digest ?? "removed"
        }
    }
}

/// The same digits as `SHA256.short`.
private func short(_ configuration: String) -> String { String(MariaDBConfiguration.digest(of: configuration).prefix(12)) }

extension Grant {
    /// `SELECT,INSERT ON db.*`
    package var text: String {
        privileges.joined(separator: ",") + " ON " + on + (withGrantOption ? " WITH GRANT OPTION" : "")
    }
}

extension SHA256 {
    /// The first 12 hex digits: for people and keys.
    package static func short(_ text: String) -> String { String(hex(text).prefix(12)) }
}

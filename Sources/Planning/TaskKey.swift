package import FleetModel

extension Planner {
    /// A key that is the same for the same task in plan, loop and simulator: unit, target, action and arguments, secrets
    /// as keyed fingerprints. Short enough to read in a list: the arguments are a digest.
    package static func key(of task: PlannedTask) -> String { key(of: task, []) }

    /// The same, where the digests of configurations that tasks carry are known.
    static func key(of task: PlannedTask, _ rendered: [RenderedConfiguration]) -> String {
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
        let action = task.action
        key += action.name
        action.addArguments(to: &key, rendered)
        return key
    }
}

extension Action {
    /// The arguments as one short text behind a slash; long ones by their digest.
    fileprivate func addArguments(to key: inout String, _ rendered: [RenderedConfiguration]) {
        func digest(_ configuration: String) -> String {
            let known = rendered.first { $0.text == configuration }?.digest
            return SHA256.shortened(known ?? MariaDBConfiguration.digest(of: configuration))
        }
        func add(_ text: String) {
            key += "/"
            key += text
        }
        switch self {
        case .start, .takeBack, .close, .retire, .purge, .probe, .readPosition, .renewCertificate: break
        case .install(let blueprint):
            key += "/"
            key += digest(blueprint.configuration)
        case .clone(_, let donor): add("from-" + (donor.clusterUID.isEmpty ? "" : donor.clusterUID + "-") + String(donor.ordinal))
        case .configure(let configuration):
            key += "/"
            key += digest(configuration)
        case .restart(let isPrimary): add(isPrimary ? "primary" : "replica")
        case .upgrade(_, let version): add(version)
        case .initialize(let replicas): if !replicas.isEmpty { add(replicas.map(String.init).joined(separator: ",")) }
        case .prepareReplica(let ordinal, let cluster): add((cluster.isEmpty ? "" : cluster + "-") + String(ordinal))
        case .expel(let ordinal): add(String(ordinal))
        case .replicate(let source, let acknowledges):
            addPeer(source, to: &key)
            if acknowledges { key += "-acknowledging" }
        case .acknowledge(let source): addPeer(source, to: &key)
        case .open(let epoch, _), .demote(let epoch), .revoke(let epoch), .fence(let epoch): add(String(epoch))
        case .rejoin(let source): addPeer(source, to: &key)
        case .promote(let epoch, let position, _, _, let sequence): add("\(epoch)@\(sequence.map(String.init) ?? position.description)")
        case .foundComponent(let epoch), .joinComponent(let epoch, _): add(String(epoch))
        case .recoverComponent(let epoch, _, let position): add("\(epoch)@\(position)")
        case .setVariables(let values, let configuration):
            add(values.keys.sorted().joined(separator: ","))
            key += "-"
            key += digest(configuration)
        case .ensureDatabase(let database):
            add(database.name)
            key += "-"
            key += database.characterSet
            if let collation = database.collation { key += "-" + collation }
        case .dropDatabase(let name): if !name.isEmpty { add(name) }
        case .ensureAccount(let account, let fingerprint):
            add(account.key)
            key += "-"
            key += fingerprint
            key += "-"
            key += SHA256.short(account.grants.map(\.text).joined(separator: ";"))
        case .dropAccount(let name, let host): add(name + "@" + host)
        case .applyChannel(let digest): if digest != "" { add(digest ?? "removed") }
        }
    }
}

private func addPeer(_ source: Peer, to key: inout String) {
    key += "/"
    key += String(source.ordinal)
    key += "@"
    key += source.address
    key += ":"
    key += String(source.port)
}

extension Grant {
    /// `SELECT,INSERT ON db.*`
    package var text: String {
        privileges.joined(separator: ",") + " ON " + on + (withGrantOption ? " WITH GRANT OPTION" : "")
    }
}

extension SHA256 {
    /// The first 12 hex digits: for people and keys.
    package static func short(_ text: String) -> String { shortened(hex(text)) }

    /// The first 12 digits of a whole one. By bytes: looking for characters costs more than all else of a key.
    static func shortened(_ digest: String) -> String { String(decoding: digest.utf8.prefix(12), as: UTF8.self) }
}

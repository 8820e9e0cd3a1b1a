package import JSONStream

/// `{"name":"clone","blueprint":…,"donor":…}`: the action's name and its arguments.
///
/// A name that this release does not know is `JSONError.Kind.unknownCase(type: "Action", …)`.
extension Action: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writeArguments(to: &writer)
        }
    }

    private func writeArguments(to writer: inout JSONWriter) {
        switch self {
        case .start, .close, .retire, .purge, .probe, .readPosition, .renewCertificate: break
        case .install(let blueprint): writer.member("blueprint", blueprint)
        case .clone(let blueprint, let donor):
            writer.member("blueprint", blueprint)
            writer.member("donor", donor)
        case .configure(let configuration): writer.member("configuration", configuration)
        case .restart(let isPrimary): writer.member("isPrimary", isPrimary)
        case .upgrade(let isPrimary, let version):
            writer.member("isPrimary", isPrimary)
            writer.member("version", version)
        case .takeBack(let reason): writer.member("reason", reason)
        case .initialize(let replicas): writer.member("replicas", replicas)
        case .prepareReplica(let ordinal, let cluster):
            writer.member("ordinal", ordinal)
            writer.member("cluster", ifFilled: cluster)
        case .expel(let ordinal): writer.member("ordinal", ordinal)
        case .replicate(let source, let acknowledges):
            writer.member("source", source)
            if acknowledges { writer.member("acknowledges", acknowledges) }
        case .acknowledge(let source): writer.member("source", source)
        case .open(let epoch, let semiSync):
            writer.member("epoch", epoch)
            writer.member("semiSync", semiSync)
        case .setVariables(let values, let configuration):
            writer.member("values", values)
            writer.member("configuration", configuration)
        case .ensureDatabase(let database): writer.member("database", database)
        case .dropDatabase(let name): writer.member("database", name)
        case .ensureAccount(let account, let fingerprint):
            writer.member("account", account)
            writer.member("fingerprint", fingerprint)
        case .dropAccount(let name, let host):
            writer.member("account", name)
            writer.member("host", host)
        case .demote(let epoch), .revoke(let epoch), .fence(let epoch): writer.member("epoch", epoch)
        case .rejoin(let source): writer.member("source", source)
        case .promote(let epoch, let position, let semiSync, let refused, let sequence):
            writer.member("epoch", epoch)
            writer.member("position", position)
            writer.member("semiSync", semiSync)
            writer.member("refusing", ifFilled: refused)
            writer.member("sequence", ifPresent: sequence)
        case .foundComponent(let epoch): writer.member("epoch", epoch)
        case .joinComponent(let epoch, let stateUUID):
            writer.member("epoch", epoch)
            writer.member("stateUUID", stateUUID)
        case .recoverComponent(let epoch, let stateUUID, let position):
            writer.member("epoch", epoch)
            writer.member("stateUUID", stateUUID)
            writer.member("position", position)
        case .applyChannel(let digest): writer.member("digest", ifPresent: digest)
        }
    }

    package init(from reader: inout JSONReader) throws {
        let name = try reader.tag("name")
        guard let read = Self.readers[name] else {
            let error = reader.unknownCase("Action", name)
            try reader.skip()
            throw error
        }
        self = try read(&reader)
    }

    private static let readers: [String: @Sendable (inout JSONReader) throws -> Action] = [
        "install": { .install(try $0.argument("blueprint")) },
        "clone": { reader in
            let (blueprint, donor): (InstanceBlueprint, Peer) = try reader.arguments("blueprint", "donor")
            return .clone(blueprint, donor: donor)
        },
        "start": { try $0.skip(); return .start },
        "configure": { .configure(configuration: try $0.argument("configuration")) },
        "restart": { .restart(isPrimary: try $0.argument("isPrimary")) },
        "upgrade": { reader in
            let (isPrimary, version): (Bool, String) = try reader.arguments("isPrimary", "version")
            return .upgrade(isPrimary: isPrimary, version: version)
        },
        "takeBack": { .takeBack(reason: try $0.argument("reason")) },
        "initialize": { .initialize(replicas: try $0.argument("replicas")) },
        "prepareReplica": { reader in
            let place = reader
            let cluster: String = try reader.optionalArgument("cluster") ?? ""
            reader = place
            return .prepareReplica(ordinal: try reader.argument("ordinal"), cluster: cluster)
        },
        "replicate": { reader in
            let place = reader
            let acknowledges: Bool = try reader.optionalArgument("acknowledges") ?? false
            reader = place
            return .replicate(source: try reader.argument("source"), acknowledges: acknowledges)
        },
        "acknowledge": { .acknowledge(source: try $0.argument("source")) },
        "open": { reader in
            let (epoch, semiSync): (Int64, Bool) = try reader.arguments("epoch", "semiSync")
            return .open(epoch: epoch, semiSync: semiSync)
        },
        "close": { try $0.skip(); return .close },
        "setVariables": { reader in
            let (values, configuration): ([String: String?], String) = try reader.arguments("values", "configuration")
            return .setVariables(values: values, configuration: configuration)
        },
        "ensureDatabase": { .ensureDatabase(try $0.argument("database")) },
        "dropDatabase": { .dropDatabase(name: try $0.argument("database")) },
        "ensureAccount": { reader in
            let (account, fingerprint): (AccountSpec, String) = try reader.arguments("account", "fingerprint")
            return .ensureAccount(account, fingerprint: fingerprint)
        },
        "dropAccount": { reader in
            let (name, host): (String, String) = try reader.arguments("account", "host")
            return .dropAccount(name: name, host: host)
        },
        "demote": { .demote(epoch: try $0.argument("epoch")) },
        "promote": { reader in
            let place = reader
            let (epoch, position): (Int64, GTIDSet) = try reader.arguments("epoch", "position")
            reader = place
            let refused: [Int] = try reader.optionalArgument("refusing") ?? []
            reader = place
            let sequence: Int64? = try reader.optionalArgument("sequence")
            reader = place
            return .promote(epoch: epoch, position: position, semiSync: try reader.argument("semiSync"), refusing: refused, sequence: sequence)
        },
        "foundComponent": { .foundComponent(epoch: try $0.argument("epoch")) },
        "joinComponent": { reader in
            let (epoch, stateUUID): (Int64, String) = try reader.arguments("epoch", "stateUUID")
            return .joinComponent(epoch: epoch, stateUUID: stateUUID)
        },
        "readPosition": { try $0.skip(); return .readPosition },
        "probe": { try $0.skip(); return .probe },
        "renewCertificate": { try $0.skip(); return .renewCertificate },
        "recoverComponent": { reader in
            let place = reader
            let (epoch, stateUUID): (Int64, String) = try reader.arguments("epoch", "stateUUID")
            reader = place
            return .recoverComponent(epoch: epoch, stateUUID: stateUUID, position: try reader.argument("position"))
        },
        "expel": { .expel(ordinal: try $0.argument("ordinal")) },
        "revoke": { .revoke(epoch: try $0.argument("epoch")) },
        "fence": { .fence(epoch: try $0.argument("epoch")) },
        "rejoin": { .rejoin(source: try $0.argument("source")) },
        "retire": { try $0.skip(); return .retire },
        "purge": { try $0.skip(); return .purge },
        "applyChannel": { .applyChannel(digest: try $0.optionalArgument("digest")) },
    ]
}

extension JSONReader {
    /// Reads an object of which one member counts. Throws `missing` where it is not there.
    fileprivate mutating func argument<Value: JSONCodable>(_ name: StaticString) throws -> Value {
        try required(try optionalArgument(name), name)
    }

    fileprivate mutating func optionalArgument<Value: JSONCodable>(_ name: StaticString) throws -> Value? {
        var value: Value?
        try object { reader, key in
            if key == name { try reader.read(&value) } else { try reader.skip() }
        }
        return value
    }

    fileprivate mutating func arguments<First: JSONCodable, Second: JSONCodable>(
        _ firstName: StaticString, _ secondName: StaticString
    ) throws -> (First, Second) {
        let place = self
        let first: First = try argument(firstName)
        self = place
        return (first, try argument(secondName))
    }
}

import FleetModel

/// One document of a file, as it was read.
struct Document: Sendable {
    static let apiVersion = "evenkeel.dev/v1"

    /// Nil where kind or name cannot be told.
    var unit: UnitID?
    /// Also where it is not valid, with what is wrong left empty, so that the checks between documents can go on.
    var declared: AnyDeclared?
    var isValid: Bool
    var line: Int
    var diagnostics: [Diagnostic]
}

extension Document {
    /// Kinds that the design names for later.
    private static let laterKinds = [
        "AlertRule", "FleetPolicy", "Silence", "ClusterTemplate", "Proxy", "VirtualAddress", "Tenant", "BackupPolicy",
        "SyncLink", "Migration", "PeerControlPlane",
    ]

    /// Reads the document on the decoder's tape, its problems left with the decoder. Nil: it is empty.
    static func read(_ decoder: inout Decoder, file: String, revision: String) -> Document? {
        decoder.begin()
        guard let root = decoder.tape.nodes.first, !decoder.tape.isNull(0) else { return nil }
        var document = Document(unit: nil, declared: nil, isValid: false, line: Int(root.line), diagnostics: [])
        guard root.kind == .mapping else {
            decoder.error(
                at: 0, "a manifest must be a mapping, not \(decoder.article(0))",
                help: "begin it with `apiVersion: \(apiVersion)`")
            return document
        }
        guard let kind = kind(&decoder), let declared = read(kind, &decoder, file, revision) else { return document }
        document.declared = declared
        document.unit = declared.unit.name.isEmpty ? nil : declared.unit
        document.isValid = !decoder.hasError && document.unit != nil
        return document
    }

    private static func read(_ kind: Kind, _ decoder: inout Decoder, _ file: String, _ revision: String) -> AnyDeclared? {
        switch kind {
        case .region: .region(KindTable.region.read(&decoder, file: file, revision: revision))
        case .availabilityZone:
            .availabilityZone(KindTable.availabilityZone.read(&decoder, file: file, revision: revision))
        case .host: .host(KindTable.host.read(&decoder, file: file, revision: revision))
        case .cluster: .cluster(KindTable.cluster.read(&decoder, file: file, revision: revision))
        case .alertChannel: .alertChannel(KindTable.alertChannel.read(&decoder, file: file, revision: revision))
        case .source: nil
        }
    }

    private static let kindKey = Array("kind".utf8)
    private static let versionKey = Array("apiVersion".utf8)

    /// The document's kind; nil where it is none of ours, which has been told then.
    private static func kind(_ decoder: inout Decoder) -> Kind? {
        let pairs = decoder.pushPairs(0)
        var kindNode: Int?
        var versionNode: Int?
        for index in pairs {
            let pair = decoder.pair(index)
            if kindNode == nil, decoder.tape.equals(pair.key, kindKey) { kindNode = pair.value }
            if versionNode == nil, decoder.tape.equals(pair.key, versionKey) { versionNode = pair.value }
        }
        decoder.popPairs(pairs)
        guard let kindNode else {
            decoder.error(at: 0, "the manifest has no `kind`", help: "add `kind`: \(listedKinds)")
            return nil
        }
        guard decoder.tape.nodes[kindNode].kind == .scalar, !decoder.tape.isNull(kindNode) else {
            decoder.error(at: kindNode, "`kind` must be the name of a kind, not \(decoder.article(kindNode))", help: listedKinds)
            return nil
        }
        let name = decoder.tape.string(kindNode)
        if let kind = Kind.allCases.first(where: { $0.rawValue == name }) { return kind }
        tellUnknown(name, kindNode, versionNode, &decoder)
        return nil
    }

    private static var listedKinds: String { Kind.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ") }

    private static func tellUnknown(_ name: String, _ node: Int, _ version: Int?, _ decoder: inout Decoder) {
        if let version, decoder.tape.nodes[version].kind == .scalar, decoder.tape.string(version) != apiVersion {
            decoder.error(
                at: version, "\(decoder.article(version)) is not Evenkeel's `apiVersion`",
                help: "write `apiVersion: \(apiVersion)`, or keep the file out of the manifests' folder")
        } else if laterKinds.contains(name) {
            decoder.error(
                at: node, "the kind `\(name)` is not supported in this release", help: "remove the document; the kinds are \(listedKinds)")
        } else {
            decoder.error(
                at: node, "unknown kind `\(Decoder.shortened(name))`",
                help: Suggestion.help(for: name, among: Kind.allCases.map(\.rawValue), else: "the kinds are "))
        }
    }
}

import FleetModel
import JSONStream

/// What an instance's directory says of itself: from it lost records are restored.
struct InstanceIdentity: Sendable, Hashable {
    var id: InstanceID
    var clusterName: String
    var address: String
    var port: Int
    var serverID: Int64
    var gtidDomain: Int64
    /// Exact: that of the binaries which made the directory, or by which it was upgraded last: it is started by them.
    var engineVersion: String

    init(_ id: InstanceID, _ blueprint: InstanceBlueprint, engineVersion: String) {
        self.id = id
        clusterName = blueprint.clusterName
        address = blueprint.address
        port = blueprint.port
        serverID = blueprint.serverID
        gtidDomain = blueprint.gtidDomain
        self.engineVersion = engineVersion
    }

    /// The identity in a directory; nil where there is none or it cannot be read.
    init?(at layout: InstanceLayout) {
        guard let text = try? Files.text(layout.identity), let read = try? InstanceIdentity(jsonText: text),
            read.id == layout.id
        else { return nil }
        self = read
    }
}

extension InstanceIdentity: JSONCodable {
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("format", 1)
            writer.member("instance", id.description)
            writer.member("cluster", clusterName)
            writer.member("engine", EngineType.mariadb.rawValue)
            writer.member("engineVersion", engineVersion)
            writer.member("address", address)
            writer.member("port", port)
            writer.member("serverID", serverID)
            writer.member("gtidDomain", gtidDomain)
        }
    }

    init(from reader: inout JSONReader) throws {
        let nobody = InstanceID(clusterUID: "", ordinal: 0)
        let empty = InstanceBlueprint(
            clusterName: "", port: 0, address: "", serverID: 0, gtidDomain: 0, engineVersion: "", configuration: "",
            storageBytes: 0)
        self.init(nobody, empty, engineVersion: "")
        var name = ""
        try reader.object { reader, key in
            switch key {
            case "instance": try reader.read(&name)
            case "cluster": try reader.read(&clusterName)
            case "engineVersion": try reader.read(&engineVersion)
            case "address": try reader.read(&address)
            case "port": try reader.read(&port)
            case "serverID": try reader.read(&serverID)
            case "gtidDomain": try reader.read(&gtidDomain)
            default: try reader.skip()
            }
        }
        id = InstanceID(name) ?? nobody
    }
}

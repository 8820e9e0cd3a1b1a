package import JSONStream

// The JSON forms of a cluster's declaration.

extension EngineType: JSONNamedCase {}
extension Topology: JSONNamedCase {}
extension Durability: JSONNamedCase {}
extension WhenAlone: JSONNamedCase {}
extension RelaySync: JSONNamedCase {}
extension FailoverMode: JSONNamedCase {}
extension GameDayMode: JSONNamedCase {}
extension DeletionPolicy: JSONNamedCase {}
/// `file:orders-app` or `env:NAME`: where a secret comes from, never the secret.
extension SecretReference: JSONTextForm {}

extension EngineSpec: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.member("version", version)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(type: .mariadb, version: "")
        try reader.object { reader, key in
            switch key {
            case "type": try reader.read(&type)
            case "version": try reader.read(&version)
            default: try reader.skip()
            }
        }
    }
}

extension Placement: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("zone", zone)
            writer.member("replicas", replicas)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(zone: "", replicas: 0)
        try reader.object { reader, key in
            switch key {
            case "zone": try reader.read(&zone)
            case "replicas": try reader.read(&replicas)
            default: try reader.skip()
            }
        }
    }
}

extension DatabaseSpec: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("characterSet", characterSet)
            writer.member("collation", ifPresent: collation)
            writer.member("deletionPolicy", deletionPolicy)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(name: "")
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "characterSet": try reader.read(&characterSet)
            case "collation": try reader.read(&collation)
            case "deletionPolicy": try reader.read(&deletionPolicy)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(name, "name")
    }
}

extension Grant: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("on", on)
            writer.member("privileges", privileges)
            if withGrantOption { writer.member("withGrantOption", true) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(on: "", privileges: [])
        try reader.object { reader, key in
            switch key {
            case "on": try reader.read(&on)
            case "privileges": try reader.read(&privileges)
            case "withGrantOption": try reader.read(&withGrantOption)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(on, "on")
    }
}

extension AccountSpec: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("host", host)
            writer.member("passwordFrom", passwordFrom)
            writer.member("grants", grants)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var passwordFrom: SecretReference?
        self.init(name: "", host: "", passwordFrom: .env(""), grants: [])
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "host": try reader.read(&host)
            case "passwordFrom": try reader.read(&passwordFrom)
            case "grants": try reader.read(&grants)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(name, "name")
        self.passwordFrom = try reader.required(passwordFrom, "passwordFrom")
    }
}

extension ClusterResources: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("memoryBytes", memoryBytes)
            writer.member("storageBytes", storageBytes)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(memoryBytes: 0, storageBytes: 0)
        try reader.object { reader, key in
            switch key {
            case "memoryBytes": try reader.read(&memoryBytes)
            case "storageBytes": try reader.read(&storageBytes)
            default: try reader.skip()
            }
        }
    }
}

extension Cluster: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("metadata", metadata)
            writer.member("engine", engine)
            writer.member("topology", topology)
            writer.member("placement", placement)
            writer.member("port", ifPresent: port)
            writer.member("resources", resources)
            writer.member("parameters", ifFilled: parameters)
            writer.member("restart", ifPresent: restart)
            writer.member("durability", durability)
            if whenAlone != .wait { writer.member("whenAlone", whenAlone) }
            if relaySync != .os { writer.member("relaySync", relaySync) }
            writer.member("availabilityMin", ifPresent: availabilityMin)
            writer.member("preferredZones", ifFilled: preferredZones)
            writer.member("databases", ifFilled: databases)
            writer.member("accounts", ifFilled: accounts)
            writer.member("retainFor", retainFor)
            writer.member("deletionPolicy", deletionPolicy)
            writer.member("suspend", suspend)
            writer.member("failover", failover)
            writer.member("maxDataLoss", ifPresent: maxDataLoss)
            writer.member("maintenance", ifPresent: maintenance)
            writer.member("gameDay", gameDay)
            writer.member("standbyOf", ifPresent: standbyOf)
            writer.member("promotionToken", ifPresent: promotionToken)
            writer.member("acceptLoss", ifPresent: acceptLoss)
            writer.member("recoveryAcceptLoss", ifPresent: recoveryAcceptLoss)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(
            metadata: Metadata(name: ""), engine: EngineSpec(type: .mariadb, version: ""), topology: .single,
            placement: [], resources: ClusterResources(memoryBytes: 0, storageBytes: 0))
        try reader.object { reader, key in
            switch key {
            case "metadata": try reader.read(&metadata)
            case "engine": try reader.read(&engine)
            case "topology": try reader.read(&topology)
            case "placement": try reader.read(&placement)
            case "port": try reader.read(&port)
            case "resources": try reader.read(&resources)
            case "parameters": try reader.read(&parameters)
            case "restart": try reader.read(&restart)
            case "durability": try reader.read(&durability)
            case "whenAlone": try reader.read(&whenAlone)
            case "relaySync": try reader.read(&relaySync)
            case "availabilityMin": try reader.read(&availabilityMin)
            case "preferredZones": try reader.read(&preferredZones)
            case "databases": try reader.read(&databases)
            case "accounts": try reader.read(&accounts)
            case "retainFor": try reader.read(&retainFor)
            case "deletionPolicy": try reader.read(&deletionPolicy)
            case "suspend": try reader.read(&suspend)
            case "failover": try reader.read(&failover)
            case "maxDataLoss": try reader.read(&maxDataLoss)
            case "maintenance": try reader.read(&maintenance)
            case "gameDay": try reader.read(&gameDay)
            case "standbyOf": try reader.read(&standbyOf)
            case "promotionToken": try reader.read(&promotionToken)
            case "acceptLoss": try reader.read(&acceptLoss)
            case "recoveryAcceptLoss": try reader.read(&recoveryAcceptLoss)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(metadata.name, "metadata")
    }
}

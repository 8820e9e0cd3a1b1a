package import JSONStream

// The JSON forms of observed state: an agent's report and all its parts.

extension InstanceDirectory: JSONNamedCase {}

extension InstanceProcess: JSONCodable {
    private static let names: [(InstanceProcess, StaticString)] = [
        (.stopped, "stopped"), (.starting, "starting"), (.running, "running"), (.unresponsive, "unresponsive"),
    ]

    package func write(to writer: inout JSONWriter) {
        for (value, name) in Self.names where value == self { writer.write(name) }
    }

    package init(from reader: inout JSONReader) throws {
        let name = try reader.string()
        guard let known = Self.names.first(where: { $0.1.description == name }) else {
            throw reader.unknownCase("InstanceProcess", name)
        }
        self = known.0
    }
}

extension HostReport: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("host", host)
            writer.member("agentVersion", agentVersion)
            writer.member("storeID", storeID)
            writer.member("engines", ifFilled: engines)
            writer.member("storageFreeBytes", storageFreeBytes)
            writer.member("memoryTotalBytes", memoryTotalBytes)
            writer.member("instances", ifFilled: instances)
            writer.member("catalogs", ifFilled: catalogs)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(host: "")
        try reader.object { reader, key in
            switch key {
            case "host": try reader.read(&host)
            case "agentVersion": try reader.read(&agentVersion)
            case "storeID": try reader.read(&storeID)
            case "engines": try reader.read(&engines)
            case "storageFreeBytes": try reader.read(&storageFreeBytes)
            case "memoryTotalBytes": try reader.read(&memoryTotalBytes)
            case "instances": try reader.read(&instances)
            case "catalogs": try reader.read(&catalogs)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(host, "host")
    }
}

extension EngineBinary: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.member("version", version)
            writer.member("path", path)
            writer.member("galeraProvider", ifPresent: galeraProvider)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(type: .mariadb, version: "", path: "")
        try reader.object { reader, key in
            switch key {
            case "type": try reader.read(&type)
            case "version": try reader.read(&version)
            case "path": try reader.read(&path)
            case "galeraProvider": try reader.read(&galeraProvider)
            default: try reader.skip()
            }
        }
    }
}

extension VariableCatalog: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.member("version", version)
            writer.member("dynamic", dynamic)
            writer.member("fixed", fixed)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(type: .mariadb, version: "", dynamic: [], fixed: [])
        try reader.object { reader, key in
            switch key {
            case "type": try reader.read(&type)
            case "version": try reader.read(&version)
            case "dynamic": try reader.read(&dynamic)
            case "fixed": try reader.read(&fixed)
            default: try reader.skip()
            }
        }
    }
}

extension InstanceReport: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("clusterName", clusterName)
            writer.member("port", port)
            writer.member("origin", ifPresent: origin)
            writer.member("directory", directory)
            writer.member("process", process)
            writer.member("configDigest", ifPresent: configDigest)
            writer.member("orderedDigest", ifPresent: orderedDigest)
            writer.member("startedParameters", ifFilled: startedParameters)
            writer.member("startedValues", ifFilled: startedValues)
            writer.member("refusedStart", ifPresent: refusedStart)
            writer.member("epoch", epoch)
            writer.member("isWriter", isWriter)
            writer.member("resumes", ifPresent: resumes?.rawValue)
            writer.member("isSupervised", ifPresent: isSupervised)
            if isStartHeld { writer.member("isStartHeld", true) }
            writer.member("usedBytes", usedBytes)
            writer.member("disk", ifPresent: disk?.rawValue)
            writer.member("database", ifPresent: database)
            writer.member("recovered", ifPresent: recovered)
            if isInconsistent { writer.member("isInconsistent", true) }
            writer.member("groupCertificate", ifPresent: groupCertificate)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var id: InstanceID?
        self.init(id: InstanceID(clusterUID: "", ordinal: 0), port: 0)
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "clusterName": try reader.read(&clusterName)
            case "port": try reader.read(&port)
            case "origin": try reader.read(&origin)
            case "directory": try reader.read(&directory)
            case "process": try reader.read(&process)
            case "configDigest": try reader.read(&configDigest)
            case "orderedDigest": try reader.read(&orderedDigest)
            case "startedParameters": try reader.read(&startedParameters)
            case "startedValues": try reader.read(&startedValues)
            case "refusedStart": try reader.read(&refusedStart)
            case "epoch": try reader.read(&epoch)
            case "isWriter": try reader.read(&isWriter)
            // What a later release tells is nothing that this one can affirm.
            case "resumes": resumes = Resumption(rawValue: try reader.string())
            case "isSupervised": try reader.read(&isSupervised)
            case "isStartHeld": try reader.read(&isStartHeld)
            case "usedBytes": try reader.read(&usedBytes)
            // What a later release tells is no trouble that this one knows.
            case "disk": disk = DiskTrouble(rawValue: try reader.string())
            case "database": try reader.read(&database)
            case "recovered": try reader.read(&recovered)
            case "isInconsistent": try reader.read(&isInconsistent)
            case "groupCertificate": try reader.read(&groupCertificate)
            default: try reader.skip()
            }
        }
        self.id = try reader.required(id, "id")
    }
}

extension RefusedStart: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("configDigest", configDigest)
            writer.member("engineVersion", engineVersion)
            writer.member("message", message)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(configDigest: "", engineVersion: "", message: "")
        try reader.object { reader, key in
            switch key {
            case "configDigest": try reader.read(&configDigest)
            case "engineVersion": try reader.read(&engineVersion)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
    }
}

extension InstanceOrigin: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("address", address)
            writer.member("serverID", serverID)
            writer.member("gtidDomain", gtidDomain)
            writer.member("engineVersion", engineVersion)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(address: "", serverID: 0, gtidDomain: 0, engineVersion: "")
        try reader.object { reader, key in
            switch key {
            case "address": try reader.read(&address)
            case "serverID": try reader.read(&serverID)
            case "gtidDomain": try reader.read(&gtidDomain)
            case "engineVersion": try reader.read(&engineVersion)
            default: try reader.skip()
            }
        }
    }
}

extension DatabaseReport: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("version", version)
            writer.member("serverID", serverID)
            writer.member("readOnly", readOnly)
            writer.member("binlogPosition", binlogPosition)
            writer.member("appliedPosition", appliedPosition)
            writer.member("replication", ifPresent: replication)
            writer.member("semiSyncPrimary", semiSyncPrimary)
            writer.member("semiSyncReplica", semiSyncReplica)
            writer.member("semiSyncClients", semiSyncClients)
            if areCommitsWaiting { writer.member("areCommitsWaiting", areCommitsWaiting) }
            if awaitsAcknowledgement { writer.member("awaitsAcknowledgement", awaitsAcknowledgement) }
            writer.member("runsEvents", ifPresent: runsEvents)
            writer.member("variables", ifFilled: variables)
            writer.member("databases", ifFilled: databases)
            writer.member("accounts", ifFilled: accounts)
            writer.member("isInitialized", isInitialized)
            writer.member("replicationAccounts", ifFilled: replicationAccounts)
            writer.member("connectedReplicas", ifPresent: connectedReplicas)
            writer.member("standbyAccounts", ifFilled: standbyAccounts)
            writer.member("galera", ifPresent: galera)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(version: "", serverID: 0, readOnly: true)
        try reader.object { reader, key in
            switch key {
            case "version": try reader.read(&version)
            case "serverID": try reader.read(&serverID)
            case "readOnly": try reader.read(&readOnly)
            case "binlogPosition": try reader.read(&binlogPosition)
            case "appliedPosition": try reader.read(&appliedPosition)
            case "replication": try reader.read(&replication)
            case "semiSyncPrimary": try reader.read(&semiSyncPrimary)
            case "semiSyncReplica": try reader.read(&semiSyncReplica)
            case "semiSyncClients": try reader.read(&semiSyncClients)
            case "variables": try reader.read(&variables)
            case "databases": try reader.read(&databases)
            case "accounts": try reader.read(&accounts)
            case "isInitialized": try reader.read(&isInitialized)
            case "replicationAccounts": try reader.read(&replicationAccounts)
            case "connectedReplicas": try reader.read(&connectedReplicas)
            case "standbyAccounts": try reader.read(&standbyAccounts)
            case "galera": try reader.read(&galera)
            case "areCommitsWaiting": try reader.read(&areCommitsWaiting)
            case "awaitsAcknowledgement": try reader.read(&awaitsAcknowledgement)
            case "runsEvents": try reader.read(&runsEvents)
            default: try reader.skip()
            }
        }
    }
}

extension ReplicationReport: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("sourceHost", sourceHost)
            writer.member("sourcePort", sourcePort)
            writer.member("ioRunning", ioRunning)
            if ioConnecting { writer.member("ioConnecting", ioConnecting) }
            writer.member("sqlRunning", sqlRunning)
            writer.member("receivedPosition", receivedPosition)
            writer.member("lagSeconds", ifPresent: lagSeconds)
            if delaySeconds != 0 { writer.member("delaySeconds", delaySeconds) }
            writer.member("ioError", ifFilled: ioError)
            if ioErrorCode != 0 { writer.member("ioErrorCode", ioErrorCode) }
            writer.member("sqlError", ifFilled: sqlError)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(sourceHost: "", sourcePort: 0, ioRunning: false, sqlRunning: false)
        try reader.object { reader, key in
            switch key {
            case "sourceHost": try reader.read(&sourceHost)
            case "sourcePort": try reader.read(&sourcePort)
            case "ioRunning": try reader.read(&ioRunning)
            case "ioConnecting": try reader.read(&ioConnecting)
            case "sqlRunning": try reader.read(&sqlRunning)
            case "receivedPosition": try reader.read(&receivedPosition)
            case "lagSeconds": try reader.read(&lagSeconds)
            case "delaySeconds": try reader.read(&delaySeconds)
            case "ioError": try reader.read(&ioError)
            case "ioErrorCode": try reader.read(&ioErrorCode)
            case "sqlError": try reader.read(&sqlError)
            default: try reader.skip()
            }
        }
    }
}

extension DatabaseFacts: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("characterSet", characterSet)
            writer.member("collation", collation)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(name: "", characterSet: "", collation: "")
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "characterSet": try reader.read(&characterSet)
            case "collation": try reader.read(&collation)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(name, "name")
    }
}

extension AccountFacts: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("host", host)
            writer.member("fingerprint", ifPresent: fingerprint)
            writer.member("grants", ifFilled: grants)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(name: "", host: "")
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "host": try reader.read(&host)
            case "fingerprint": try reader.read(&fingerprint)
            case "grants": try reader.read(&grants)
            default: try reader.skip()
            }
        }
    }
}

extension ObservedHost: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("renewed", renewed)
            if heard > renewed { writer.member("heard", heard) }
            writer.member("report", report)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(report: HostReport(host: ""), renewed: Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "renewed": try reader.read(&renewed)
            case "heard": try reader.read(&heard)
            case "report": try reader.read(&report)
            default: try reader.skip()
            }
        }
        heard = max(heard, renewed)
        try reader.requireFilled(report.host, "report")
    }
}

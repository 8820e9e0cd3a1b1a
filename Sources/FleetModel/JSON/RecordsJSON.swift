package import JSONStream

// The JSON forms of records.

/// `{"type":"active"}`, `{"type":"retired","until":…}` …
extension MemberPhase: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .active: writer.member("type", "active" as StaticString)
            case .leaving: writer.member("type", "leaving" as StaticString)
            case .retired(let until):
                writer.member("type", "retired" as StaticString)
                writer.member("until", until)
            case .purged: writer.member("type", "purged" as StaticString)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var until: Instant?
        try reader.object { reader, key in
            if key == "until" { try reader.read(&until) } else { try reader.skip() }
        }
        switch type {
        case "active": self = .active
        case "leaving": self = .leaving
        case "retired": self = .retired(until: try reader.required(until, "until"))
        case "purged": self = .purged
        default: throw reader.unknownCase("MemberPhase", type)
        }
    }
}

extension MemberRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("ordinal", ordinal)
            writer.member("host", host)
            writer.member("zone", zone)
            writer.member("address", address)
            writer.member("port", port)
            if groupPort != 0 { writer.member("groupPort", groupPort) }
            if transferPort != 0 { writer.member("transferPort", transferPort) }
            writer.member("serverID", serverID)
            if phase != .active { writer.member("phase", phase) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(ordinal: 0, host: "", zone: "", address: "", port: 0, serverID: 0)
        try reader.object { reader, key in
            switch key {
            case "ordinal": try reader.read(&ordinal)
            case "host": try reader.read(&host)
            case "zone": try reader.read(&zone)
            case "address": try reader.read(&address)
            case "port": try reader.read(&port)
            case "groupPort": try reader.read(&groupPort)
            case "transferPort": try reader.read(&transferPort)
            case "serverID": try reader.read(&serverID)
            case "phase": try reader.read(&phase)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(host, "host")
    }
}

extension SwitchoverIntent: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("from", from)
            writer.member("to", to)
            writer.member("epoch", epoch)
            writer.member("began", began)
            writer.member("reason", reason)
            writer.member("position", ifPresent: position)
            writer.member("sequence", ifPresent: sequence)
            writer.member("isPastReturn", isPastReturn)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(from: 0, to: 0, epoch: 0, began: Instant(milliseconds: 0), reason: "")
        try reader.object { reader, key in
            switch key {
            case "from": try reader.read(&from)
            case "to": try reader.read(&to)
            case "epoch": try reader.read(&epoch)
            case "began": try reader.read(&began)
            case "reason": try reader.read(&reason)
            case "position": try reader.read(&position)
            case "sequence": try reader.read(&sequence)
            case "isPastReturn": try reader.read(&isPastReturn)
            default: try reader.skip()
            }
        }
    }
}

/// `revoked` as an object by ordinal.
extension FailoverIntent: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("from", from)
            writer.member("epoch", epoch)
            writer.member("began", began)
            writer.member("reason", reason)
            writer.member("ackers", ackers)
            writer.member("revoked", byText(revoked))
            writer.member("isFenced", isFenced)
            writer.member("tail", ifPresent: tail)
            writer.member("to", ifPresent: to)
            writer.member("isPastReturn", isPastReturn)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(from: 0, epoch: 0, began: Instant(milliseconds: 0), reason: "", ackers: [])
        var positions: [String: GTIDSet] = [:]
        try reader.object { reader, key in
            switch key {
            case "from": try reader.read(&from)
            case "epoch": try reader.read(&epoch)
            case "began": try reader.read(&began)
            case "reason": try reader.read(&reason)
            case "ackers": try reader.read(&ackers)
            case "revoked": try reader.read(&positions)
            case "isFenced": try reader.read(&isFenced)
            case "tail": try reader.read(&tail)
            case "to": try reader.read(&to)
            case "isPastReturn": try reader.read(&isPastReturn)
            default: try reader.skip()
            }
        }
        revoked = byOrdinal(positions)
    }
}

/// Positions by ordinal, as JSON has them: by the ordinal's digits.
private func byText(_ positions: [Int: GTIDSet]) -> [String: GTIDSet] {
    Dictionary(uniqueKeysWithValues: positions.map { (String($0.key), $0.value) })
}

private func byOrdinal(_ positions: [String: GTIDSet]) -> [Int: GTIDSet] {
    Dictionary(positions.compactMap { text, position in Int(text).map { ($0, position) } }, uniquingKeysWith: { $1 })
}

extension AppliedParameter: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("declared", declared)
            writer.member("readBack", readBack)
            writer.member("version", version)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(declared: "", readBack: "", version: "")
        try reader.object { reader, key in
            switch key {
            case "declared": try reader.read(&declared)
            case "readBack": try reader.read(&readBack)
            case "version": try reader.read(&version)
            default: try reader.skip()
            }
        }
    }
}

extension AppliedAccount: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("fingerprint", fingerprint)
            writer.member("grants", grants)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(fingerprint: "", grants: [])
        try reader.object { reader, key in
            switch key {
            case "fingerprint": try reader.read(&fingerprint)
            case "grants": try reader.read(&grants)
            default: try reader.skip()
            }
        }
    }
}

extension FailureRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("count", count)
            writer.member("last", last)
            writer.member("message", message)
            writer.member("retryAt", retryAt)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(count: 0, last: Instant(milliseconds: 0), message: "", retryAt: Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "count": try reader.read(&count)
            case "last": try reader.read(&last)
            case "message": try reader.read(&message)
            case "retryAt": try reader.read(&retryAt)
            default: try reader.skip()
            }
        }
    }
}

extension RolledInstance: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("ordinal", ordinal)
            writer.member("at", at)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(ordinal: 0, at: Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "ordinal": try reader.read(&ordinal)
            case "at": try reader.read(&at)
            default: try reader.skip()
            }
        }
    }
}

extension ClusterRecords: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("uid", uid)
            writer.member("name", name)
            writer.member("gtidDomain", gtidDomain)
            writer.member("engineVersion", engineVersion)
            writer.member("members", members)
            writer.member("epoch", epoch)
            writer.member("primary", ifPresent: primary)
            writer.member("isFounded", isFounded)
            writer.member("ackSet", ifFilled: ackSet)
            writer.member("switchover", ifPresent: switchover)
            writer.member("requestedPrimary", ifPresent: requestedPrimary)
            if isFailoverRequested { writer.member("isFailoverRequested", isFailoverRequested) }
            writer.member("failover", ifPresent: failover)
            writer.member("failovers", ifFilled: failovers)
            writer.member("leftBehind", ifFilled: leftBehind)
            if !floor.isEmpty { writer.member("floor", floor) }
            writer.member("expelled", ifFilled: byText(expelled))
            writer.member("quiet", ifFilled: byText(quiet))
            writer.member("parameters", ifFilled: parameters)
            writer.member("databases", ifFilled: databases)
            writer.member("accounts", ifFilled: accounts)
            writer.member("isSemiSync", isSemiSync)
            if isUnprotected { writer.member("isUnprotected", isUnprotected) }
            writer.member("preparedReplicas", ifFilled: preparedReplicas)
            writer.member("joining", ifFilled: joining)
            writer.member("returning", ifFilled: returning)
            writer.member("rolled", ifPresent: rolled)
            writer.member("failures", ifFilled: failures)
            writer.member("suspended", suspended)
            writer.member("standby", ifPresent: standby)
            writer.member("steppingDown", ifPresent: steppingDown)
            writer.member("demotion", ifPresent: demotion)
            writer.member("lead", ifPresent: lead)
            writer.member("galera", ifPresent: galera)
        }
    }

    package init(from reader: inout JSONReader) throws { try self.init(from: &reader, hasContent: true) }

    /// Without `hasContent` what is in the databases and what failed is passed over: who and where the members are is
    /// all that allocation asks for, and most of a fleet's records are the rest.
    package init(from reader: inout JSONReader, hasContent: Bool) throws {
        self.init(uid: "", name: "", gtidDomain: 0)
        try reader.object { reader, key in
            switch key {
            case "parameters" where !hasContent, "databases" where !hasContent, "accounts" where !hasContent,
                "preparedReplicas" where !hasContent, "failures" where !hasContent, "switchover" where !hasContent,
                "requestedPrimary" where !hasContent, "isFailoverRequested" where !hasContent, "failover" where !hasContent, "leftBehind" where !hasContent, "floor" where !hasContent, "expelled" where !hasContent,
                "quiet" where !hasContent,
                "joining" where !hasContent, "returning" where !hasContent, "rolled" where !hasContent, "steppingDown" where !hasContent, "demotion" where !hasContent:
                try reader.skip()
            case "uid": try reader.read(&uid)
            case "name": try reader.read(&name)
            case "gtidDomain": try reader.read(&gtidDomain)
            case "engineVersion": try reader.read(&engineVersion)
            case "members": try reader.read(&members)
            case "epoch": try reader.read(&epoch)
            case "primary": try reader.read(&primary)
            case "isFounded": try reader.read(&isFounded)
            case "ackSet": try reader.read(&ackSet)
            case "switchover": try reader.read(&switchover)
            case "requestedPrimary": try reader.read(&requestedPrimary)
            case "isFailoverRequested": try reader.read(&isFailoverRequested)
            case "failover": try reader.read(&failover)
            case "failovers": try reader.read(&failovers)
            case "leftBehind": try reader.read(&leftBehind)
            case "floor": try reader.read(&floor)
            case "expelled": expelled = byOrdinal(try .init(from: &reader))
            case "quiet": quiet = byOrdinal(try .init(from: &reader))
            case "parameters": try reader.read(&parameters)
            case "databases": try reader.read(&databases)
            case "accounts": try reader.read(&accounts)
            case "isSemiSync": try reader.read(&isSemiSync)
            case "isUnprotected": try reader.read(&isUnprotected)
            case "preparedReplicas": try reader.read(&preparedReplicas)
            case "joining": try reader.read(&joining)
            case "returning": try reader.read(&returning)
            case "rolled": try reader.read(&rolled)
            case "failures": try reader.read(&failures)
            case "suspended": try reader.read(&suspended)
            case "standby": try reader.read(&standby)
            case "steppingDown": try reader.read(&steppingDown)
            case "demotion": try reader.read(&demotion)
            case "lead": try reader.read(&lead)
            case "galera": try reader.read(&galera)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(uid, "uid")
        try reader.requireFilled(name, "name")
    }
}

extension FleetRecords: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("storeID", storeID)
            writer.member("nextServerNumber", nextServerNumber)
            writer.member("nextDomainNumber", nextDomainNumber)
            writer.member("clustersMade", clustersMade)
            writer.member("channels", ifFilled: channels)
            writer.key("clusters")
            writer.beginArray()
            for (_, records) in clusters.sorted(by: { $0.key < $1.key }) { records.write(to: &writer) }
            writer.endArray()
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(storeID: "")
        try reader.object { reader, key in
            switch key {
            case "storeID": try reader.read(&storeID)
            case "nextServerNumber": try reader.read(&nextServerNumber)
            case "nextDomainNumber": try reader.read(&nextDomainNumber)
            case "clustersMade": try reader.read(&clustersMade)
            case "channels": try reader.read(&channels)
            case "clusters":
                try reader.array { reader in
                    let records = try ClusterRecords(from: &reader)
                    clusters[records.name] = records
                }
            default: try reader.skip()
            }
        }
    }
}

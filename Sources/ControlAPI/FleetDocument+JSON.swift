package import JSONStream

import FleetModel

// The JSON forms of the documents. Keys are the properties' names, with `Milliseconds` added where a time or an age is
// meant and `is` left off of flags.

extension FleetDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("formatVersion", FleetDocument.formatVersion)
        writer.member("timeMilliseconds", time)
        writer.member("server", server)
        writer.member("sources", sources)
        writer.member("regions", regions)
        writer.member("zones", zones)
        writer.member("hosts", hosts)
        writer.member("units", units)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "timeMilliseconds": try reader.read(&time)
            case "server": try reader.read(&server)
            case "sources": try reader.read(&sources)
            case "regions": try reader.read(&regions)
            case "zones": try reader.read(&zones)
            case "hosts": try reader.read(&hosts)
            case "units": try reader.read(&units)
            default: try reader.skip()
            }
        }
    }
}

extension ServerDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("version", version)
        writer.member("storeID", storeID)
        writer.member("leader", isLeader)
        writer.member("term", term)
        writer.member("leaderURL", leaderURL)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "version": try reader.read(&version)
            case "storeID": try reader.read(&storeID)
            case "leader": try reader.read(&isLeader)
            case "term": try reader.read(&term)
            case "leaderURL": try reader.read(&leaderURL)
            default: try reader.skip()
            }
        }
    }
}

extension SourceDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("url", url)
        writer.member("branch", branch)
        writer.member("accepted", ifPresent: accepted)
        writer.member("seen", ifPresent: seen)
        writer.member("lastFetchMilliseconds", ifPresent: lastFetch)
        writer.member("problem", problem)
        writer.member("approvalNeeded", approvalNeeded)
        writer.member("diagnostics", diagnostics)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "url": try reader.read(&url)
            case "branch": try reader.read(&branch)
            case "accepted": accepted = try Revision?(from: &reader)
            case "seen": seen = try Revision?(from: &reader)
            case "lastFetchMilliseconds": lastFetch = try Instant?(from: &reader)
            case "problem": try reader.read(&problem)
            case "approvalNeeded": try reader.read(&approvalNeeded)
            case "diagnostics": try reader.read(&diagnostics)
            default: try reader.skip()
            }
        }
    }
}

extension RegionDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("displayName", displayName)
        writer.member("locationCode", locationCode)
        writer.member("default", isDefault)
        writer.member("position", position)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "displayName": try reader.read(&displayName)
            case "locationCode": try reader.read(&locationCode)
            case "default": try reader.read(&isDefault)
            case "position": try reader.read(&position)
            default: try reader.skip()
            }
        }
    }
}

extension ZoneDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("region", region)
        writer.member("rooms", rooms)
        writer.member("schedulable", isSchedulable)
        writer.member("drain", isDrained)
        writer.member("position", position)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "region": try reader.read(&region)
            case "rooms": try reader.read(&rooms)
            case "schedulable": try reader.read(&isSchedulable)
            case "drain": try reader.read(&isDrained)
            case "position": try reader.read(&position)
            default: try reader.skip()
            }
        }
    }
}

extension HostDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("zone", zone)
        writer.member("room", room)
        writer.member("address", address)
        writer.member("schedulable", isSchedulable)
        writer.member("drain", isDrained)
        writer.member("position", position)
        writer.member("state", state)
        writer.member("ageMilliseconds", ifPresent: age)
        writer.member("agentVersion", agentVersion)
        writer.member("engines", engines)
        writer.member("storageFreeBytes", storageFreeBytes)
        writer.member("memoryTotalBytes", memoryTotalBytes)
        writer.member("instances", instances)
        writer.member("unmanaged", unmanaged)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "zone": try reader.read(&zone)
            case "room": try reader.read(&room)
            case "address": try reader.read(&address)
            case "schedulable": try reader.read(&isSchedulable)
            case "drain": try reader.read(&isDrained)
            case "position": try reader.read(&position)
            case "state": try reader.read(&state)
            case "ageMilliseconds": age = try Duration?(from: &reader)
            case "agentVersion": try reader.read(&agentVersion)
            case "engines": try reader.read(&engines)
            case "storageFreeBytes": try reader.read(&storageFreeBytes)
            case "memoryTotalBytes": try reader.read(&memoryTotalBytes)
            case "instances": try reader.read(&instances)
            case "unmanaged": try reader.read(&unmanaged)
            default: try reader.skip()
            }
        }
    }
}

extension UnitDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("kind", kind)
        writer.member("name", name)
        writer.member("revision", revision)
        writer.member("position", position)
        writer.member("converged", isConverged)
        writer.member("conditions", conditions)
        writer.member("findings", findings)
        writer.member("waits", waits)
        writer.member("warnings", warnings)
        writer.member("running", running)
        writer.member("pending", pending)
        writer.member("refusal", refusal)
        writer.member("passMilliseconds", ifPresent: pass)
        writer.member("cluster", ifPresent: cluster)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "kind": try reader.read(&kind)
            case "name": try reader.read(&name)
            case "revision": try reader.read(&revision)
            case "position": try reader.read(&position)
            case "converged": try reader.read(&isConverged)
            case "conditions": try reader.read(&conditions)
            case "findings": try reader.read(&findings)
            case "waits": try reader.read(&waits)
            case "warnings": try reader.read(&warnings)
            case "running": try reader.read(&running)
            case "pending": try reader.read(&pending)
            case "refusal": try reader.read(&refusal)
            case "passMilliseconds": pass = try Instant?(from: &reader)
            case "cluster": cluster = try ClusterDocument?(from: &reader)
            default: try reader.skip()
            }
        }
    }
}

extension RunningDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("action", action)
        writer.member("target", target)
        writer.member("host", host)
        writer.member("summary", summary)
        writer.member("startedMilliseconds", started)
        writer.member("progress", progress)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "action": try reader.read(&action)
            case "target": try reader.read(&target)
            case "host": try reader.read(&host)
            case "summary": try reader.read(&summary)
            case "startedMilliseconds": try reader.read(&started)
            case "progress": try reader.read(&progress)
            default: try reader.skip()
            }
        }
    }
}

extension ClusterDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("uid", uid)
        writer.member("engine", engine)
        writer.member("version", version)
        writer.member("topology", topology)
        writer.member("durability", durability)
        writer.member("epoch", epoch)
        writer.member("primary", primary)
        writer.member("standbyOf", ifFilled: standbyOf)
        writer.member("head", ifFilled: head)
        writer.member("demotionToken", ifFilled: demotionToken)
        writer.member("ackSet", ackSet)
        writer.member("wanted", wanted)
        writer.member("suspended", isSuspended)
        writer.member("databases", databases)
        writer.member("accounts", accounts)
        writer.member("parameters", parameters)
        writer.member("instances", instances)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "uid": try reader.read(&uid)
            case "engine": try reader.read(&engine)
            case "version": try reader.read(&version)
            case "topology": try reader.read(&topology)
            case "durability": try reader.read(&durability)
            case "epoch": try reader.read(&epoch)
            case "primary": try reader.read(&primary)
            case "standbyOf": try reader.read(&standbyOf)
            case "head": try reader.read(&head)
            case "demotionToken": try reader.read(&demotionToken)
            case "ackSet": try reader.read(&ackSet)
            case "wanted": try reader.read(&wanted)
            case "suspended": try reader.read(&isSuspended)
            case "databases": try reader.read(&databases)
            case "accounts": try reader.read(&accounts)
            case "parameters": try reader.read(&parameters)
            case "instances": try reader.read(&instances)
            default: try reader.skip()
            }
        }
    }
}

extension AccountDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("host", host)
        writer.member("passwordFrom", passwordFrom)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "host": try reader.read(&host)
            case "passwordFrom": try reader.read(&passwordFrom)
            default: try reader.skip()
            }
        }
    }
}

extension InstanceDocument: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("cluster", cluster)
        writer.member("ordinal", ordinal)
        writer.member("host", host)
        writer.member("zone", zone)
        writer.member("address", address)
        writer.member("port", port)
        writer.member("serverID", serverID)
        writer.member("phase", phase)
        writer.member("role", role)
        writer.member("state", state)
        writer.member("serving", isServing)
        writer.member("stale", isStale)
        writer.member("ageMilliseconds", ifPresent: age)
        writer.member("readOnly", ifPresent: isReadOnly)
        writer.member("semiSync", isSemiSync)
        writer.member("lagSeconds", ifPresent: lagSeconds)
        writer.member("position", position)
        writer.member("version", version)
        writer.member("usedBytes", usedBytes)
        writer.member("problem", problem)
        writer.member("retainedUntilMilliseconds", ifPresent: retainedUntil)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "cluster": try reader.read(&cluster)
            case "ordinal": try reader.read(&ordinal)
            case "host": try reader.read(&host)
            case "zone": try reader.read(&zone)
            case "address": try reader.read(&address)
            case "port": try reader.read(&port)
            case "serverID": try reader.read(&serverID)
            case "phase": try reader.read(&phase)
            case "role": try reader.read(&role)
            case "state": try reader.read(&state)
            case "serving": try reader.read(&isServing)
            case "stale": try reader.read(&isStale)
            case "ageMilliseconds": age = try Duration?(from: &reader)
            case "readOnly": isReadOnly = try Bool?(from: &reader)
            case "semiSync": try reader.read(&isSemiSync)
            case "lagSeconds": lagSeconds = try Int64?(from: &reader)
            case "position": try reader.read(&position)
            case "version": try reader.read(&version)
            case "usedBytes": try reader.read(&usedBytes)
            case "problem": try reader.read(&problem)
            case "retainedUntilMilliseconds": retainedUntil = try Instant?(from: &reader)
            default: try reader.skip()
            }
        }
    }
}

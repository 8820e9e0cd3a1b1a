package import JSONStream

// The JSON forms of what a fleet is made of beside clusters.

extension Metadata: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("labels", ifFilled: labels)
            writer.member("annotations", ifFilled: annotations)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(name: "")
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "labels": try reader.read(&labels)
            case "annotations": try reader.read(&annotations)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(name, "name")
    }
}

extension Region: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("metadata", metadata)
            writer.member("displayName", displayName)
            writer.member("locationCode", locationCode)
            writer.member("isDefault", isDefault)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(metadata: Metadata(name: ""), displayName: "", locationCode: 0, isDefault: false)
        try reader.object { reader, key in
            switch key {
            case "metadata": try reader.read(&metadata)
            case "displayName": try reader.read(&displayName)
            case "locationCode": try reader.read(&locationCode)
            case "isDefault": try reader.read(&isDefault)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(metadata.name, "metadata")
    }
}

extension AvailabilityZone: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("metadata", metadata)
            writer.member("region", region)
            writer.member("rooms", rooms)
            writer.member("schedulable", schedulable)
            writer.member("drain", drain)
            writer.member("maintenance", ifPresent: maintenance)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(metadata: Metadata(name: ""), region: "", rooms: [])
        try reader.object { reader, key in
            switch key {
            case "metadata": try reader.read(&metadata)
            case "region": try reader.read(&region)
            case "rooms": try reader.read(&rooms)
            case "schedulable": try reader.read(&schedulable)
            case "drain": try reader.read(&drain)
            case "maintenance": try reader.read(&maintenance)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(metadata.name, "metadata")
    }
}

extension HostCapacity: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("memoryBytes", ifPresent: memoryBytes)
            writer.member("storageBytes", ifPresent: storageBytes)
            writer.member("instances", ifPresent: instances)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "memoryBytes": try reader.read(&memoryBytes)
            case "storageBytes": try reader.read(&storageBytes)
            case "instances": try reader.read(&instances)
            default: try reader.skip()
            }
        }
    }
}

extension Host: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("metadata", metadata)
            writer.member("zone", zone)
            writer.member("room", room)
            writer.member("address", address)
            writer.member("capacity", capacity)
            writer.member("schedulable", schedulable)
            writer.member("drain", drain)
            writer.member("maintenance", ifPresent: maintenance)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(metadata: Metadata(name: ""), zone: "", room: "", address: "")
        try reader.object { reader, key in
            switch key {
            case "metadata": try reader.read(&metadata)
            case "zone": try reader.read(&zone)
            case "room": try reader.read(&room)
            case "address": try reader.read(&address)
            case "capacity": try reader.read(&capacity)
            case "schedulable": try reader.read(&schedulable)
            case "drain": try reader.read(&drain)
            case "maintenance": try reader.read(&maintenance)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(metadata.name, "metadata")
    }
}

/// `{"type":"webhook","url":…,"headers":…}` or `{"type":"script","name":…,"timeout":…}`.
extension ChannelTarget: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .webhook(let url, let headers):
                writer.member("type", "webhook" as StaticString)
                writer.member("url", url)
                writer.member("headers", ifFilled: headers)
            case .script(let name, let timeout):
                writer.member("type", "script" as StaticString)
                writer.member("name", name)
                writer.member("timeout", timeout)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var text = ""
        var headers: [String: String] = [:]
        var timeout: Duration = .zero
        try reader.object { reader, key in
            switch key {
            case "url", "name": try reader.read(&text)
            case "headers": try reader.read(&headers)
            case "timeout": try reader.read(&timeout)
            default: try reader.skip()
            }
        }
        switch type {
        case "webhook": self = .webhook(url: text, headers: headers)
        case "script": self = .script(name: text, timeout: timeout)
        default: throw reader.unknownCase("ChannelTarget", type)
        }
    }
}

extension AlertChannel: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("metadata", metadata)
            writer.member("target", target)
            writer.member("matchers", ifFilled: matchers)
            writer.member("repeatInterval", repeatInterval)
            writer.member("sendResolved", sendResolved)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(metadata: Metadata(name: ""), target: .webhook(url: "", headers: [:]))
        try reader.object { reader, key in
            switch key {
            case "metadata": try reader.read(&metadata)
            case "target": try reader.read(&target)
            case "matchers": try reader.read(&matchers)
            case "repeatInterval": try reader.read(&repeatInterval)
            case "sendResolved": try reader.read(&sendResolved)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(metadata.name, "metadata")
    }
}

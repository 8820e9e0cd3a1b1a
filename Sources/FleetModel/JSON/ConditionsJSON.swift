package import JSONStream

extension ConditionType: JSONNamedCase {}
extension Event.Level: JSONNamedCase {}

extension Condition: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.member("isTrue", isTrue)
            writer.member("reason", reason)
            writer.member("message", message)
            writer.member("lastTransition", lastTransition)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var type: ConditionType?
        self.init(.ready, false, reason: "")
        try reader.object { reader, key in
            switch key {
            case "type": try reader.read(&type)
            case "isTrue": try reader.read(&isTrue)
            case "reason": try reader.read(&reason)
            case "message": try reader.read(&message)
            case "lastTransition": try reader.read(&lastTransition)
            default: try reader.skip()
            }
        }
        self.type = try reader.required(type, "type")
    }
}

extension Finding: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("reason", reason)
            writer.member("subject", subject)
            writer.member("host", ifFilled: host)
            writer.member("message", message)
            writer.member("isDrift", isDrift)
            if isMuted { writer.member("isMuted", true) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(reason: "", subject: "", message: "", isDrift: false)
        try reader.object { reader, key in
            switch key {
            case "reason": try reader.read(&reason)
            case "subject": try reader.read(&subject)
            case "host": try reader.read(&host)
            case "message": try reader.read(&message)
            case "isDrift": try reader.read(&isDrift)
            case "isMuted": try reader.read(&isMuted)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(reason, "reason")
    }
}

extension Event: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("time", time)
            writer.member("unit", unit)
            writer.member("level", level)
            writer.member("reason", reason)
            writer.member("message", message)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var unit: UnitID?
        self.init(time: Instant(milliseconds: 0), unit: UnitID(.cluster, ""), level: .info, reason: "", message: "")
        try reader.object { reader, key in
            switch key {
            case "time": try reader.read(&time)
            case "unit": try reader.read(&unit)
            case "level": try reader.read(&level)
            case "reason": try reader.read(&reason)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        self.unit = try reader.required(unit, "unit")
    }
}

/// `{"type":"time","until":…,"message":…}`; the other reasons carry `name`.
extension Wait: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch reason {
            case .time(let until):
                writer.member("type", "time" as StaticString)
                writer.member("until", until)
            case .host(let name): Self.write("host", name, to: &writer)
            case .attempt(let name): Self.write("attempt", name, to: &writer)
            case .approval(let name): Self.write("approval", name, to: &writer)
            case .budget(let name): Self.write("budget", name, to: &writer)
            case .retention(let until):
                writer.member("type", "retention" as StaticString)
                writer.member("until", until)
            case .fact(let name): Self.write("fact", name, to: &writer)
            }
            writer.member("message", message)
        }
    }

    private static func write(_ type: StaticString, _ name: String, to writer: inout JSONWriter) {
        writer.member("type", type)
        writer.member("name", name)
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var until: Instant?
        var name = ""
        var message = ""
        try reader.object { reader, key in
            switch key {
            case "until": try reader.read(&until)
            case "name": try reader.read(&name)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        switch type {
        case "time": self.init(.time(try reader.required(until, "until")), message)
        case "host": self.init(.host(name), message)
        case "attempt": self.init(.attempt(name), message)
        case "approval": self.init(.approval(name), message)
        case "budget": self.init(.budget(name), message)
        case "retention": self.init(.retention(try reader.required(until, "until")), message)
        case "fact": self.init(.fact(name), message)
        default: throw reader.unknownCase("Wait", type)
        }
    }
}

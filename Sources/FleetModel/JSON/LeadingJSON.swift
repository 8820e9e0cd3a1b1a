package import JSONStream

extension DemotionToken: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(description) }

    package init(from reader: inout JSONReader) throws {
        let text = try reader.string()
        guard let read = DemotionToken(text) else { throw reader.mismatch("\"\(text.prefix(64))\" is no demotion token") }
        self = read
    }
}

extension StepDown: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("to", to)
            writer.member("epoch", epoch)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(to: StandbyRole(clusterUID: "", name: ""), epoch: 0)
        try reader.object { reader, key in
            switch key {
            case "to": try reader.read(&to)
            case "epoch": try reader.read(&epoch)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(to.clusterUID, "to")
    }
}

extension StandbyRole: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("clusterUID", clusterUID)
            writer.member("name", name)
            if isSuperseded { writer.member("isSuperseded", isSuperseded) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(clusterUID: "", name: "")
        try reader.object { reader, key in
            switch key {
            case "clusterUID": try reader.read(&clusterUID)
            case "name": try reader.read(&name)
            case "isSuperseded": try reader.read(&isSuperseded)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(clusterUID, "clusterUID")
    }
}

extension LeadTaken: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("from", from)
            writer.member("epoch", epoch)
            writer.member("position", position)
            writer.member("loss", ifPresent: loss)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(from: "", epoch: 0, position: GTIDSet())
        try reader.object { reader, key in
            switch key {
            case "from": try reader.read(&from)
            case "epoch": try reader.read(&epoch)
            case "position": try reader.read(&position)
            case "loss": try reader.read(&loss)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(from, "from")
    }
}

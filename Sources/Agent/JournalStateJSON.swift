import FleetModel
package import JSONStream

// The JSON forms of journal lines.

extension JournalEntry: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .bound(let storeID):
                writer.member("type", "bound" as StaticString)
                writer.member("storeID", storeID)
            case .promised(let term):
                writer.member("type", "promised" as StaticString)
                writer.member("term", term)
            case .instance(let id, let instance):
                writer.member("type", "instance" as StaticString)
                writer.member("id", id)
                writer.member("instance", instance)
            case .accepted(let attempt):
                writer.member("type", "accepted" as StaticString)
                writer.member("attempt", attempt)
            case .ended(let attempt, let outcome):
                writer.member("type", "ended" as StaticString)
                writer.member("ended", attempt)
                writer.member("outcome", outcome)
            case .settled(let attempt):
                writer.member("type", "settled" as StaticString)
                writer.member("settled", attempt)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var (text, term) = (String?.none, Int64?.none)
        var (id, instance) = (InstanceID?.none, InstanceJournal?.none)
        var (attempt, outcome) = (JournalledAttempt?.none, AttemptOutcome?.none)
        try reader.object { reader, key in
            switch key {
            case "storeID", "ended", "settled": try reader.read(&text)
            case "term": try reader.read(&term)
            case "id": try reader.read(&id)
            case "instance": try reader.read(&instance)
            case "attempt": try reader.read(&attempt)
            case "outcome": try reader.read(&outcome)
            default: try reader.skip()
            }
        }
        switch type {
        case "bound": self = .bound(storeID: try reader.required(text, "storeID"))
        case "promised": self = .promised(term: try reader.required(term, "term"))
        case "instance":
            self = .instance(try reader.required(id, "id"), try reader.required(instance, "instance"))
        case "accepted": self = .accepted(try reader.required(attempt, "attempt"))
        case "ended":
            self = .ended(attempt: try reader.required(text, "ended"), try reader.required(outcome, "outcome"))
        case "settled": self = .settled(attempt: try reader.required(text, "settled"))
        default: throw reader.unknownCase("JournalEntry", type)
        }
    }
}

extension InstanceJournal: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("epoch", epoch)
            writer.member("shouldRun", shouldRun)
            writer.member("grant", ifPresent: grant)
            writer.member("following", ifPresent: following)
            writer.member("startHeldUntil", ifPresent: startHeldUntil)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        var epoch: Int64?
        try reader.object { reader, key in
            switch key {
            case "epoch": try reader.read(&epoch)
            case "shouldRun": try reader.read(&shouldRun)
            case "grant": try reader.read(&grant)
            case "following": try reader.read(&following)
            case "startHeldUntil": try reader.read(&startHeldUntil)
            default: try reader.skip()
            }
        }
        self.epoch = try reader.required(epoch, "epoch")
    }
}

extension WriterGrant: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("semiSync", semiSync)
            writer.member("rivals", ifFilled: rivals)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var semiSync: Bool?
        var rivals: [Peer] = []
        try reader.object { reader, key in
            switch key {
            case "semiSync": try reader.read(&semiSync)
            case "rivals": try reader.read(&rivals)
            default: try reader.skip()
            }
        }
        self.init(semiSync: try reader.required(semiSync, "semiSync"), rivals: rivals)
    }
}

extension Following: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in writer.member("acknowledges", acknowledges) }
    }

    package init(from reader: inout JSONReader) throws {
        var acknowledges: Bool?
        try reader.object { reader, key in
            switch key {
            case "acknowledges": try reader.read(&acknowledges)
            default: try reader.skip()
            }
        }
        self.init(acknowledges: try reader.required(acknowledges, "acknowledges"))
    }
}

extension JournalledAttempt: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("instance", instance)
            writer.member("action", action)
            writer.member("epoch", epoch)
            writer.member("outcome", ifPresent: outcome)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var (id, action, outcome) = ("", "", AttemptOutcome?.none)
        var (instance, epoch) = (InstanceID?.none, Int64?.none)
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "instance": try reader.read(&instance)
            case "action": try reader.read(&action)
            case "epoch": try reader.read(&epoch)
            case "outcome": try reader.read(&outcome)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        self.init(
            id: id, instance: try reader.required(instance, "instance"), action: action,
            epoch: try reader.required(epoch, "epoch"), outcome: outcome)
    }
}

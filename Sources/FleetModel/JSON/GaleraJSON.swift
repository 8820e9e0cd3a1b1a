package import JSONStream

// The JSON forms of what is only so in a galera cluster.

/// What a later release tells is no state that this one relies on.
extension GaleraState: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(rawValue) }
    package init(from reader: inout JSONReader) throws { self = GaleraState(rawValue: try reader.string()) ?? .outside }
}

extension GaleraReport: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("isReady", isReady)
            writer.member("isPrimaryComponent", isPrimaryComponent)
            writer.member("state", state)
            writer.member("stateUUID", stateUUID)
            writer.member("size", size)
            writer.member("viewNumber", viewNumber)
            writer.member("lastCommitted", lastCommitted)
            writer.member("cachedDownTo", cachedDownTo)
            if flowControlPaused != 0 { writer.member("flowControlPaused", flowControlPaused) }
            if receiveQueue != 0 { writer.member("receiveQueue", receiveQueue) }
            writer.member("members", ifFilled: members)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(isReady: false, isPrimaryComponent: false, state: .outside, stateUUID: "")
        try reader.object { reader, key in
            switch key {
            case "isReady": try reader.read(&isReady)
            case "isPrimaryComponent": try reader.read(&isPrimaryComponent)
            case "state": try reader.read(&state)
            case "stateUUID": try reader.read(&stateUUID)
            case "size": try reader.read(&size)
            case "viewNumber": try reader.read(&viewNumber)
            case "lastCommitted": try reader.read(&lastCommitted)
            case "cachedDownTo": try reader.read(&cachedDownTo)
            case "flowControlPaused": try reader.read(&flowControlPaused)
            case "receiveQueue": try reader.read(&receiveQueue)
            case "members": try reader.read(&members)
            default: try reader.skip()
            }
        }
    }
}

extension ComponentView: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("number", number)
            writer.member("maker", maker)
            writer.member("own", own)
            writer.member("members", members)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(number: 0, maker: "", own: "", members: [])
        try reader.object { reader, key in
            switch key {
            case "number": try reader.read(&number)
            case "maker": try reader.read(&maker)
            case "own": try reader.read(&own)
            case "members": try reader.read(&members)
            default: try reader.skip()
            }
        }
    }
}

extension RecoveredPosition: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("stateUUID", stateUUID)
            writer.member("sequence", sequence)
            writer.member("view", ifPresent: view)
            if leftInOrder { writer.member("leftInOrder", leftInOrder) }
            if leftLast { writer.member("leftLast", leftLast) }
            if wasInconsistent { writer.member("wasInconsistent", wasInconsistent) }
        }
    }

    /// A position that is not told is none: it is never taken for the first.
    package init(from reader: inout JSONReader) throws {
        var sequence: Int64?
        self.init(stateUUID: "", sequence: 0)
        try reader.object { reader, key in
            switch key {
            case "stateUUID": try reader.read(&stateUUID)
            case "sequence": try reader.read(&sequence)
            case "view": try reader.read(&view)
            case "leftInOrder": try reader.read(&leftInOrder)
            case "leftLast": try reader.read(&leftLast)
            case "wasInconsistent": try reader.read(&wasInconsistent)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(stateUUID, "stateUUID")
        self.sequence = try reader.required(sequence, "sequence")
    }
}

extension RecoveryIntent: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("epoch", epoch)
            writer.member("began", began)
            writer.member("from", ifPresent: from)
            writer.member("position", ifPresent: position)
            if acceptsLoss { writer.member("acceptsLoss", acceptsLoss) }
            writer.member("isPastReturn", isPastReturn)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(epoch: 0, began: Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "epoch": try reader.read(&epoch)
            case "began": try reader.read(&began)
            case "from": try reader.read(&from)
            case "position": try reader.read(&position)
            case "acceptsLoss": try reader.read(&acceptsLoss)
            case "isPastReturn": try reader.read(&isPastReturn)
            default: try reader.skip()
            }
        }
    }
}

extension GaleraRecords: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("stateUUID", stateUUID)
            writer.member("component", component)
            writer.member("recovery", ifPresent: recovery)
            writer.member("inconsistent", ifFilled: inconsistent)
            if authority != 0 { writer.member("authority", authority) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "stateUUID": try reader.read(&stateUUID)
            case "component": try reader.read(&component)
            case "recovery": try reader.read(&recovery)
            case "inconsistent": try reader.read(&inconsistent)
            case "authority": try reader.read(&authority)
            default: try reader.skip()
            }
        }
    }
}

extension GroupCertificate: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("ends", ends)
            if authority != 0 { writer.member("authority", authority) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        var ends: Instant?
        self.init(ends: Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "ends": try reader.read(&ends)
            case "authority": try reader.read(&authority)
            default: try reader.skip()
            }
        }
        self.ends = try reader.required(ends, "ends")
    }
}

package import FleetModel
package import JSONStream

// The wire form of what agent and server say to each other: `{"type":"heartbeat", …}`, one line each.
//
// A receiver tells three faults apart. A message whose `type` is new throws `JSONError.Kind.unknownCase` and is passed
// over. An offer whose order this release cannot carry out throws `UnsupportedOrder` and is answered with `refused`.
// Anything else is a broken stream.

/// An offer whose action, or an argument of it, this release does not know.
package struct UnsupportedOrder: Error, Sendable, Hashable, CustomStringConvertible {
    /// The attempt to answer for, with its term.
    package var attempt: String
    package var term: Int64
    package var instance: InstanceID?
    /// A sentence for the outcome `refused`.
    package var reason: String

    package var description: String { reason }
}

/// `{"type":"accepted"}`, `{"type":"running","phase":…}`, `{"type":"ended","outcome":…}`.
extension AttemptState: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .accepted: writer.member("type", "accepted" as StaticString)
            case .running(let progress):
                writer.member("type", "running" as StaticString)
                writer.member("progress", progress)
            case .ended(let outcome):
                writer.member("type", "ended" as StaticString)
                writer.member("outcome", outcome)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var progress = AttemptProgress(phase: "")
        var outcome: AttemptOutcome?
        try reader.object { reader, key in
            switch key {
            case "progress": try reader.read(&progress)
            case "outcome": try reader.read(&outcome)
            default: try reader.skip()
            }
        }
        switch type {
        case "accepted": self = .accepted
        case "running": self = .running(progress)
        case "ended": self = .ended(try reader.required(outcome, "outcome"))
        default: throw reader.unknownCase("AttemptState", type)
        }
    }
}

extension AttemptProgress: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("phase", phase)
            writer.member("done", done)
            writer.member("total", total)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(phase: "")
        try reader.object { reader, key in
            switch key {
            case "phase": try reader.read(&phase)
            case "done": try reader.read(&done)
            case "total": try reader.read(&total)
            default: try reader.skip()
            }
        }
    }
}

extension AttemptStatus: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("state", state)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var state: AttemptState?
        var id = ""
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "state": try reader.read(&state)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        self.init(id: id, state: try reader.required(state, "state"))
    }
}

extension CopyEndpoint: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("attempt", attempt)
            writer.member("address", address)
            writer.member("port", port)
            writer.member("token", token)
            writer.member("certificateDigest", certificateDigest)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(attempt: "", address: "", port: 0, token: "", certificateDigest: "")
        try reader.object { reader, key in
            switch key {
            case "attempt": try reader.read(&attempt)
            case "address": try reader.read(&address)
            case "port": try reader.read(&port)
            case "token": try reader.read(&token)
            case "certificateDigest": try reader.read(&certificateDigest)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(attempt, "attempt")
        try reader.requireFilled(token, "token")
        try reader.requireFilled(certificateDigest, "certificateDigest")
    }
}

extension AttemptOrder: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("term", term)
            writer.member("epoch", epoch)
            writer.member("instance", instance)
            writer.member("clusterName", clusterName)
            writer.member("action", action)
            writer.member("secrets", ifFilled: secrets)
            writer.member("rivals", ifFilled: rivals)
        }
    }

    /// Throws `UnsupportedOrder` where only the action is not understood.
    package init(from reader: inout JSONReader) throws {
        var id = ""
        var term: Int64?
        var epoch: Int64?
        var instance: InstanceID?
        var action: Action?
        var problem: JSONError?
        var clusterName = ""
        var secrets: [String: String] = [:]
        var rivals: [Peer] = []
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "term": try reader.read(&term)
            case "epoch": try reader.read(&epoch)
            case "instance": try reader.read(&instance)
            case "clusterName": try reader.read(&clusterName)
            case "action": (action, problem) = try Self.action(from: &reader)
            case "secrets": try reader.read(&secrets)
            case "rivals": try reader.read(&rivals)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        if let problem {
            throw UnsupportedOrder(
                attempt: id, term: term ?? 0, instance: instance,
                reason: "Unsupported: this agent's release cannot carry out the order (\(problem.message)); upgrade the agent")
        }
        self.init(
            id: id, term: try reader.required(term, "term"), epoch: try reader.required(epoch, "epoch"),
            instance: try reader.required(instance, "instance"), clusterName: clusterName,
            action: try reader.required(action, "action"), secrets: secrets, rivals: rivals)
    }

    /// The action, or why it is not understood; either way the reader stands behind it.
    private static func action(from reader: inout JSONReader) throws -> (Action?, JSONError?) {
        let place = reader
        do {
            return (try Action(from: &reader), nil)
        } catch let error as JSONError where error.isAboutMeaning {
            reader = place
            try reader.skip()
            return (nil, error)
        }
    }
}

extension AgentMessage: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .hello(let version, let term, let attempts, let report, let digest, let delay):
                writer.member("type", "hello" as StaticString)
                writer.member("version", version)
                writer.member("term", term)
                writer.member("attempts", ifFilled: attempts)
                writer.member("digest", digest)
                writer.member("delay", delay)
                writer.member("report", report)
            case .report(let report, let digest, let delay):
                writer.member("type", "report" as StaticString)
                writer.member("digest", digest)
                writer.member("delay", delay)
                writer.member("report", report)
            case .heartbeat(let digest, let delay):
                writer.member("type", "heartbeat" as StaticString)
                writer.member("digest", digest)
                writer.member("delay", delay)
            case .attempt(let status):
                writer.member("type", "attempt" as StaticString)
                writer.member("status", status)
            case .promised(let term):
                writer.member("type", "promised" as StaticString)
                writer.member("term", term)
            case .copyReady(let endpoint, let donor):
                writer.member("type", "copyReady" as StaticString)
                writer.member("endpoint", endpoint)
                writer.member("donor", donor)
            case .copySent(let attempt, let error):
                writer.member("type", "copySent" as StaticString)
                writer.member("attempt", attempt)
                writer.member("error", ifPresent: error)
            case .faulted(let answer):
                writer.member("type", "faulted" as StaticString)
                writer.member("answer", answer)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        let parts = try MessageParts(of: type, known: Self.types, "AgentMessage", from: &reader)
        switch type {
        case "hello":
            self = .hello(
                version: try reader.required(parts.version, "version"), term: try reader.required(parts.term, "term"),
                attempts: parts.attempts, report: try reader.required(parts.report, "report"),
                digest: try reader.required(parts.digest, "digest"), delay: try reader.required(parts.delay, "delay"))
        case "report":
            self = .report(
                try reader.required(parts.report, "report"), digest: try reader.required(parts.digest, "digest"),
                delay: try reader.required(parts.delay, "delay"))
        case "heartbeat":
            self = .heartbeat(
                digest: try reader.required(parts.digest, "digest"), delay: try reader.required(parts.delay, "delay"))
        case "attempt": self = .attempt(try reader.required(parts.status, "status"))
        case "promised": self = .promised(term: try reader.required(parts.term, "term"))
        case "copyReady":
            self = .copyReady(
                try reader.required(parts.endpoint, "endpoint"), donor: try reader.required(parts.donor, "donor"))
        case "faulted": self = .faulted(try reader.required(parts.answer, "answer"))
        default: self = .copySent(attempt: try reader.required(parts.attempt, "attempt"), error: parts.error)
        }
    }

    private static let types: Set<String> = [
        "hello", "report", "heartbeat", "attempt", "promised", "copyReady", "copySent", "faulted",
    ]
}

extension ServerMessage: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .welcome(let storeID, let term, let keys, let adopts, let epochs):
                writer.member("type", "welcome" as StaticString)
                writer.member("storeID", storeID)
                writer.member("term", term)
                writer.member("fingerprintKeys", ifFilled: keys)
                writer.member("adopts", ifFilled: adopts)
                writer.member("epochs", ifFilled: epochs)
            case .gathering: writer.member("type", "gathering" as StaticString)
            case .fingerprintKeys(let keys):
                writer.member("type", "fingerprintKeys" as StaticString)
                writer.member("fingerprintKeys", keys)
            case .notLeader(let url):
                writer.member("type", "notLeader" as StaticString)
                writer.member("url", ifPresent: url)
            case .refused(let reason):
                writer.member("type", "refused" as StaticString)
                writer.member("reason", reason)
            case .offer(let order):
                writer.member("type", "offer" as StaticString)
                writer.member("order", order)
            case .cancel(let attempt, let term):
                writer.member("type", "cancel" as StaticString)
                writer.member("attempt", attempt)
                writer.member("term", term)
            case .heartbeat(let answers):
                writer.member("type", "heartbeat" as StaticString)
                writer.member("answers", ifPresent: answers)
            case .settled(let attempt):
                writer.member("type", "settled" as StaticString)
                writer.member("attempt", attempt)
            case .sendCopy(let endpoint, let donor):
                writer.member("type", "sendCopy" as StaticString)
                writer.member("endpoint", endpoint)
                writer.member("donor", donor)
            case .copySent(let attempt, let error):
                writer.member("type", "copySent" as StaticString)
                writer.member("attempt", attempt)
                writer.member("error", ifPresent: error)
            case .observe: writer.member("type", "observe" as StaticString)
            case .rivals(let instance, let rivals):
                writer.member("type", "rivals" as StaticString)
                writer.member("instance", instance)
                writer.member("rivals", ifFilled: rivals)
            case .holdStart(let instance, let lasting):
                writer.member("type", "holdStart" as StaticString)
                writer.member("instance", instance)
                writer.member("lasting", lasting)
            case .fault(let order):
                writer.member("type", "fault" as StaticString)
                writer.member("fault", order)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        let parts = try MessageParts(of: type, known: Self.types, "ServerMessage", from: &reader)
        switch type {
        case "welcome":
            self = .welcome(
                storeID: try reader.required(parts.storeID, "storeID"), term: try reader.required(parts.term, "term"),
                fingerprintKeys: parts.fingerprintKeys, adopts: parts.adopts, epochs: parts.epochs)
        case "gathering": self = .gathering
        case "fingerprintKeys": self = .fingerprintKeys(parts.fingerprintKeys)
        case "notLeader": self = .notLeader(url: parts.url)
        case "refused": self = .refused(reason: parts.reason)
        case "offer": self = .offer(try reader.required(parts.order, "order"))
        case "cancel":
            self = .cancel(
                attempt: try reader.required(parts.attempt, "attempt"), term: try reader.required(parts.term, "term"))
        case "heartbeat": self = .heartbeat(answers: parts.answers)
        case "settled": self = .settled(attempt: try reader.required(parts.attempt, "attempt"))
        case "sendCopy":
            self = .sendCopy(
                try reader.required(parts.endpoint, "endpoint"), donor: try reader.required(parts.donor, "donor"))
        case "copySent":
            self = .copySent(attempt: try reader.required(parts.attempt, "attempt"), error: parts.error)
        case "rivals": self = .rivals(try reader.required(parts.instance, "instance"), parts.rivals)
        case "holdStart":
            self = .holdStart(try reader.required(parts.instance, "instance"), lasting: try reader.required(parts.lasting, "lasting"))
        case "fault": self = .fault(try reader.required(parts.fault, "fault"))
        default: self = .observe
        }
    }

    private static let types: Set<String> = [
        "welcome", "gathering", "fingerprintKeys", "notLeader", "refused", "offer", "cancel", "heartbeat", "settled", "sendCopy",
        "copySent", "observe", "holdStart", "fault", "rivals",
    ]
}

/// The members of all messages: one name means one thing in each of them.
private struct MessageParts {
    var version: Int?
    var term: Int64?
    var answers: Int64?
    var attempts: [AttemptStatus] = []
    var report: HostReport?
    var digest: String?
    var delay: Duration?
    var status: AttemptStatus?
    var endpoint: CopyEndpoint?
    var donor: InstanceID?
    var attempt: String?
    var error: String?
    var storeID: String?
    var fingerprintKeys: [String: String] = [:]
    var adopts: [String] = []
    var epochs: [String: Int64] = [:]
    var rivals: [Peer] = []
    var url: String?
    var reason = ""
    var order: AttemptOrder?
    var instance: InstanceID?
    var lasting: Duration?
    var fault: FaultOrder?
    var answer: FaultAnswer?

    /// Reads the members of a message of a known type; of another only the syntax, since its members may mean anything.
    init(of type: String, known: Set<String>, _ name: String, from reader: inout JSONReader) throws {
        guard known.contains(type) else {
            try reader.skip()
            throw reader.unknownCase(name, type)
        }
        try reader.object { reader, key in
            switch key {
            case "version": try reader.read(&version)
            case "term": try reader.read(&term)
            case "answers": try reader.read(&answers)
            case "attempts": try reader.read(&attempts)
            case "report": try reader.read(&report)
            case "digest": try reader.read(&digest)
            case "delay": try reader.read(&delay)
            case "status": try reader.read(&status)
            case "endpoint": try reader.read(&endpoint)
            case "donor": try reader.read(&donor)
            case "attempt": try reader.read(&attempt)
            case "error": try reader.read(&error)
            case "storeID": try reader.read(&storeID)
            case "fingerprintKeys": try reader.read(&fingerprintKeys)
            case "adopts": try reader.read(&adopts)
            case "epochs": try reader.read(&epochs)
            case "rivals": try reader.read(&rivals)
            case "url": try reader.read(&url)
            case "reason": try reader.read(&reason)
            case "order": try reader.read(&order)
            case "instance": try reader.read(&instance)
            case "lasting": try reader.read(&lasting)
            case "fault": try reader.read(&fault)
            case "answer": try reader.read(&answer)
            default: try reader.skip()
            }
        }
    }
}

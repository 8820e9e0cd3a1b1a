import FleetModel

/// What is still to be said to the server, by subject. A message is made from the machine's state when its turn comes,
/// so that the latest always replaces what was not sent yet, and the queue cannot outgrow its subjects.
struct Outbox: Sendable {
    enum Subject: Sendable, Hashable {
        case hello
        case promised
        /// A report where something changed, else a heartbeat.
        case observation
        case attempt(String)
        case copyReady(attempt: String)
        case copySent(attempt: String)
        case faulted(id: String)
    }

    private(set) var waiting: [Subject] = []
    /// Since when the transport has a message that it has not taken yet.
    var sendingSince: Instant?
    /// What of this connection the server is to answer.
    var observations = SentObservations()

    mutating func add(_ subject: Subject) {
        if !waiting.contains(subject) { waiting.append(subject) }
    }

    mutating func next() -> Subject? { waiting.isEmpty ? nil : waiting.removeFirst() }

    /// Whether it was there.
    mutating func remove(_ subject: Subject) -> Bool {
        guard let index = waiting.firstIndex(of: subject) else { return false }
        waiting.remove(at: index)
        return true
    }

    func contains(_ subject: Subject) -> Bool { waiting.contains(subject) }

    mutating func clear() { self = Outbox() }
}

/// When the hello, the reports and the heartbeats of a connection were sent, until the server says that it has taken them.
///
/// The server's word for which of them it has taken, not the moment at which that word arrives, says until when it has
/// heard this agent: a word may be long on its way, and a server that hears nothing may still be heard.
struct SentObservations: Sendable {
    /// Whether the server counts them; nil before its first heartbeat. One of an earlier release does not.
    private(set) var areCounted: Bool?
    /// How many were sent before the first of `times`.
    private var before: Int64 = 0
    private var times: [Instant] = []

    /// More than can be under way before the stream is given up; of a server that counts nothing the oldest go.
    private static let max = 256

    mutating func noteSent(at now: Instant) {
        if times.count == Self.max {
            times.removeFirst()
            before += 1
        }
        times.append(now)
    }

    /// When the last that the server has taken was sent; nil where it says nothing new. `count`: of this connection's;
    /// nil from a server that does not count, whose word is taken to be as fresh as its arrival.
    mutating func answered(_ count: Int64?, at now: Instant) -> Instant? {
        areCounted = count != nil
        guard let count else { return now }
        guard count > before, count - before <= times.count else { return nil }
        let index = Int(count - before) - 1
        let sent = times[index]
        times.removeFirst(index + 1)
        before = count
        return sent
    }
}

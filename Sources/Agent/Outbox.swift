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

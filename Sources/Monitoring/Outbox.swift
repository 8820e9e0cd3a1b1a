import FleetModel
import MetadataStore

/// The messages of all channels: in their order, one at a time for each channel, tried again as long as it makes sense.
struct Outbox: Sendable {
    private(set) var entries: [String: OutboxEntry] = [:]
    /// By channel, entries that are neither delivered nor given up, oldest first.
    private var queues: [String: [String]] = [:]
    /// By channel, the entry that is being tried.
    private var inFlight: [String: String] = [:]
    private var changes: [StoreChange] = []
    private var random: SplitMix
    /// When an alert that fires is told again, of all that were delivered or given up.
    private(set) var nextRepeat: Instant?

    /// Messages that wait in one channel. Beyond it alerts wait until there is room, which the next look finds out.
    static let queueMax = 1000
    static let retryFirst: Duration = .seconds(1)
    static let retryLimit: Duration = .seconds(300)
    /// The longest that a receiver can ask us to wait.
    static let retryAfterMax: Duration = .seconds(3600)
    static let attemptsMax = 100
    static let ageMax: Duration = .seconds(24 * 3600)
    /// Messages that were given up and are kept to be shown, all channels together.
    static let givenUpMax = 200

    init(_ stored: [OutboxEntry], random: SplitMix) {
        self.random = random
        for entry in stored.sorted(by: { ($0.created, $0.id) < ($1.created, $1.id) }) {
            entries[entry.id] = entry
            if entry.isPending { queues[entry.channel, default: []].append(entry.id) }
        }
    }

    mutating func takeChanges() -> [StoreChange] {
        defer { changes = [] }
        return changes
    }

    private mutating func put(_ entry: OutboxEntry) {
        entries[entry.id] = entry
        changes.append(.putOutbox(entry))
    }

    // MARK: Messages

    func hasRoom(_ channel: String) -> Bool { queues[channel, default: []].count < Self.queueMax }

    /// Adds a message, or sends one with this id once more.
    mutating func add(_ id: String, channel: String, payload: String, now: Instant) {
        put(OutboxEntry(id: id, channel: channel, payload: payload, created: now, nextTry: now))
        queues[channel, default: []].append(id)
    }

    mutating func remove(_ id: String) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        if entry.isPending { queues[entry.channel]?.removeAll { $0 == id } }
        if inFlight[entry.channel] == id { inFlight[entry.channel] = nil }
        changes.append(.removeOutbox(id: id))
    }

    /// Forgets all messages of channels that are no more.
    mutating func keepOnly(channels: Set<String>) {
        for entry in entries.values.sorted(by: { $0.id < $1.id }) where !channels.contains(entry.channel) { remove(entry.id) }
    }

    /// Tries what waits at once, and takes back what was given up where its alert still fires.
    mutating func tryAnew(channel: String, now: Instant, isFiring: (OutboxEntry) -> Bool) {
        for entry in entries.values.sorted(by: { $0.id < $1.id }) where entry.channel == channel {
            if entry.gaveUp != nil {
                if isFiring(entry) { remove(entry.id) }
            } else if entry.delivered == nil, inFlight[channel] != entry.id, entry.nextTry > now {
                var entry = entry
                entry.nextTry = now
                put(entry)
            }
        }
    }

    mutating func repeatAt(_ moment: Instant) { nextRepeat = min(nextRepeat ?? moment, moment) }
    mutating func clearRepeat() { nextRepeat = nil }

    // MARK: Tries

    /// The entries to be tried now: of each free channel its oldest, where its time has come.
    mutating func start(now: Instant) -> [OutboxEntry] {
        var started: [OutboxEntry] = []
        for (channel, queue) in queues.sorted(by: { $0.key < $1.key }) where inFlight[channel] == nil {
            guard let id = queue.first, let entry = entries[id], entry.nextTry <= now else { continue }
            inFlight[channel] = id
            started.append(entry)
        }
        return started
    }

    /// When the next try is due, or a repetition.
    var nextMoment: Instant? {
        let tries = queues.compactMap { channel, queue in
            inFlight[channel] == nil ? queue.first.flatMap { entries[$0]?.nextTry } : nil
        }
        return (tries + [nextRepeat].compactMap { $0 }).min()
    }

    /// True where that ends the message.
    mutating func delivered(_ id: String, now: Instant) -> Bool {
        guard var entry = finishTry(id) else { return false }
        entry.attempts += 1
        entry.delivered = now
        entry.lastError = ""
        close(entry)
        return true
    }

    mutating func failed(_ id: String, _ failure: DeliveryFailure, now: Instant) -> Bool {
        guard var entry = finishTry(id) else { return false }
        entry.attempts += 1
        switch failure {
        case .final(let message):
            entry.lastError = message
            entry.gaveUp = now
        case .transient(let message, let after):
            entry.lastError = message
            entry.nextTry = now + delay(entry.attempts, after: after)
            if entry.attempts >= Self.attemptsMax || entry.nextTry - entry.created > Self.ageMax { entry.gaveUp = now }
        }
        note(entry, now: now)
        guard entry.gaveUp != nil else {
            put(entry)
            return false
        }
        close(entry)
        return true
    }

    /// In the channel's own history: that a message is late, once, and that it was given up.
    private mutating func note(_ entry: OutboxEntry, now: Instant) {
        let hasEnded = entry.gaveUp != nil
        guard hasEnded || entry.attempts == 1 else { return }
        let rest = hasEnded ? "it is given up" : "it is tried again"
        changes.append(
            .appendEvent(
                Event(
                    time: now, unit: UnitID(.alertChannel, entry.channel), level: hasEnded ? .error : .warning,
                    reason: hasEnded ? "AlertGivenUp" : "AlertDelayed", message: "\(entry.lastError); \(rest)")))
    }

    /// An answer about a message that is not in flight (its channel is gone) is nobody's business any more.
    private mutating func finishTry(_ id: String) -> OutboxEntry? {
        guard let entry = entries[id], inFlight[entry.channel] == id else { return nil }
        inFlight[entry.channel] = nil
        return entry
    }

    private mutating func close(_ entry: OutboxEntry) {
        queues[entry.channel]?.removeAll { $0 == entry.id }
        put(entry)
    }

    /// Twice as long each time, between a half and the whole of it at random.
    private mutating func delay(_ attempts: Int, after: Duration?) -> Duration {
        let doubled = Self.retryFirst * (1 << min(attempts - 1, 20))
        let base = min(doubled, Self.retryLimit)
        let jittered = Duration.milliseconds(Int64.random(in: base.milliseconds / 2...base.milliseconds, using: &random))
        return max(jittered, min(after ?? .zero, Self.retryAfterMax))
    }

    /// Drops the oldest messages that were given up and that no alert needs, but for so many.
    mutating func trimGivenUp(isNeeded: (String) -> Bool) {
        let old = entries.values.filter { $0.gaveUp != nil && !isNeeded($0.id) }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
        for entry in old.dropLast(Self.givenUpMax) { remove(entry.id) }
    }
}

extension OutboxEntry {
    var isPending: Bool { delivered == nil && gaveUp == nil }
}

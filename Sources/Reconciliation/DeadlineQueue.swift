import FleetModel

/// Moments at which something is to be looked at, the earliest first: a binary heap. Entries are never taken back; who
/// takes one out checks whether it still means anything.
struct DeadlineQueue<Subject: Sendable>: Sendable {
    private var entries: [(at: Instant, subject: Subject)] = []

    var earliest: Instant? { entries.first?.at }

    mutating func insert(_ subject: Subject, at instant: Instant) {
        entries.append((instant, subject))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].at < entries[parent].at else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// The earliest entry, where its moment has come.
    mutating func next(at now: Instant) -> (at: Instant, subject: Subject)? {
        guard let first = entries.first, first.at <= now else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            sinkFirst()
        }
        return first
    }

    private mutating func sinkFirst() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
                if entries[child].at < entries[least].at { least = child }
            }
            if least == parent { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}

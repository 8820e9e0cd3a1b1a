import FleetModel

/// What happens next in a world: by time, and at one time in the order in which it was asked for.
struct EventQueue {
    /// What is moved about in the heap: without the action, which is counted by whoever holds it.
    private struct Entry {
        let at: Instant
        let number: UInt64
        /// The place of its action.
        let slot: Int

        func comesBefore(_ other: Entry) -> Bool { at == other.at ? number < other.number : at < other.at }
    }

    /// A heap: an element's children, at twice its place and after that, come later than it does.
    private var entries: [Entry] = []
    private var actions: [(() -> Void)?] = []
    /// Places of `actions` that are free.
    private var free: [Int] = []
    private var number: UInt64 = 0

    var isEmpty: Bool { entries.isEmpty }
    var earliest: Instant? { entries.first?.at }

    mutating func add(_ action: @escaping () -> Void, at moment: Instant) {
        number += 1
        let slot = free.popLast() ?? actions.count
        if slot == actions.count { actions.append(action) } else { actions[slot] = action }
        let entry = Entry(at: moment, number: number, slot: slot)
        entries.append(entry)
        var place = entries.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard entry.comesBefore(entries[parent]) else { break }
            entries.swapAt(place, parent)
            place = parent
        }
    }

    /// Takes the first out, where its time has come by `end`.
    mutating func next(until end: Instant) -> (at: Instant, action: () -> Void)? {
        guard let first = entries.first, first.at <= end, let action = actions[first.slot] else { return nil }
        actions[first.slot] = nil
        free.append(first.slot)
        let last = entries.removeLast()
        guard !entries.isEmpty else { return (first.at, action) }
        entries[0] = last
        var place = 0
        while true {
            let left = 2 * place + 1
            guard left < entries.count else { break }
            let right = left + 1
            let child = right < entries.count && entries[right].comesBefore(entries[left]) ? right : left
            guard entries[child].comesBefore(last) else { break }
            entries.swapAt(place, child)
            place = child
        }
        return (first.at, action)
    }
}

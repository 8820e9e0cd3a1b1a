import FleetModel

/// What happens next in a world: by time, and at one time in the order in which it was asked for.
struct EventQueue {
    struct Event {
        let at: Instant
        fileprivate let number: UInt64
        let action: () -> Void

        fileprivate func comesBefore(_ other: Event) -> Bool {
            at == other.at ? number < other.number : at < other.at
        }
    }

    /// A heap: an element's children, at twice its place and after that, come later than it does.
    private var events: [Event] = []
    private var number: UInt64 = 0

    var isEmpty: Bool { events.isEmpty }
    var earliest: Instant? { events.first?.at }

    mutating func add(_ action: @escaping () -> Void, at moment: Instant) {
        number += 1
        let event = Event(at: moment, number: number, action: action)
        events.append(event)
        var place = events.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard event.comesBefore(events[parent]) else { break }
            events.swapAt(place, parent)
            place = parent
        }
    }

    /// Takes the first out, where its time has come by `end`.
    mutating func next(until end: Instant) -> Event? {
        guard let first = events.first, first.at <= end, let last = events.popLast() else { return nil }
        guard !events.isEmpty else { return first }
        events[0] = last
        var place = 0
        while true {
            let left = 2 * place + 1
            guard left < events.count else { return first }
            let right = left + 1
            let child = right < events.count && events[right].comesBefore(events[left]) ? right : left
            guard events[child].comesBefore(last) else { return first }
            events.swapAt(place, child)
            place = child
        }
    }
}

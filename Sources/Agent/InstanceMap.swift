import FleetModel

/// What is known of each instance of a host, sorted by id. They are few, and walked at every event.
struct InstanceMap<Value: Sendable>: Sendable, Sequence {
    private(set) var keys: [InstanceID] = []
    /// One for each key; nil only while it is changed.
    private var slots: [Value?] = []

    var isEmpty: Bool { keys.isEmpty }
    var values: [Value] { slots.compactMap(\.self) }

    subscript(key: InstanceID) -> Value? {
        get {
            let (place, isThere) = place(of: key)
            return isThere ? slots[place] : nil
        }
        _modify {
            let (place, isThere) = place(of: key)
            if !isThere {
                keys.insert(key, at: place)
                slots.insert(nil, at: place)
            }
            defer {
                if slots[place] == nil {
                    keys.remove(at: place)
                    slots.remove(at: place)
                }
            }
            yield &slots[place]
        }
    }

    /// Where a key is, or belongs.
    private func place(of key: InstanceID) -> (place: Int, isThere: Bool) {
        var (first, end) = (0, keys.count)
        while first < end {
            let middle = (first + end) / 2
            if keys[middle] == key { return (middle, true) }
            if keys[middle] < key { first = middle + 1 } else { end = middle }
        }
        return (first, false)
    }

    struct Iterator: IteratorProtocol {
        fileprivate let keys: [InstanceID]
        fileprivate let slots: [Value?]
        fileprivate var place = 0

        mutating func next() -> (key: InstanceID, value: Value)? {
            while place < keys.count {
                defer { place += 1 }
                if let value = slots[place] { return (keys[place], value) }
            }
            return nil
        }
    }

    func makeIterator() -> Iterator { Iterator(keys: keys, slots: slots) }
}

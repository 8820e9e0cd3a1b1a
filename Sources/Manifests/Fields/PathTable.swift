import FleetModel
import Synchronization

/// Field paths by parent and field, so that a document's paths are found without building their text.
struct PathTable: Sendable {
    private(set) var names = FieldPaths()
    /// By parent: its fields, which are a few dozen at most, and its items in their order.
    private var fields: [[Child]] = []
    private var items: [[UInt32]] = []
    private var keyed: [KeyedChild: UInt32] = [:]
    /// By number: how each path was made, for `rebased`.
    private var origins: [Origin] = []

    private struct Child {
        var token: UInt32
        var number: UInt32
    }

    private struct KeyedChild: Hashable {
        var parent: UInt32
        var key: String
    }

    private enum Origin {
        case root
        case field(parent: UInt32, token: UInt32, name: String)
        case item(parent: UInt32, index: Int)
        case key(parent: UInt32, key: String)
    }

    /// The path of a whole document.
    static let root: UInt32 = 0

    init() {
        _ = names.intern("")
        origins.append(.root)
    }

    /// A field's path. `token` is the field's own, over all tables (`FieldToken`).
    mutating func field(_ parent: UInt32, token: UInt32, name: String) -> UInt32 {
        let parentIndex = Int(parent)
        if parentIndex < fields.count {
            for child in fields[parentIndex] where child.token == token { return child.number }
        } else {
            fields += Array(repeating: [], count: parentIndex + 1 - fields.count)
        }
        let made = make(extended(parent, name), .field(parent: parent, token: token, name: name))
        fields[parentIndex].append(Child(token: token, number: made))
        return made
    }

    /// The path of a list's item, from 0.
    mutating func item(_ parent: UInt32, _ index: Int) -> UInt32 {
        let parentIndex = Int(parent)
        if parentIndex >= items.count { items += Array(repeating: [], count: parentIndex + 1 - items.count) }
        // Items are asked for from the first on, so that the list has no gaps.
        for missing in items[parentIndex].count..<max(items[parentIndex].count, index + 1) {
            let made = make(names.names[parentIndex] + "[\(missing)]", .item(parent: parent, index: missing))
            items[parentIndex].append(made)
        }
        return items[parentIndex][index]
    }

    /// The path of a map's entry.
    mutating func key(_ parent: UInt32, _ key: String) -> UInt32 {
        let child = KeyedChild(parent: parent, key: key)
        if let known = keyed[child] { return known }
        let made = make(extended(parent, key), .key(parent: parent, key: key))
        keyed[child] = made
        return made
    }

    /// The path of a map's entry where a document had one of that name before: then the name is known to be good.
    func known(_ parent: UInt32, _ key: String) -> UInt32? { keyed[KeyedChild(parent: parent, key: key)] }

    /// The same path below another root: `spec.placement[2].zone` from `[2]` to `[0]`.
    mutating func rebased(_ path: UInt32, from: UInt32, to: UInt32) -> UInt32 {
        if path == from { return to }
        switch origins[Int(path)] {
        case .root:
            return path
        case .field(let parent, let token, let name):
            return field(rebased(parent, from: from, to: to), token: token, name: name)
        case .item(let parent, let index):
            return item(rebased(parent, from: from, to: to), index)
        case .key(let parent, let text):
            return key(rebased(parent, from: from, to: to), text)
        }
    }

    var count: Int { origins.count }

    /// Takes in the paths of another table that began as a copy of this one, up to `known`. Answers its further paths'
    /// numbers here, in its order.
    mutating func adopt(_ other: PathTable, known: Int) -> [UInt32] {
        var numbers: [UInt32] = []
        // A parent is always numbered before what is below it.
        func ours(_ number: UInt32) -> UInt32 { Int(number) < known ? number : numbers[Int(number) - known] }
        for origin in other.origins.dropFirst(known) {
            switch origin {
            case .root: numbers.append(PathTable.root)
            case .field(let parent, let token, let name): numbers.append(field(ours(parent), token: token, name: name))
            case .item(let parent, let index): numbers.append(item(ours(parent), index))
            case .key(let parent, let text): numbers.append(key(ours(parent), text))
            }
        }
        return numbers
    }

    func name(_ path: UInt32) -> String { names.names[Int(path)] }

    private func extended(_ parent: UInt32, _ name: String) -> String {
        parent == PathTable.root ? name : names.names[Int(parent)] + "." + name
    }

    private mutating func make(_ name: String, _ origin: Origin) -> UInt32 {
        let number = names.intern(name)
        // Two ways to one text (a label `a.b` and a field) share a number; the first origin stays.
        if Int(number) == origins.count { origins.append(origin) }
        return number
    }
}

/// A number for each field of each table.
enum FieldToken {
    private static let last = Atomic<UInt32>(0)

    static func next() -> UInt32 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

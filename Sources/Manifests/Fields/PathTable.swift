import FleetModel
import Synchronization

/// Field paths by parent and field, so that a document's paths are found without building their text.
struct PathTable: Sendable {
    private(set) var names = FieldPaths()
    private var children: [UInt64: UInt32] = [:]
    private var keyed: [KeyedChild: UInt32] = [:]
    /// By number: how each path was made, for `rebased`.
    private var origins: [Origin] = []

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
        let key = UInt64(parent) << 32 | UInt64(token)
        if let known = children[key] { return known }
        let made = make(extended(parent, name), .field(parent: parent, token: token, name: name))
        children[key] = made
        return made
    }

    /// The path of a list's item, from 0.
    mutating func item(_ parent: UInt32, _ index: Int) -> UInt32 {
        let key = UInt64(parent) << 32 | UInt64(PathTable.itemBit | UInt32(truncatingIfNeeded: index))
        if let known = children[key] { return known }
        let made = make(names.names[Int(parent)] + "[\(index)]", .item(parent: parent, index: index))
        children[key] = made
        return made
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

    private static let itemBit: UInt32 = 1 << 31
}

/// A number for each field of each table.
enum FieldToken {
    private static let last = Atomic<UInt32>(0)

    static func next() -> UInt32 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

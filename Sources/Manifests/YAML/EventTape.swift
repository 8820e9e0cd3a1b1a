/// One YAML document as a flat array of nodes in document order, each with its place: what libyaml's events said, with
/// no object a node. One tape serves all documents of a run, so a document costs no allocation once the tape has grown.
struct EventTape {
    enum Kind: UInt8 { case scalar, mapping, sequence, alias }

    struct Node {
        var kind: Kind
        /// A plain scalar, so that `3306` and `true` can be told from their quoted forms.
        var isPlain: Bool
        /// Written on its own lines below its key rather than beside it.
        var isBlock: Bool
        /// From 1; a column counts Unicode scalars.
        var line: UInt32
        var column: UInt32
        /// Scalars: where the text begins in `text`. Aliases: the node that the alias names.
        var start: UInt32
        /// Scalars: bytes of text.
        var length: UInt32
        /// The number of the node after this one and all that is in it.
        var end: UInt32
    }

    private(set) var nodes: [Node] = []
    private(set) var text: [UInt8] = []
    /// Where tags (`!!str`) stand; no manifest has any.
    private(set) var tags: [(line: UInt32, column: UInt32)] = []
    /// Collections that have begun and not ended, the outermost first.
    private var open: [OpenCollection] = []
    private var anchors: [Anchor] = []
    /// Nodes that the aliases so far stand for.
    private var aliased = 0

    private struct OpenCollection {
        var node: Int
        /// How many nodes it is with every alias in it written out.
        var expanded: Int
        /// Its place in `anchors`, or -1.
        var anchor: Int
    }

    private struct Anchor {
        var name: String
        var node: Int
        /// Nodes with every alias written out; 0 while the collection is still open.
        var expanded: Int
    }

    /// Deeper documents are refused. The deepest field of ours is at level 6.
    static let depthMax = 64
    /// Documents with more nodes are refused.
    static let nodesMax = 100_000
    /// Documents whose aliases, written out, would add more nodes are refused: a few lines of aliases of aliases stand
    /// for more than any memory holds.
    static let aliasedMax = 10_000

    mutating func reset() {
        nodes.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
        open.removeAll(keepingCapacity: true)
        anchors.removeAll(keepingCapacity: true)
        tags.removeAll(keepingCapacity: true)
        aliased = 0
    }

    mutating func addTag(line: UInt32, column: UInt32) { tags.append((line, column)) }

    /// The node itself, or the one that it is an alias of.
    func resolved(_ node: Int) -> Int {
        nodes[node].kind == .alias ? Int(nodes[node].start) : node
    }

    func string(_ node: Int) -> String {
        let scalar = nodes[node]
        return text.withUnsafeBufferPointer { bytes in
            String(decoding: bytes[Int(scalar.start)..<Int(scalar.start + scalar.length)], as: UTF8.self)
        }
    }

    /// Whether a scalar's text is these bytes.
    func equals(_ node: Int, _ bytes: [UInt8]) -> Bool {
        let scalar = nodes[node]
        guard Int(scalar.length) == bytes.count else { return false }
        let start = Int(scalar.start)
        for index in bytes.indices where text[start + index] != bytes[index] { return false }
        return true
    }

    /// A plain scalar that says that there is no value: nothing at all, `~` or `null`.
    func isNull(_ node: Int) -> Bool {
        let scalar = nodes[node]
        guard scalar.kind == .scalar, scalar.isPlain else { return false }
        switch scalar.length {
        case 0: return true
        case 1: return equals(node, EventTape.tilde)
        case 4: return equals(node, EventTape.null)
        default: return false
        }
    }

    private static let tilde = Array("~".utf8)
    private static let null = Array("null".utf8)
}

// MARK: Building

/// Why a document cannot be put on the tape.
enum TapeRefusal: Error { case tooDeep, tooLarge, aliasTooLarge, aliasUnknown(String), aliasOfItself(String) }

extension EventTape {
    mutating func addScalar(
        _ bytes: UnsafeBufferPointer<UInt8>, isPlain: Bool, isBlock: Bool, line: UInt32, column: UInt32, anchor: String?
    ) throws(TapeRefusal) {
        let start = UInt32(text.count)
        text.append(contentsOf: bytes)
        let number = nodes.count
        nodes.append(
            Node(
                kind: .scalar, isPlain: isPlain, isBlock: isBlock, line: line, column: column, start: start,
                length: UInt32(bytes.count), end: UInt32(number + 1)))
        if let anchor { anchors.append(Anchor(name: anchor, node: number, expanded: 1)) }
        try count(1)
    }

    mutating func begin(
        _ kind: Kind, isBlock: Bool, line: UInt32, column: UInt32, anchor: String?
    ) throws(TapeRefusal) {
        guard open.count < EventTape.depthMax else { throw .tooDeep }
        let number = nodes.count
        nodes.append(
            Node(
                kind: kind, isPlain: false, isBlock: isBlock, line: line, column: column, start: 0, length: 0,
                end: UInt32(number + 1)))
        try count(1)
        if let anchor { anchors.append(Anchor(name: anchor, node: number, expanded: 0)) }
        open.append(OpenCollection(node: number, expanded: 1, anchor: anchor == nil ? -1 : anchors.count - 1))
    }

    mutating func end() {
        guard let closed = open.popLast() else { return }
        nodes[closed.node].end = UInt32(nodes.count)
        if closed.anchor >= 0 { anchors[closed.anchor].expanded = closed.expanded }
        if !open.isEmpty { open[open.count - 1].expanded += closed.expanded - 1 }
    }

    mutating func addAlias(_ name: String, line: UInt32, column: UInt32) throws(TapeRefusal) {
        guard let anchor = anchors.last(where: { $0.name == name }) else { throw .aliasUnknown(name) }
        guard anchor.expanded > 0 else { throw .aliasOfItself(name) }
        nodes.append(
            Node(
                kind: .alias, isPlain: false, isBlock: false, line: line, column: column, start: UInt32(anchor.node),
                length: 0, end: UInt32(nodes.count + 1)))
        aliased += anchor.expanded
        guard aliased <= EventTape.aliasedMax else { throw .aliasTooLarge }
        try count(anchor.expanded)
    }

    /// Adds to the innermost open collection, which passes on to those around it what it is when it ends.
    private mutating func count(_ expanded: Int) throws(TapeRefusal) {
        guard nodes.count <= EventTape.nodesMax else { throw .tooLarge }
        if !open.isEmpty { open[open.count - 1].expanded += expanded }
    }
}

// Shapes of values that hold others.

extension Shape {
    /// A mapping of its own, read into a blank value. It comes back also where a field of it is wrong.
    static func object(_ table: Table<Value>, blank: @escaping @Sendable () -> Value) -> Shape {
        Shape(
            description: .object(table.description),
            read: { decoder, node, path in
                var value = blank()
                table.read(&decoder, node, path, &value)
                return value
            },
            write: { value, text in text.mapping { table.write(value, &$0) } })
    }

    /// A list in the order of the document.
    static func list<Element>(of item: Shape<Element>, countMin: Int = 0) -> Shape where Value == [Element] {
        list(of: item, countMin: countMin, key: nil)
    }

    /// A list of things with a key, each key once, sorted by key.
    static func list<Element>(
        of item: Shape<Element>, countMin: Int = 0, sortedBy key: @escaping @Sendable (Element) -> String
    ) -> Shape where Value == [Element] {
        list(of: item, countMin: countMin, key: key)
    }

    private static func list<Element>(
        of item: Shape<Element>, countMin: Int, key: (@Sendable (Element) -> String)?
    ) -> Shape where Value == [Element] {
        Shape(
            description: .list(item.description, countMin: countMin),
            read: { decoder, node, path in
                guard decoder.expectList(node, path, countMin: countMin) else { return nil }
                let read = decoder.readItems(node, path, item)
                guard let key else { return read.values }
                return decoder.sorted(read, path, key)
            },
            write: { values, text in text.list(values, item.write) })
    }

    /// A mapping from names to values. `key` gives the name as the model keeps it, or says what is wrong with it.
    static func map<Element>(
        of item: Shape<Element>, keyPattern: String?, key: @escaping @Sendable (String) throws(ScalarProblem) -> String
    ) -> Shape where Value == [String: Element] {
        Shape(
            description: .map(item.description, keyPattern: keyPattern),
            read: { decoder, node, path in decoder.readMap(node, path, item, key) },
            write: { values, text in
                text.mapping { text in
                    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                        text.key(name)
                        item.write(value, &text)
                    }
                }
            })
    }
}

extension Decoder {
    /// The items of a list that are valid, and for each the node and the places noted within it.
    struct ReadItems<Element> {
        var values: [Element] = []
        var nodes: [Int] = []
        var places: [Range<Int>] = []
        var isWhole = true
    }

    fileprivate mutating func expectList(_ node: Int, _ path: UInt32, countMin: Int) -> Bool {
        if tape.isNull(node), countMin == 0 { return true }
        guard tape.nodes[node].kind == .sequence else {
            error(at: node, "`\(shownName(path))` must be a list, not \(article(node))", help: "begin each item with `- `")
            return false
        }
        if countMin > 0, tape.nodes[node].end == UInt32(node + 1) {
            error(at: node, "`\(shownName(path))` must have at least \(countMin == 1 ? "one item" : "\(countMin) items")")
            return false
        }
        return true
    }

    fileprivate mutating func readItems<Element>(
        _ node: Int, _ path: UInt32, _ item: Shape<Element>
    ) -> ReadItems<Element> {
        var read = ReadItems<Element>()
        var child = node + 1
        var index = 0
        while child < Int(tape.nodes[node].end) {
            let value = tape.resolved(child)
            let itemPath = paths.item(path, index)
            let first = placesNoted
            note(itemPath, item: value)
            if let element = item.read(&self, value, itemPath) {
                read.values.append(element)
                read.nodes.append(child)
                read.places.append(first..<placesNoted)
            } else {
                read.isWhole = false
            }
            index += 1
            child = Int(tape.nodes[child].end)
        }
        return read
    }

    /// Whether each key is above the one before it.
    private func isSorted<Element>(_ values: [Element], _ key: (Element) -> String) -> Bool {
        guard values.count > 1 else { return true }
        var last = key(values[0])
        for value in values.dropFirst() {
            let next = key(value)
            guard last < next else { return false }
            last = next
        }
        return true
    }

    fileprivate mutating func sorted<Element>(
        _ read: ReadItems<Element>, _ path: UInt32, _ key: (Element) -> String
    ) -> [Element] {
        guard !isSorted(read.values, key) else { return read.values }
        let keys = read.values.map(key)
        var firsts: [String: Int] = [:]
        for (index, key) in keys.enumerated() where !key.isEmpty {
            guard let first = firsts.updateValue(index, forKey: key) else { continue }
            firsts[key] = first
            let line = tape.nodes[read.nodes[first]].line
            error(
                at: read.nodes[index], "`\(shownName(path))` has `\(Decoder.shortened(key))` twice",
                help: "the first is at line \(line); remove one of the two, or put them together")
        }
        let byKey = keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
        if read.isWhole {
            var order = Array(repeating: 0, count: byKey.count)
            for (place, index) in byKey.enumerated() { order[index] = place }
            reorder(list: path, ranges: read.places, order: order)
        }
        return byKey.map { read.values[$0] }
    }

    fileprivate mutating func readMap<Element>(
        _ node: Int, _ path: UInt32, _ item: Shape<Element>, _ key: (String) throws(ScalarProblem) -> String
    ) -> [String: Element]? {
        if tape.isNull(node) { return [:] }
        guard tape.nodes[node].kind == .mapping else {
            error(
                at: node, "`\(shownName(path))` must be a mapping, not \(article(node))", help: "write `name: value`")
            return nil
        }
        let pairs = pushPairs(node)
        var values = [String: Element](minimumCapacity: pairs.count)
        for index in pairs {
            let pair = pair(index)
            guard let (name, child) = entry(pair.key, path, key) else { continue }
            guard values[name] == nil else {
                if pair.isMerged { continue }
                error(at: pair.key, "`\(Decoder.shortened(name))` is given twice", help: "remove one of the two")
                continue
            }
            note(child, key: pair.key, value: pair.value)
            if let value = item.read(&self, pair.value, child) { values[name] = value }
        }
        popPairs(pairs)
        return values
    }

    /// The name of a map's entry as the model keeps it, and its path; nil where it is not valid.
    private mutating func entry(
        _ node: Int, _ path: UInt32, _ key: (String) throws(ScalarProblem) -> String
    ) -> (name: String, path: UInt32)? {
        let written = tape.string(node)
        if let known = paths.known(path, written) { return (written, known) }
        do throws(ScalarProblem) {
            let name = try key(written)
            return (name, paths.key(path, name))
        } catch {
            self.error(at: node, error.message, help: error.help)
            return nil
        }
    }
}

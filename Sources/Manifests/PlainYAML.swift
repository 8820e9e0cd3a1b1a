import CYAML
import JSONStream

/// A small YAML file that is no manifest (the server's configuration) as JSON text, for readers made for JSON.
///
/// One document of mappings, sequences and scalars; every scalar becomes text, because its field knows its type. Not
/// taken: anchors, aliases, tags, more than one document, and more than `depthMax` levels.
package enum PlainYAML {
    package static let bytesMax = 1 << 20
    package static let depthMax = 32

    /// `file`: the name that errors begin with.
    package static func json(of bytes: [UInt8], file: String) throws(PlainYAMLError) -> String {
        guard bytes.count <= bytesMax else { throw PlainYAMLError(description: "\(file): larger than \(bytesMax) bytes") }
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else { throw PlainYAMLError(description: "\(file): out of memory") }
        defer { yaml_parser_delete(&parser) }
        let text: Result<String, PlainYAMLError> = bytes.withUnsafeBufferPointer { buffer in
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
            var composer = Composer(file: file)
            do throws(PlainYAMLError) {
                while !composer.isDone { try composer.take(from: &parser) }
                return .success(composer.text.isEmpty ? "{}" : composer.text)
            } catch {
                return .failure(error)
            }
        }
        return try text.get()
    }

    /// Turns events into JSON as they come.
    private struct Composer {
        private enum Level {
            case sequence(isFirst: Bool)
            /// `wantsKey`: the next scalar is a key.
            case mapping(isFirst: Bool, wantsKey: Bool, keys: Set<String>)
        }

        let file: String
        var text = ""
        var isDone = false
        private var levels: [Level] = []
        private var documents = 0

        init(file: String) { self.file = file }

        mutating func take(from parser: inout yaml_parser_t) throws(PlainYAMLError) {
            var event = yaml_event_t()
            guard yaml_parser_parse(&parser, &event) == 1 else {
                let why = parser.problem.map { String(cString: $0) } ?? "not YAML"
                throw error(why, parser.problem_mark)
            }
            defer { yaml_event_delete(&event) }
            try take(event)
        }

        private mutating func take(_ event: yaml_event_t) throws(PlainYAMLError) {
            switch event.type {
            case YAML_STREAM_END_EVENT: isDone = true
            case YAML_DOCUMENT_START_EVENT:
                documents += 1
                if documents > 1 { throw error("one document is wanted here", event.start_mark) }
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                let value = String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
                let isNull = scalar.style == YAML_PLAIN_SCALAR_STYLE && (value.isEmpty || value == "~" || value == "null")
                try add(value, isNull: isNull, event.start_mark)
            case YAML_SEQUENCE_START_EVENT:
                try open("[", .sequence(isFirst: true), event.start_mark)
            case YAML_MAPPING_START_EVENT:
                try open("{", .mapping(isFirst: true, wantsKey: true, keys: []), event.start_mark)
            case YAML_SEQUENCE_END_EVENT: close("]")
            case YAML_MAPPING_END_EVENT: close("}")
            case YAML_ALIAS_EVENT: throw error("aliases are not taken here", event.start_mark)
            default: break
            }
        }

        private mutating func add(_ value: String, isNull: Bool, _ mark: yaml_mark_t) throws(PlainYAMLError) {
            if case .mapping(let isFirst, true, var keys) = levels.last {
                guard keys.insert(value).inserted else { throw error("\"\(value)\" is here twice", mark) }
                text += (isFirst ? "" : ",") + value.jsonText + ":"
                levels[levels.count - 1] = .mapping(isFirst: false, wantsKey: false, keys: keys)
                return
            }
            beginValue()
            text += isNull ? "null" : value.jsonText
            endValue()
        }

        private mutating func open(_ mark: String, _ level: Level, _ place: yaml_mark_t) throws(PlainYAMLError) {
            if case .mapping(_, true, _) = levels.last { throw error("a key is a word, not a list or a mapping", place) }
            guard levels.count < depthMax else { throw error("nested deeper than \(depthMax) levels", place) }
            beginValue()
            text += mark
            levels.append(level)
        }

        private mutating func close(_ mark: String) {
            text += mark
            levels.removeLast()
            endValue()
        }

        private mutating func beginValue() {
            guard case .sequence(let isFirst) = levels.last else { return }
            if !isFirst { text += "," }
            levels[levels.count - 1] = .sequence(isFirst: false)
        }

        private mutating func endValue() {
            guard case .mapping(let isFirst, false, let keys) = levels.last else { return }
            levels[levels.count - 1] = .mapping(isFirst: isFirst, wantsKey: true, keys: keys)
        }

        private func error(_ message: String, _ mark: yaml_mark_t) -> PlainYAMLError {
            PlainYAMLError(description: "\(file):\(mark.line + 1):\(mark.column + 1): error: \(message)")
        }
    }
}

/// What is wrong with a file, beginning with its name and place.
package struct PlainYAMLError: Error, CustomStringConvertible {
    package var description: String
}

import CYAML

/// What is wrong with a file as YAML. Lines and columns count from 1.
struct YAMLProblem: Error {
    var line: Int
    var column: Int
    var message: String
    var help: String
}

/// The documents of a file, one after the other, from libyaml's events. Owns the C parser.
struct DocumentStream: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// Lines before the part of the file that is read.
    private let lineOffset: Int

    /// `bytes` must stay where they are until the stream is gone. Nil: out of memory.
    init?(_ bytes: UnsafeBufferPointer<UInt8>, lineOffset: Int = 0) {
        parser = .allocate(capacity: 1)
        self.lineOffset = lineOffset
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            return nil
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// Puts the next document on the tape. False: there is none. After an error the stream is of no more use.
    mutating func next(into tape: inout EventTape) throws(YAMLProblem) -> Bool {
        tape.reset()
        var event = yaml_event_t()
        while true {
            guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
            let type = event.type
            do throws(TapeRefusal) {
                try add(event, to: &tape)
            } catch {
                let mark = event.start_mark
                yaml_event_delete(&event)
                throw problem(error, at: mark)
            }
            yaml_event_delete(&event)
            if type == YAML_DOCUMENT_END_EVENT { return true }
            if type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT { return false }
        }
    }

    private func add(_ event: yaml_event_t, to tape: inout EventTape) throws(TapeRefusal) {
        let line = UInt32(truncatingIfNeeded: event.start_mark.line + 1 + lineOffset)
        let column = UInt32(truncatingIfNeeded: event.start_mark.column + 1)
        if hasTag(event) { tape.addTag(line: line, column: column) }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let style = scalar.style
            try tape.addScalar(
                UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                isPlain: style == YAML_PLAIN_SCALAR_STYLE,
                isBlock: style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE,
                line: line, column: column, anchor: name(scalar.anchor))
        case YAML_MAPPING_START_EVENT:
            let mapping = event.data.mapping_start
            try tape.begin(
                .mapping, isBlock: mapping.style == YAML_BLOCK_MAPPING_STYLE, line: line, column: column,
                anchor: name(mapping.anchor))
        case YAML_SEQUENCE_START_EVENT:
            let sequence = event.data.sequence_start
            try tape.begin(
                .sequence, isBlock: sequence.style == YAML_BLOCK_SEQUENCE_STYLE, line: line, column: column,
                anchor: name(sequence.anchor))
        case YAML_MAPPING_END_EVENT, YAML_SEQUENCE_END_EVENT:
            tape.end()
        case YAML_ALIAS_EVENT:
            try tape.addAlias(name(event.data.alias.anchor) ?? "", line: line, column: column)
        default:
            break
        }
    }

    private func name(_ anchor: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        anchor.map { String(cString: $0) }
    }

    private func hasTag(_ event: yaml_event_t) -> Bool {
        switch event.type {
        case YAML_SCALAR_EVENT: event.data.scalar.tag != nil
        case YAML_MAPPING_START_EVENT: event.data.mapping_start.tag != nil
        case YAML_SEQUENCE_START_EVENT: event.data.sequence_start.tag != nil
        default: false
        }
    }
}

// MARK: Problems

extension DocumentStream {
    private func place(_ mark: yaml_mark_t) -> (line: Int, column: Int) {
        (Int(mark.line) + 1 + lineOffset, Int(mark.column) + 1)
    }

    private func problem(_ refusal: TapeRefusal, at mark: yaml_mark_t) -> YAMLProblem {
        let place = place(mark)
        let (message, help) =
            switch refusal {
            case .tooDeep:
                ("nested deeper than \(EventTape.depthMax) levels", "no field of a manifest is nested so deep")
            case .tooLarge:
                ("the document has more than \(EventTape.nodesMax) values", "split it into several documents")
            case .aliasTooLarge:
                (
                    "the aliases of the document stand for more than \(EventTape.aliasedMax) values",
                    "write the values out where they are needed"
                )
            case .aliasUnknown(let name):
                (
                    "the alias `*\(name)` names no anchor of this document",
                    "an anchor `&\(name)` must stand before its alias, in the same document"
                )
            case .aliasOfItself(let name):
                ("the alias `*\(name)` is inside of what it stands for", "a value cannot contain itself")
            }
        return YAMLProblem(line: place.line, column: place.column, message: message, help: help)
    }

    /// libyaml's error of this moment, in words for people who write manifests.
    private func problem() -> YAMLProblem {
        let error = parser.pointee
        guard error.error != YAML_READER_ERROR else { return readerProblem(error) }
        guard error.error != YAML_MEMORY_ERROR, let text = error.problem else {
            return YAMLProblem(line: 1 + lineOffset, column: 1, message: "out of memory while reading YAML", help: "")
        }
        let place = place(error.problem_mark)
        let words = String(cString: text)
        let context = error.context.map { context in
            // libyaml leaves the mark of some contexts at zero; a context without a place says nothing.
            error.context_mark.line == 0 && error.context_mark.column == 0
                ? "" : ", \(String(cString: context)) that begins at line \(Int(error.context_mark.line) + 1 + lineOffset)"
        }
        return YAMLProblem(
            line: place.line, column: place.column, message: "not valid YAML: " + words + (context ?? ""),
            help: DocumentStream.help[words] ?? "")
    }

    /// The place is a byte offset, which `FileLines` turns into a line and a column.
    private func readerProblem(_ error: yaml_parser_t) -> YAMLProblem {
        let words = error.problem.map { String(cString: $0) } ?? "unreadable"
        let isControl = words.hasPrefix("control characters")
        return YAMLProblem(
            line: YAMLProblem.atByteOffset, column: Int(error.problem_offset),
            message: isControl ? "a control character is not allowed here" : "not UTF-8: \(words)",
            help: isControl ? "remove it, or write it as an escape in double quotes" : "save the file as UTF-8")
    }

    private static let help = [
        "found character that cannot start any token": "quote the value if it begins with a special character",
        "mapping values are not allowed in this context":
            "put each field on a line of its own, indent it like its neighbours, and quote a value that holds `: `",
        "did not find expected key": "indent the fields of one mapping alike",
        "did not find expected '-' indicator": "indent the items of one list alike",
        "could not find expected ':'": "write a field as `name: value`",
        "found unexpected end of stream": "close the quote",
        "found unexpected document indicator": "close the quote before the next document",
        "did not find expected ',' or '}'": "close the brace, and put a comma between two fields",
        "did not find expected ',' or ']'": "close the bracket, and put a comma between two items",
        "found a tab character that violates indentation": "indent with spaces",
    ]
}

extension YAMLProblem {
    /// In place of a line: `column` is an offset into the bytes that were read.
    static let atByteOffset = -1
}

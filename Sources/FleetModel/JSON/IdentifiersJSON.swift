package import JSONStream

extension Kind: JSONNamedCase {}
extension UnitID: JSONTextForm {}

/// `<uid>-<ordinal>`.
extension InstanceID: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(description) }

    package init(from reader: inout JSONReader) throws {
        let text = try reader.string()
        guard let id = InstanceID(bytes: text) else { throw reader.mismatch("\"\(text.prefix(64))\" is no instance") }
        self = id
    }

    /// As `init(_:)`, without looking for characters: snapshots hold hundreds of thousands.
    package init?(bytes text: String) {
        let utf8 = text.utf8
        guard let dash = utf8.lastIndex(of: UInt8(ascii: "-")), let ordinal = Int(text[utf8.index(after: dash)...]), ordinal > 0
        else { return nil }
        self.init(clusterUID: String(text[..<dash]), ordinal: ordinal)
    }
}

/// Milliseconds since 1970.
extension Instant: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(milliseconds) }
    package init(from reader: inout JSONReader) throws { self.init(milliseconds: try reader.int64()) }
}

extension Revision: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("commit", commit)
            writer.member("subject", subject)
            writer.member("author", author)
            writer.member("time", time)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(commit: "")
        try reader.object { reader, key in
            switch key {
            case "commit": try reader.read(&commit)
            case "subject": try reader.read(&subject)
            case "author": try reader.read(&author)
            case "time": try reader.read(&time)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(commit, "commit")
    }
}

extension SourcePosition: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("file", file)
            writer.member("line", line)
            writer.member("column", column)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(file: "", line: 1, column: 1)
        try reader.object { reader, key in
            switch key {
            case "file": try reader.read(&file)
            case "line": try reader.read(&line)
            case "column": try reader.read(&column)
            default: try reader.skip()
            }
        }
    }
}

/// As MariaDB writes it: `0-1-500,7-3-12`.
extension GTIDSet: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(description) }

    package init(from reader: inout JSONReader) throws {
        let text = try reader.string()
        // One domain without spaces is nearly every position there is.
        if let single = GTIDSet(single: text) {
            self = single
        } else if let value = GTIDSet(text) {
            self = value
        } else {
            throw reader.mismatch("\"\(text.prefix(64))\" is no GTID position")
        }
    }

    private init?(single text: String) {
        var numbers: (Int64, Int64, Int64) = (0, 0, 0)
        var part = 0
        var digits = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "-"), digits > 0, part < 2 {
                (part, digits) = (part + 1, 0)
                continue
            }
            // 18 digits always fit.
            guard byte >= 0x30, byte <= 0x39, digits < 18 else { return nil }
            let digit = Int64(byte - 0x30)
            digits += 1
            switch part {
            case 0: numbers.0 = numbers.0 * 10 + digit
            case 1: numbers.1 = numbers.1 * 10 + digit
            default: numbers.2 = numbers.2 * 10 + digit
            }
        }
        guard part == 2, digits > 0 else { return nil }
        self.init(domains: [numbers.0: Last(serverID: numbers.1, sequence: numbers.2)])
    }
}

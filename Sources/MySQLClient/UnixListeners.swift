import Glibc

/// Whether somebody listens on a unix socket, asked without connecting.
///
/// Connector/C (seen with that of Debian's 10.11.19) closes the descriptor of a unix socket twice where a non-blocking
/// connect is refused at once. Between the two another thread may have opened something under that number, and loses it: so
/// a connect that would be refused never reaches the library. A server that logs connections without a login would tell of
/// each connect that only probes.
enum UnixListeners {
    private static let table = "/proc/net/unix"
    /// More than any host has; a table that is longer is not judged.
    private static let tableMax = 16 << 20
    /// `__SO_ACCEPTCON` in the column of flags.
    private static let accepting = Array("00010000".utf8)
    private static let flagsColumn = 3

    /// Nil where the table of this process's network namespace cannot be read.
    static func isListening(on path: String) -> Bool? {
        guard let text = read() else { return nil }
        let end = Array((" " + path).utf8)
        return text.withUnsafeBytes { table in
            var start = 0
            while start < table.count {
                let line = line(of: table, from: start)
                if line.count > end.count, line.suffix(end.count).elementsEqual(end), isAccepting(line) { return true }
                start = line.endIndex + 1
            }
            return false
        }
    }

    /// Without its newline.
    private static func line(of table: UnsafeRawBufferPointer, from start: Int) -> Slice<UnsafeRawBufferPointer> {
        guard let base = table.baseAddress, let found = memchr(base + start, 10, table.count - start) else { return table[start...] }
        return table[start..<UnsafeRawPointer(found) - base]
    }

    private static func isAccepting(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        let columns = line.split(separator: UInt8(ascii: " "), maxSplits: flagsColumn + 1)
        return columns.count > flagsColumn && columns[flagsColumn].elementsEqual(accepting)
    }

    private static func read() -> [UInt8]? {
        let file = open(table, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while text.count < tableMax {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count == 0 { return text }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            text.append(contentsOf: chunk[..<count])
        }
        return nil
    }
}

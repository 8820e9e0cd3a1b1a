import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// Snapshots on disk: hundreds of megabytes for a large fleet, so that each byte is in memory once.
enum SnapshotFile {
    /// A single read takes at most so many bytes.
    private static let pieceBytesMax = 1 << 30

    /// The whole file; nil where it cannot be read. `/dev/stdin` and pipes too.
    static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        // What has no end to seek is a pipe or a terminal.
        let size = lseek(file, 0, SEEK_END)
        guard size > 0, lseek(file, 0, SEEK_SET) == 0 else { return FileManager.default.contents(atPath: path).map { Array($0) } }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            while count < buffer.count, let base = buffer.baseAddress {
                let got = Glibc.read(file, base + count, min(buffer.count - count, pieceBytesMax))
                if got < 0 && errno == EINTR { continue }
                failed = got < 0
                if got <= 0 { break }
                count += got
            }
        }
        return failed ? nil : bytes
    }

    /// Writes a new file, or over an old one, piece by piece.
    static func sink(_ path: String) throws -> ([UInt8]) throws -> Void {
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
            throw CommandError("the file \(path) cannot be written", help: "name a file in a folder that is there")
        }
        return { bytes in
            let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
            defer { close(file) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else {
                    throw CommandError("the file \(path) cannot be written whole", help: "make room on its disk")
                }
                rest = rest.dropFirst(count)
            }
        }
    }
}

import BlockingWork
import Glibc
import MetadataStore

/// The right to serve one store, held as a lock of the operating system on a file beside it: it ends with the process,
/// however that ends.
final class StoreLock: Sendable {
    private let descriptor: Int32

    /// `holder` says who we are to whoever finds the store taken: process, address.
    init(storePath: String, holder: String) throws(StoreError) {
        descriptor = try Self.locked(storePath + ".lock")
        write(holder)
    }

    private static func locked(_ path: String) throws(StoreError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError.unavailable(
                "The lock file \(path) cannot be opened: \(StoreFile.reason). Check its directory's owner and mode.")
        }
        if FileLock.take(descriptor) { return descriptor }
        defer { close(descriptor) }
        if errno == EWOULDBLOCK { throw StoreError.inUse(by: read(descriptor)) }
        throw StoreError.unavailable(
            "The lock file \(path) cannot be locked: \(StoreFile.reason). The store must be on a file system with locks.")
    }

    /// What is written helps people only; the lock is what counts.
    private func write(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = ftruncate(descriptor, 0)
        _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    private static func read(_ descriptor: Int32) -> String {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 1024) { buffer, used in
            count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            used = max(0, count)
        }
        let line = String(decoding: bytes, as: UTF8.self).prefix { !$0.isNewline }
        return line.isEmpty ? "another server" : String(line)
    }

    deinit { close(descriptor) }
}

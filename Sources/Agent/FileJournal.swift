import BlockingWork
import Glibc
import Synchronization

/// A journal in one append-only file, `journal.jsonl` in the agent's directory, locked against a second agent.
///
/// Each list of entries is one line, synced before `append` returns. The file is written anew (a second file, synced,
/// renamed over the first, the directory synced) when it is opened, when it has grown, and after an append that failed,
/// because after a failed sync nothing is known of what is on disk.
package final class FileJournal: Journal {
    private let file: Mutex<JournalFile>

    private init(_ file: JournalFile) { self.file = Mutex(file) }

    /// Opens or makes the journal in a directory that exists, and returns what it holds. Blocks. Throws where another
    /// process has it, where it cannot be written, and where it is damaged.
    package static func open(directory: String) throws(JournalError) -> (journal: FileJournal, state: JournalState) {
        try open(directory: directory, calls: DiskCalls())
    }

    static func open(
        directory: String, calls: DiskCalls
    ) throws(JournalError) -> (journal: FileJournal, state: JournalState) {
        let file = try JournalFile(directory: directory, calls: calls)
        return (FileJournal(file), file.state)
    }

    package func append(_ entries: [JournalEntry]) async throws {
        let result: Result<Void, JournalError> = await offPool { [self] in
            file.withLock { file in
                do throws(JournalError) { return .success(try file.append(entries)) } catch { return .failure(error) }
            }
        }
        try result.get()
    }
}

/// The calls that a full or broken disk fails, so that tests can fail each.
struct DiskCalls: Sendable {
    var write: @Sendable (Int32, UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }
    var sync: @Sendable (Int32) -> Int32 = { fsync($0) }
    var rename: @Sendable (String, String) -> Int32 = { Glibc.rename($0, $1) }
}

/// The file itself; every call blocks.
private struct JournalFile: Sendable {
    private let directory: String
    private let calls: DiskCalls
    private let lock: Descriptor
    private var descriptor: Descriptor
    private var length = 0
    private var mustRewrite = false
    private(set) var state = JournalState()

    private var path: String { directory + "/journal.jsonl" }

    /// Rewritten when it is longer than this, and so much longer than its state that it is worth it.
    private static let lengthMax = 4 * 1024 * 1024
    private static let growthMax = 4
    /// A file longer than this is not ours.
    private static let readMax = 256 * 1024 * 1024

    private var compactLength = 0

    init(directory: String, calls: DiskCalls) throws(JournalError) {
        self.directory = directory
        self.calls = calls
        lock = try Descriptor(directory + "/journal.lock", O_RDWR | O_CREAT)
        try lock.lock()
        descriptor = lock
        if access(path, F_OK) == 0 {
            state = try JournalLines.read(try Descriptor(path, O_RDONLY).readAll(max: Self.readMax), file: path)
        } else if errno != ENOENT {
            throw JournalError.system("\(path) cannot be looked at")
        }
        try rewrite()
    }

    mutating func append(_ entries: [JournalEntry]) throws(JournalError) {
        if mustRewrite || length > max(Self.lengthMax, Self.growthMax * compactLength) {
            var next = self
            entries.forEach { next.state.apply($0) }
            try next.rewrite()
            self = next
            return
        }
        let line = JournalLines.line(entries)
        do throws(JournalError) {
            try descriptor.write(line, calls)
            try descriptor.sync(calls)
        } catch {
            mustRewrite = true
            ftruncate(descriptor.number, off_t(length))
            throw error
        }
        length += line.count
        entries.forEach { state.apply($0) }
    }

    private mutating func rewrite() throws(JournalError) {
        let text = JournalLines.header + (state.entries.isEmpty ? [] : JournalLines.line(state.entries))
        let temporary = path + ".new"
        let next = try Descriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC)
        try next.write(text, calls)
        try next.sync(calls)
        guard calls.rename(temporary, path) == 0 else { throw JournalError.system("\(temporary) cannot be renamed") }
        try Descriptor(directory, O_RDONLY | O_DIRECTORY).sync(calls)
        (descriptor, length, compactLength, mustRewrite) = (next, text.count, text.count, false)
    }
}

/// One open file, closed once. Not inherited by child processes: the lock is the agent's alone.
private final class Descriptor: Sendable {
    let number: Int32
    private let path: String

    init(_ path: String, _ flags: Int32) throws(JournalError) {
        self.path = path
        number = open(path, flags | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw JournalError.system("\(path) cannot be opened") }
    }

    deinit { close(number) }

    func lock() throws(JournalError) {
        if FileLock.take(number) { return }
        guard errno == EWOULDBLOCK else { throw JournalError.system("\(path) cannot be locked") }
        throw JournalError(
            "another agent has \(path): one agent serves one directory. Stop the other, or give this one its own --data")
    }

    func write(_ bytes: [UInt8], _ calls: DiskCalls) throws(JournalError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { calls.write(number, UnsafeRawBufferPointer(rebasing: $0[written...])) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw JournalError.system("\(path) cannot be written") }
            written += count
        }
    }

    func sync(_ calls: DiskCalls) throws(JournalError) {
        guard calls.sync(number) == 0 else { throw JournalError.system("\(path) cannot be synced to its disk") }
    }

    func readAll(max: Int) throws(JournalError) -> [UInt8] {
        var bytes: [UInt8] = []
        let chunkSize = 64 * 1024
        while true {
            var count = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: chunkSize) { buffer, used in
                count = read(number, buffer.baseAddress, chunkSize)
                used = Swift.max(count, 0)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw JournalError.system("\(path) cannot be read") }
            if count == 0 { return bytes }
            bytes += chunk
            guard bytes.count <= max else { throw JournalError("\(path) is longer than any journal; move it away") }
        }
    }
}

extension JournalError {
    /// With the system's reason; free space is the usual cure.
    fileprivate static func system(_ what: String) -> JournalError {
        let code = errno
        let cure = code == ENOSPC || code == EDQUOT ? ": free space on its file system" : ""
        return JournalError("\(what): \(String(cString: strerror(code)))\(cure)")
    }
}

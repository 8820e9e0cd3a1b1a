import FleetModel
import Glibc
import JSONStream
import Synchronization
import Testing

@testable import Agent

/// A directory of its own for one test.
final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/evenkeel-agent-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return "/nonexistent" }
            return String(cString: base)
        }
    }

    deinit {
        for name in ["journal.jsonl", "journal.jsonl.new", "journal.lock", "hook", "out"] {
            unlink(path + "/" + name)
            rmdir(path + "/" + name)
        }
        rmdir(path)
    }

    var journal: String { path + "/journal.jsonl" }

    func read(_ file: String) -> [UInt8] {
        guard let stream = fopen(file, "r") else { return [] }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        while true {
            let byte = getc(stream)
            if byte == EOF { return bytes }
            bytes.append(UInt8(truncatingIfNeeded: byte))
        }
    }

    func write(_ bytes: [UInt8], to file: String) {
        guard let stream = fopen(file, "w") else { return }
        defer { fclose(stream) }
        fwrite(bytes, 1, bytes.count, stream)
    }
}

@Suite struct `Journal file` {
    private let batches: [[JournalEntry]] = [
        [.bound(storeID: "s1"), .promised(term: 4)],
        [
            .promised(term: 5), .instance(orders1, InstanceJournal(epoch: 2, shouldRun: true)),
            .accepted(JournalledAttempt(id: "a", instance: orders1, action: "open", epoch: 2)),
        ],
        [
            .instance(orders1, InstanceJournal(epoch: 2, shouldRun: true, grant: WriterGrant(semiSync: true))),
            .instance(
                orders1,
                InstanceJournal(
                    epoch: 2, shouldRun: true,
                    grant: WriterGrant(semiSync: true, rivals: [Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)]))),
            .ended(attempt: "a", .succeeded(TaskResult(readBack: ["max_connections": "200"]))),
        ],
        [.instance(orders2, InstanceJournal(epoch: 2, shouldRun: true, following: Following(acknowledges: true)))],
        [.accepted(JournalledAttempt(id: "b", instance: orders2, action: "clone", epoch: 2))],
        [.ended(attempt: "b", .failed("line\none \"quoted\" ü"))],
        [.settled(attempt: "a")],
    ]

    private func state(after count: Int) -> JournalState {
        var state = JournalState()
        for entry in batches.prefix(count).joined() { state.apply(entry) }
        return state
    }

    @Test func `what was appended is there after a restart, also a second one`() async throws {
        let scratch = Scratch()
        for count in 0...batches.count {
            let (journal, found) = try FileJournal.open(directory: scratch.path)
            #expect(found == state(after: count))
            if count < batches.count { try await journal.append(batches[count]) }
        }
    }

    @Test func `a write that was torn anywhere in the last line loses that list and no other`() async throws {
        let scratch = Scratch()
        var (text, ends) = (JournalLines.header, [JournalLines.header.count])
        for batch in batches {
            text += JournalLines.line(batch)
            ends.append(text.count)
        }
        for length in 0...text.count {
            let torn = Array(text.prefix(length))
            guard length >= JournalLines.header.count else {
                #expect(throws: JournalError.self) { try JournalLines.read(torn, file: "/j") }
                continue
            }
            let whole = ends.lastIndex { $0 <= length } ?? 0
            #expect(try JournalLines.read(torn, file: "/j") == state(after: whole))
            // The file itself around each line end: opening also mends it, so that the next append is not lost.
            guard ends.contains(where: { abs($0 - length) <= 1 }) else { continue }
            scratch.write(torn, to: scratch.journal)
            let (journal, found) = try FileJournal.open(directory: scratch.path)
            #expect(found == state(after: whole))
            try await journal.append([.promised(term: 99)])
            #expect(try JournalLines.read(scratch.read(scratch.journal), file: "/j").term == 99)
        }
    }

    @Test func `any damaged byte before the last line is refused, with the line and the cure`() throws {
        let text = batches.reduce(JournalLines.header) { $0 + JournalLines.line($1) }
        let lastLine = text.count - JournalLines.line(batches[batches.count - 1]).count
        var line = 1
        // Without the line end before it, the last line is longer, and torn.
        for position in 0..<lastLine - 1 {
            var damaged = text
            damaged[position] ^= 0x01
            let error = #expect(throws: JournalError.self) { try JournalLines.read(damaged, file: "/j") }
            let isLineEnd = text[position] == UInt8(ascii: "\n")
            #expect(isLineEnd || error?.description.hasPrefix("/j:\(line): ") == true)
            #expect(error?.description.contains("move it away") == true)
            if isLineEnd { line += 1 }
        }
    }

    @Test func `a line of a later release is refused, wherever it stands`() throws {
        let list = Array(#"[{"type":"sung"}]"#.utf8)
        let sum = SHA256.hex(SHA256.hash(list)).prefix(8)
        let line = Array("{\"sum\":\"\(sum)\",\"entries\":".utf8) + list + Array("}\n".utf8)
        let error = #expect(throws: JournalError.self) { try JournalLines.read(JournalLines.header + line, file: "/j") }
        #expect(error?.description.contains("/j:2: this line is of another release") == true)
    }

    @Test func `a directory serves one agent`() throws {
        let scratch = Scratch()
        let first = try FileJournal.open(directory: scratch.path)
        let error = #expect(throws: JournalError.self) { try FileJournal.open(directory: scratch.path) }
        #expect(error?.description.contains("another agent") == true)
        withExtendedLifetime(first.journal) {}
    }

    @Test func `opening writes the journal anew, no longer than its state`() async throws {
        let scratch = Scratch()
        do {
            let journal = try FileJournal.open(directory: scratch.path).journal
            for term in 1...200 { try await journal.append([.promised(term: Int64(term))]) }
        }
        let long = scratch.read(scratch.journal).count
        let found = try FileJournal.open(directory: scratch.path).state
        #expect(found.term == 200)
        #expect(scratch.read(scratch.journal).count < long / 20)
        #expect(scratch.read(scratch.journal + ".new").isEmpty)
    }

    /// Fails one call of the disk, the write half done; every later one works.
    private func failing(_ call: Int) -> DiskCalls {
        let count = Mutex(0)
        let isTurn: @Sendable () -> Bool = {
            count.withLock { count in
                count += 1
                return count == call
            }
        }
        var calls = DiskCalls()
        calls.write = { file, bytes in
            guard isTurn() else { return write(file, bytes.baseAddress, bytes.count) }
            write(file, bytes.baseAddress, bytes.count / 2)
            errno = ENOSPC
            return -1
        }
        calls.sync = { file in
            guard isTurn() else { return fsync(file) }
            errno = EIO
            return -1
        }
        calls.rename = { from, to in
            guard isTurn() else { return rename(from, to) }
            errno = EIO
            return -1
        }
        return calls
    }

    @Test func `whichever call of the disk fails once, nothing that was appended is lost`() async throws {
        // Four calls open a journal and one append takes two: the failures fall on each of them, also on the rewriting
        // that follows an append that failed.
        for call in 1...4 + 2 * batches.count {
            let scratch = Scratch()
            var appended = JournalState()
            if let journal = try? FileJournal.open(directory: scratch.path, calls: failing(call)).journal {
                for batch in batches {
                    do { try await journal.append(batch) } catch { try await journal.append(batch) }
                    batch.forEach { appended.apply($0) }
                }
            } else {
                #expect(call <= 4)
            }
            #expect(try FileJournal.open(directory: scratch.path).state == appended)
        }
    }

    @Test func `an append that failed does not count`() async throws {
        let scratch = Scratch()
        do {
            let journal = try FileJournal.open(directory: scratch.path, calls: failing(7)).journal
            try await journal.append([.promised(term: 1)])
            let error = await #expect(throws: JournalError.self) { try await journal.append([.promised(term: 2)]) }
            #expect(error?.description.contains("free space") == true)
        }
        #expect(try FileJournal.open(directory: scratch.path).state.term == 1)
    }

    @Test func `compaction keeps everything`() {
        for count in 0...batches.count {
            var again = JournalState()
            state(after: count).entries.forEach { again.apply($0) }
            #expect(again == state(after: count))
        }
    }

    @Test func `terms and epochs never go back, and few settled ids are kept`() {
        var state = JournalState()
        state.apply(.promised(term: 5))
        state.apply(.promised(term: 4))
        state.apply(.instance(orders1, InstanceJournal(epoch: 3)))
        state.apply(.instance(orders1, InstanceJournal(epoch: 2)))
        for number in 0..<1000 { state.apply(.settled(attempt: "\(number)")) }
        #expect(state.term == 5 && state.instances[orders1]?.epoch == 3)
        #expect(state.settled.count == JournalState.settledMax && state.settled.last == "999")
    }
}

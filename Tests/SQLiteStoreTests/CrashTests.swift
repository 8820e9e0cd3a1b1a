import Foundation
import GRDB
import FleetModel
import MetadataStore
@testable import SQLiteStore
import Testing

/// Children that are killed in the middle of commits, and full disks.
@Suite struct CrashTests {
    @Test(arguments: [5, 20, 45, 80])
    func `what was acknowledged before a kill is there after it`(milliseconds: Int) async throws {
        let directory = try TestDirectory()
        let (path, acknowledged) = (directory.store, directory.path + "/acknowledged")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, acknowledged = acknowledged as String, milliseconds = milliseconds as Int] in
            let store = try SQLiteStore.create(at: path, holder: "child")
            let term = try await store.lease().term
            let file = open(acknowledged, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            for number in 1...1_000_000 {
                // Two events a commit: both or none must be there.
                try await store.commit([.appendEvent(event(number)), .appendEvent(event(-number))], term: term)
                let line = Array("\(number)\n".utf8)
                _ = write(file, line, line.count)
                guard number == 1 else { continue }
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { kill(getpid(), SIGKILL) }
            }
        }
        let told = try String(contentsOfFile: acknowledged, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
        let last = try #require(told.last)
        let store = try SQLiteStore.open(at: path, holder: "test")
        let found = try await store.messages()
        let whole = (1...last).reversed().flatMap { ["number \(-$0)", "number \($0)"] }
        #expect(found == whole || found == ["number \(-(last + 1))", "number \(last + 1)"] + whole)
    }

    @Test func `a full disk refuses the commit and the store goes on when there is room`() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteStore.create(at: directory.store, holder: "test")
        let term = try await store.lease().term
        try await store.limitPages(to: 60)
        let large = String(repeating: "x", count: 100_000)
        await #expect {
            try await store.commit(
                (1...20).map { .putPlan(PlanRecord(id: "\($0)", unit: UnitID(.cluster, "a"), revision: "", made: moment, text: large)) },
                term: term)
        } throws: { error in
            guard case StoreError.unavailable(let why) = error else { return false }
            return why.contains("disk is full")
        }
        #expect(try await store.plans(unit: nil, limit: 9).isEmpty)
        try await store.limitPages(to: 1_000_000)
        try await store.commit([.appendEvent(event(1))], term: term)
        #expect(try await store.messages() == ["number 1"])
    }
}

extension SQLiteStore {
    /// SQLite reports a database that may not grow just as a disk that is full.
    fileprivate func limitPages(to count: Int) async throws {
        try await pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA max_page_count = \(count)") }
    }
}

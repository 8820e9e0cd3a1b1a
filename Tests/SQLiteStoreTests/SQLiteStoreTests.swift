import Foundation
import FleetModel
import GRDB
import MetadataStore
import MetadataStoreConformance
@testable import SQLiteStore
import Testing

@Suite struct SQLiteStoreTests {
    @Test(arguments: MetadataStoreConformance.checks)
    func `the store on SQLite keeps every rule`(check: MetadataStoreConformance.Check) async throws {
        let directory = try TestDirectory()
        try await check.run { try SQLiteStore.create(at: directory.store, holder: "test", retention: $0) }
    }

    @Test func `what was committed is there after the store was closed and opened`() async throws {
        let directory = try TestDirectory()
        let identity: String
        do {
            let store = try SQLiteStore.create(at: directory.store, holder: "first")
            try await store.commit([.appendEvent(event(1))], term: store.lease().term)
            identity = try await store.load().records.storeID
        }
        let store = try SQLiteStore.open(at: directory.store, holder: "second")
        #expect(try await store.messages() == ["number 1"])
        #expect(try await store.load().records.storeID == identity)
    }

    @Test func `a lease that a dead server left is free at once, under the next term`() async throws {
        let directory = try TestDirectory()
        let first: Int64
        do { first = try await SQLiteStore.create(at: directory.store, holder: "first").lease("server-a").term }
        let store = try SQLiteStore.open(at: directory.store, holder: "second")
        #expect(try await store.lease("server-b").term == first + 1)
    }

    @Test func `a second server on one store is refused and told who has it`() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteStore.create(at: directory.store, holder: "process 42 at http://127.0.0.1:7070")
        #expect(throws: StoreError.inUse(by: "process 42 at http://127.0.0.1:7070")) {
            try SQLiteStore.open(at: directory.store, holder: "another")
        }
        #expect(throws: StoreError.inUse(by: "process 42 at http://127.0.0.1:7070")) {
            try SQLiteStore.create(at: directory.store, holder: "another")
        }
        _ = try await store.lease()
    }

    @Test func `a store that is not there is not made by opening it`() throws {
        let directory = try TestDirectory()
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test") }
        #expect(try directory.names.isEmpty)
    }

    @Test func `a file in the place of a new store is left as it is`() throws {
        let directory = try TestDirectory()
        try Data("precious".utf8).write(to: URL(fileURLWithPath: directory.store))
        #expect(throws: StoreError.self) { try SQLiteStore.create(at: directory.store, holder: "test") }
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test") }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.store)) == Data("precious".utf8))
    }

    @Test func `another program's database is refused`() throws {
        let directory = try TestDirectory()
        let queue = try DatabaseQueue(path: directory.store)
        try queue.write { db in try db.execute(sql: "CREATE TABLE store (a)") }
        try queue.close()
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test") }
    }

    @Test func `a damaged store is refused`() async throws {
        let directory = try TestDirectory()
        do {
            let store = try SQLiteStore.create(at: directory.store, holder: "test")
            let term = try await store.lease().term
            try await store.commit((1...2000).map { .appendEvent(event($0)) }, term: term)
        }
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: directory.store))
        try file.seek(toOffset: 20 * 4096)
        try file.write(contentsOf: Data(repeating: 0xAA, count: 8192))
        try file.close()
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test") }
    }

    @Test func `a store of a newer release is refused`() async throws {
        let directory = try TestDirectory()
        do { _ = try SQLiteStore.create(at: directory.store, holder: "test") }
        let queue = try DatabaseQueue(path: directory.store)
        try await queue.write { db in try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of tomorrow')") }
        try queue.close()
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test") }
    }

    @Test func `commits are synced to the disk, and only we can read the file`() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteStore.create(at: directory.store, holder: "test")
        _ = try await store.lease()
        let settings = try await store.pool.writeWithoutTransaction { db in
            try [
                String.fetchOne(db, sql: "PRAGMA journal_mode"), String.fetchOne(db, sql: "PRAGMA synchronous"),
                String.fetchOne(db, sql: "PRAGMA foreign_keys"),
            ]
        }
        #expect(settings == ["wal", "2", "1"])
        for name in try directory.names {
            let mode = try FileManager.default.attributesOfItem(atPath: directory.path + "/" + name)[.posixPermissions]
            #expect(mode as? Int == 0o600, "\(name)")
        }
    }

    @Test func `migrations that were released stay as they were`() throws {
        #expect(Migrations.all.migrations == ["1 first tables", "2 rebuilding"])
        let queue = try DatabaseQueue()
        try Migrations.all.migrate(queue, upTo: "1 first tables")
        let tables = try queue.read { db in
            try String.fetchAll(db, sql: "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND sql IS NOT NULL ORDER BY name")
        }
        #expect(SHA256.hex(tables.joined(separator: "\n")) == "28417a52772d12ae29afa491adfc33d1763a4347941976ff0e4ba9e96a82fa69")
    }
}

@Suite struct BackupTests {
    @Test func `a backup is a store like the one it was made from`() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteStore.create(at: directory.store, holder: "test")
        let term = try await store.lease().term
        try await store.commit([.appendEvent(event(1))], term: term)
        let path = directory.path + "/copy.sqlite"
        try await store.backUp(to: path)
        try await store.commit([.appendEvent(event(2))], term: term)
        let copy = try SQLiteStore.open(at: path, holder: "test", acceptsBackup: true)
        #expect(try await copy.messages() == ["number 1"])
        #expect(try await copy.load().records.storeID == store.load().records.storeID)
        await #expect(throws: StoreError.self) { try await store.backUp(to: path) }
    }

    @Test func `a backup that was put back is served from only after it was taken for a base`() async throws {
        let directory = try TestDirectory()
        let path = directory.path + "/copy.sqlite"
        let identity: String
        do {
            let store = try SQLiteStore.create(at: directory.store, holder: "test")
            identity = try await store.load().records.storeID
            try await store.backUp(to: path)
        }
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: path, holder: "test") }
        do {
            let base = try SQLiteStore.open(at: path, holder: "test", acceptsBackup: true)
            try await base.beginRebuild(now: moment)
            try await base.beginRebuild(now: moment + .seconds(9))
        }
        let store = try SQLiteStore.open(at: path, holder: "test")
        let state = try await store.load()
        #expect(state.rebuilding == moment && state.records.storeID != identity)
        try await store.commit([.finishRebuild(adopts: [], without: [], aboveTerm: 0)], term: store.lease().term)
        #expect(try await store.load().adopts == [identity])
    }

    @Test func `the log that another store has left is not read into a new one, nor into a backup`() async throws {
        let directory = try TestDirectory()
        let (copy, log) = (directory.path + "/copy.sqlite", directory.store + "-wal")
        do {
            let store = try SQLiteStore.create(at: directory.store, holder: "test")
            try await store.backUp(to: copy)
        }
        try FileManager.default.removeItem(atPath: directory.store)
        try Data("frames".utf8).write(to: URL(fileURLWithPath: log))
        #expect(throws: StoreError.self) { try SQLiteStore.create(at: directory.store, holder: "test", rebuilding: moment) }
        #expect(try !directory.names.contains("evenkeel.sqlite"))
        try FileManager.default.moveItem(atPath: copy, toPath: directory.store)
        #expect(throws: StoreError.self) { try SQLiteStore.open(at: directory.store, holder: "test", acceptsBackup: true) }
        try FileManager.default.removeItem(atPath: log)
        _ = try SQLiteStore.open(at: directory.store, holder: "test", acceptsBackup: true)
    }

    @Test func `a store in the place of a lost one is being rebuilt from its first moment`() async throws {
        let directory = try TestDirectory()
        do { _ = try SQLiteStore.create(at: directory.store, holder: "test", rebuilding: moment) }
        let store = try SQLiteStore.open(at: directory.store, holder: "test")
        #expect(try await store.load().rebuilding == moment)
    }

    @Test func `a backup that cannot be written says so and leaves nothing`() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteStore.create(at: directory.store, holder: "test")
        await #expect(throws: StoreError.self) { try await store.backUp(to: directory.path + "/none/copy") }
        await #expect(throws: StoreError.self) { try await store.backUp(to: directory.store + "/under-a-file/copy") }
    }
}

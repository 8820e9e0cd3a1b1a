import FleetModel
import Foundation
import MetadataStore
import SQLiteStore

/// A directory of its own for the files of a test, removed with this object.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "evenkeel-store-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var store: String { path + "/evenkeel.sqlite" }
    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

let moment = Instant(milliseconds: 1_700_000_000_000)

func event(_ number: Int) -> Event {
    Event(time: moment, unit: UnitID(.cluster, "orders"), level: .info, reason: "Test", message: "number \(number)")
}

extension MetadataStore {
    func lease(_ holder: String = "server-a") async throws -> Lease {
        try await acquireLease(holder: LeaseHolder(name: holder, run: 1), duration: .seconds(15), now: moment)
    }

    func messages() async throws -> [String] { try await events(unit: nil, limit: 100_000).map(\.message) }
}

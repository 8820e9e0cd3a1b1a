import FleetModel
import Foundation
import Logging
import Reconciliation
import SQLiteStore
import Synchronization
import Testing

@testable import Server

private final class TestClock: TimeSource {
    private let moment = Mutex(Instant(milliseconds: 1_700_000_000_000))

    func now() -> Instant { moment.withLock { $0 } }
    func advance(by step: Duration) { moment.withLock { $0 = $0 + step } }
    func sleep(until instant: Instant) async throws { throw CancellationError() }
}

private struct Unasked: SecretProvider {
    func resolve(_ reference: SecretReference) async throws -> String { throw CancellationError() }
    func fleetKey() -> [UInt8] { [1] }
    func groupCertificate(of instance: InstanceID, authority: Int64, now: Instant) throws -> String { throw CancellationError() }
    func expectedAuthentication(password: String) -> String { password }
}

@Test func `the store is copied once a day, and the newest few copies are kept`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "ek-backups-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try SQLiteStore.create(at: folder + "/evenkeel.sqlite", holder: "test")
    var configuration = ServerConfiguration()
    configuration.dataDirectory = folder
    configuration.backupsKept = 3
    let clock = TestClock()
    let reconciler = Reconciler(
        store: store,
        configuration: ReconcilerConfiguration(
            serverName: "test", sources: [], leaderURL: "http://here", mirrorDirectory: folder, seed: 1),
        secrets: Unasked(), clock: clock)
    let backup = DailyBackup(
        configuration: configuration, reconciler: reconciler, store: store, clock: clock, logger: Logger(label: "test"))
    for day in 0..<5 {
        await backup.backUpIfDue()
        // What somebody put beside them is neither counted nor removed.
        if day == 0 { try Data().write(to: URL(filePath: configuration.backupDirectory + "/evenkeel-before-upgrade.sqlite")) }
        clock.advance(by: .seconds(600))
        await backup.backUpIfDue()
        clock.advance(by: .seconds(24 * 3600 - 600))
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: configuration.backupDirectory).sorted()
    #expect(
        names == (2..<5).map { "evenkeel-\(1_700_000_000 + $0 * 24 * 3600).sqlite" } + ["evenkeel-before-upgrade.sqlite"])
}

import FleetModel
import Testing

@testable import Reconciliation

/// Whether a cluster that waits for nothing is looked at again because of a report.
@Suite struct HostChangesTests {
    private let now = Instant(milliseconds: 1_000_000)

    private func report(lag: Int64) -> HostReport {
        let replication = ReplicationReport(sourceHost: "h1", sourcePort: 3306, ioRunning: true, sqlRunning: true, lagSeconds: lag)
        let database = DatabaseReport(version: "10.11.19", serverID: 2, readOnly: true, replication: replication)
        let instance = InstanceReport(id: InstanceID(clusterUID: "u", ordinal: 2), port: 3306, process: .running, database: database)
        return HostReport(host: "h2", instances: [instance])
    }

    @Test(arguments: [(2, 40, false), (40, 60, false), (60, 61, true), (61, 4_000, false), (300, 60, true), (0, 3, true), (3, 0, true)] as [(Int64, Int64, Bool)])
    func `lag moves all the time, and counts where it begins or ends to be told`(before: Int64, after: Int64, counts: Bool) {
        let changes = HostChanges(from: ObservedHost(report: report(lag: before), renewed: now), to: report(lag: after), at: now)
        #expect(changes.concern("u", isResting: true) == counts)
        #expect(changes.concern("u", isResting: false))
        #expect(!changes.concern("another", isResting: false))
    }
}

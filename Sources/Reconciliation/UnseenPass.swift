import FleetModel
import Planning

/// What a pass found of a cluster of whose hosts nothing was seen, and all that it was found from. Nothing in it depends
/// on the time, so that the next pass finds the same as long as these are the same: most of a fleet, after a start.
final class UnseenPass: Sendable {
    private let desired: Declared<Cluster>?
    private let known: ClusterRecords
    private let hosts: HostDirectory
    private let secrets: [String: String]
    private let catalogs: [VariableCatalog]
    let status: UnitStatus
    let records: ClusterRecords

    /// Nil where the time, a report or a running attempt counts.
    init?(_ situation: ClusterSituation, _ rehearsal: Rehearsal, _ status: UnitStatus) {
        guard UnseenPass.isTimeless(situation), let first = rehearsal.first, first.tasks.isEmpty, first.cancel.isEmpty else {
            return nil
        }
        desired = situation.desired
        known = situation.records
        hosts = situation.hosts
        secrets = situation.secrets
        catalogs = situation.catalogs
        self.status = status
        records = first.records
    }

    /// Whether a rehearsal from this situation would find the same.
    func holds(for other: ClusterSituation) -> Bool {
        UnseenPass.isTimeless(other) && desired == other.desired && known == other.records && secrets == other.secrets
            && catalogs == other.catalogs && hosts.hosts == other.hosts.hosts && hosts.drains == other.hosts.drains
    }

    private static func isTimeless(_ situation: ClusterSituation) -> Bool {
        situation.observed.isEmpty && situation.upstream == nil && situation.followers.isEmpty && situation.running.isEmpty && situation.records.failures.isEmpty
            && situation.desired?.value.maintenance == nil
            && situation.records.members.allSatisfy { member in
                if case .retired = member.phase { return false }
                return situation.hosts.maintenance[member.host] == nil
            }
    }
}

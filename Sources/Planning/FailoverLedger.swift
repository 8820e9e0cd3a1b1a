package import FleetModel

/// The fleet's automatic failovers of late, by the zone that the writer was taken from, as incidents.
///
/// An incident is all that is taken from a zone within `incidentSpan` of the first: a zone that is lost takes the writers
/// of all its clusters with it at once, and each of them is to fail over. What the budget stops is a control plane that
/// goes on failing over, minute after minute, because it misjudges what it sees.
package struct FailoverLedger: Sendable, Hashable {
    /// When incidents began, oldest first.
    package private(set) var zones: [String: [Instant]] = [:]

    package static let incidentSpan: Duration = .seconds(60)
    /// Of one zone so many are remembered: more than any budget allows.
    static let incidentsMax = FailoverBudget.limitMax + 1

    package init() {}

    package init(of clusters: some Sequence<ClusterRecords>) {
        let marks = clusters.flatMap(\.failovers).sorted { ($0.at, $0.zone) < ($1.at, $1.zone) }
        for mark in marks { note(mark) }
    }

    /// Marks come in about the order of their moments.
    package mutating func note(_ mark: FailoverMark) {
        guard !mark.zone.isEmpty else { return }
        var begun = zones[mark.zone] ?? []
        if let last = begun.last, mark.at - last < Self.incidentSpan { return }
        begun.append(mark.at)
        zones[mark.zone] = begun.suffix(Self.incidentsMax)
    }

    /// When another failover away from these zones may begin, if not now: `max` incidents are in the window already, and
    /// it would be another one.
    func spentUntil(_ names: [String], max: Int, window: Duration, now: Instant) -> Instant? {
        var begun: [Instant] = []
        for moment in names.flatMap({ zones[$0] ?? [] }).sorted() where moment <= now {
            if let last = begun.last, moment - last < Self.incidentSpan { continue }
            begun.append(moment)
        }
        if let last = begun.last, now - last < Self.incidentSpan { return nil }
        let recent = begun.filter { now - $0 < window }
        guard recent.count >= max else { return nil }
        return recent[recent.count - max] + window
    }
}

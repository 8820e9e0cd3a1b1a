import FleetModel
package import JSONStream

/// What several runs of one fault came to. Runs that were not done do not count.
package struct FaultSummary: JSONDocument, Hashable {
    package var fault = ""
    /// Runs that were done.
    package var times = 0
    package var pooledMedianMilliseconds: Int64?
    package var pooledWorstMilliseconds: Int64?
    package var reconnectingMedianMilliseconds: Int64?
    package var reconnectingWorstMilliseconds: Int64?
    package var aimMilliseconds: Int64?
    /// Whether the median misses it.
    package var isAimMissed: Bool?
    /// Over all runs.
    package var acknowledged = 0
    package var lost = 0
    package var settledMedianMilliseconds: Int64?
    package var settledWorstMilliseconds: Int64?
    /// Runs whose verdict is ok.
    package var ok = 0

    package init() {}

    package init(_ fault: Fault, _ reports: [FaultReport]) {
        let done = reports.filter { $0.fault == fault.name && $0.isDone }
        let pooled = done.compactMap(\.pooledMilliseconds)
        let reconnecting = done.compactMap(\.reconnectingMilliseconds)
        let settled = done.compactMap(\.settledMilliseconds)
        self.fault = fault.name
        times = done.count
        pooledMedianMilliseconds = FaultSummary.median(pooled)
        pooledWorstMilliseconds = pooled.max()
        reconnectingMedianMilliseconds = FaultSummary.median(reconnecting)
        reconnectingWorstMilliseconds = reconnecting.max()
        aimMilliseconds = fault.aim?.below.milliseconds
        let medians: [ClientSort: Int64?] = [.pooled: pooledMedianMilliseconds, .reconnecting: reconnectingMedianMilliseconds]
        isAimMissed = fault.aim?.isMissed(by: medians.compactMapValues { $0.map { .milliseconds($0) } })
        acknowledged = done.reduce(0) { $0 + $1.acknowledged }
        lost = done.reduce(0) { $0 + $1.lost }
        settledMedianMilliseconds = FaultSummary.median(settled)
        settledWorstMilliseconds = settled.max()
        ok = done.count(where: \.isOK)
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("fault", \.fault),
        JSONField("times", \.times),
        JSONField("pooledMedianMilliseconds", ifPresent: \.pooledMedianMilliseconds),
        JSONField("pooledWorstMilliseconds", ifPresent: \.pooledWorstMilliseconds),
        JSONField("reconnectingMedianMilliseconds", ifPresent: \.reconnectingMedianMilliseconds),
        JSONField("reconnectingWorstMilliseconds", ifPresent: \.reconnectingWorstMilliseconds),
        JSONField("aimMilliseconds", ifPresent: \.aimMilliseconds),
        JSONField("aimMissed", ifPresent: \.isAimMissed),
        JSONField("acknowledged", \.acknowledged),
        JSONField("lost", \.lost),
        JSONField("settledMedianMilliseconds", ifPresent: \.settledMedianMilliseconds),
        JSONField("settledWorstMilliseconds", ifPresent: \.settledWorstMilliseconds),
        JSONField("ok", \.ok),
    ]

    /// The mean of the two in the middle where there is no middle one; nil of nothing.
    package static func median(_ values: [Int64]) -> Int64? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

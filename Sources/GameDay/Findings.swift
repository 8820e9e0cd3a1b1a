/// What the writes of one fault came to. Pure bookkeeping.
package struct Findings: Sendable, Hashable {
    /// The longest time between two acknowledged writes of a sort, from the fault to the end; nil where none wrote.
    package var gaps: [ClientSort: Duration] = [:]
    package var acknowledged = 0
    package var refused = 0
    package var unknown = 0
    /// Unknown ones that are there.
    package var unknownFound = 0
    /// Refused ones that are there all the same.
    package var refusedFound = 0
    /// Acknowledged ones that the primary does not hold; where it could not be asked, those that nobody holds.
    package var lost: [Int64] = []
    /// By instance: acknowledged ones that are missing, though it had the time to apply all.
    package var missing: [String: Int] = [:]
    /// By instance: how many of the run's rows it holds.
    package var held: [String: Int] = [:]
    /// Whether all instances hold the same rows.
    package var areEqual = true

    /// `rows`: by instance, the ids that it holds. `primary`: who takes writes afterwards. `window`: from just before the
    /// fault to the load's end.
    package init(_ writes: [Write], rows: [String: Set<Int64>], primary: String, window: ClosedRange<Duration>) {
        for sort in ClientSort.allCases {
            let own = writes.filter { $0.sort == sort }
            guard !own.isEmpty else { continue }
            gaps[sort] = Findings.longestGap(own.filter { $0.outcome == .acknowledged }.map(\.ended), window)
        }
        let ids = { (outcome: WriteOutcome) in Set(writes.lazy.filter { $0.outcome == outcome }.map(\.id)) }
        let (good, bad, unsure) = (ids(.acknowledged), ids(.refused), ids(.unknown))
        (acknowledged, refused, unknown) = (good.count, bad.count, unsure.count)
        let anywhere = rows.values.reduce(into: Set<Int64>()) { $0.formUnion($1) }
        unknownFound = unsure.intersection(anywhere).count
        refusedFound = bad.intersection(anywhere).count
        for (instance, held) in rows {
            missing[instance] = good.subtracting(held).count
            self.held[instance] = held.count
        }
        lost = good.subtracting(rows[primary] ?? anywhere).sorted()
        areEqual = Set(rows.values).count <= 1
    }

    /// The longest stretch of the window without an end of a write in it; the whole window where there is none.
    package static func longestGap(_ ends: [Duration], _ window: ClosedRange<Duration>) -> Duration {
        var last = window.lowerBound
        var longest = Duration.zero
        // The last one before the window counts: a gap begins with what was acknowledged before the fault.
        if let before = ends.filter({ $0 < window.lowerBound }).max() { last = before }
        for end in ends.filter(window.contains).sorted() {
            longest = max(longest, end - last)
            last = end
        }
        return max(longest, window.upperBound - last)
    }
}

/// What a fault's outcome is worth.
package enum Verdict: Sendable, Hashable {
    case ok
    /// Sabotage was seen, as it has to be.
    case seen
    /// Not done, and why.
    case refused(String)
    case failed([String])

    package var isOK: Bool { self == .ok }

    static let refusedPrefix = "not done: "

    package var text: String {
        switch self {
        case .ok: "ok"
        case .seen: "LOST, as sabotage must"
        case .refused(let reason): Verdict.refusedPrefix + reason
        case .failed(let reasons): "FAILED: " + reasons.joined(separator: "; ")
        }
    }

    /// `converged`: nil, or why the cluster did not come to rest.
    package static func of(
        _ fault: Fault, _ findings: Findings, from old: String, to new: String, unsettled: String?, unread: [String]
    ) -> Verdict {
        if fault.isSabotage {
            return findings.lost.isEmpty ? .failed(["the sabotage was not seen: this check is worthless"]) : .seen
        }
        var reasons: [String] = []
        if !findings.lost.isEmpty { reasons.append("\(findings.lost.count) acknowledged writes are lost") }
        for (instance, count) in findings.missing.sorted(by: { $0.key < $1.key }) where instance != new && count > 0 {
            reasons.append("\(count) acknowledged writes are missing on \(instance)")
        }
        if findings.refusedFound > 0 { reasons.append("\(findings.refusedFound) refused writes are there") }
        if findings.acknowledged == 0 { reasons.append("nothing was written") }
        if let unsettled { reasons.append(unsettled) }
        if !unread.isEmpty { reasons.append("rows could not be looked for on " + unread.joined(separator: ", ")) }
        if !findings.areEqual, findings.missing.values.allSatisfy({ $0 == 0 }) { reasons.append("the instances hold different rows") }
        switch fault.expectation {
        case .another where old == new: reasons.append("nobody took over")
        case .same where old != new: reasons.append("\(new) took over")
        default: break
        }
        return reasons.isEmpty ? .ok : .failed(reasons)
    }
}

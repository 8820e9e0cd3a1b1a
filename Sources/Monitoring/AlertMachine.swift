package import FleetModel
package import MetadataStore

/// Decides which alerts fire and which messages go where. Pure: no clock, no socket; the same events at the same times
/// give the same decisions.
///
/// Everything is level-triggered: each pass of a unit brings all that is found of it, and each change of the channels
/// brings all of them; what has to be told follows from comparing that with what the store says was told.
package struct AlertMachine: Sendable {
    /// An alert that was found and is not told yet.
    struct Candidate {
        var finding: Finding
        var report: UnitAlerts
        var since: Instant
    }

    /// An alert that fires, or has ended and is still to be told as resolved.
    struct ActiveAlert {
        var record: AlertRecord
        /// Since when the passes do not find it any more.
        var absentSince: Instant?
    }

    var candidates: [AlertIdentity: Candidate] = [:]
    /// Until then none of them is to be told, so that they are not all looked at for every event.
    var promotion: Instant?
    /// Firing ones by what they are; ended ones are only in `alerts`.
    var firing: [AlertIdentity: String] = [:]
    /// Of the firing ones, those that the last pass did not find.
    var absent: Set<AlertIdentity> = []
    /// By key.
    var alerts: [String: ActiveAlert] = [:]
    /// What is in `candidates` and `firing`, by unit.
    var identities: [String: Set<AlertIdentity>] = [:]
    /// Nil until the channels in force are known: then nothing is sent and nothing forgotten.
    var channels: [String: AlertChannel]?
    var outbox: Outbox
    /// Alerts whose messages have to be looked at.
    var unsettled: Set<String> = []
    var changes: [StoreChange] = []
    let externalURL: String

    /// Alerts that fire at once, at the most; more wait for one of them to end.
    package static let alertsMax = 10_000

    /// `alerts` and `entries`: as the store has them. `externalURL`: where people look, put into every message.
    /// `seed`: of the jitter.
    package init(alerts: [AlertRecord], outbox entries: [OutboxEntry], externalURL: String, seed: UInt64) {
        self.externalURL = externalURL
        outbox = Outbox(entries, random: SplitMix(state: seed))
        for record in alerts {
            self.alerts[record.key] = ActiveAlert(record: record)
            unsettled.insert(record.key)
            if record.ended == nil { addFiring(AlertIdentity(record), record.key) }
        }
    }

    /// Takes one event; the answer is to be carried out in the order of its fields.
    package mutating func handle(_ event: AlertEvent, now: Instant) -> AlertDecision {
        switch event {
        case .unit(let report): observe(report, now: now)
        case .units(let present): forgetUnits(besides: present, now: now)
        case .channels(let list): take(list, now: now)
        case .delivered(let id): settle(outbox.delivered(id, now: now), id)
        case .failed(let id, let failure): settle(outbox.failed(id, failure, now: now), id)
        case .tick: break
        }
        promoteCandidates(now: now)
        endAbsent(now: now)
        tell(now: now)
        let deliveries = startDeliveries(now: now)
        changes += outbox.takeChanges()
        defer { changes = [] }
        return AlertDecision(changes: changes, deliveries: deliveries, next: nextMoment(now: now))
    }

    // MARK: What is found

    private mutating func observe(_ report: UnitAlerts, now: Instant) {
        var found: Set<AlertIdentity> = []
        for finding in report.all {
            let identity = AlertIdentity(unit: report.unit, finding)
            guard found.insert(identity).inserted else { continue }
            if let key = firing[identity] {
                refresh(key, finding, report)
            } else if finding.isMuted {
                // What was told before is neither over nor told anew; what was not told yet is not told.
                candidates[identity] = nil
            } else {
                let since = candidates[identity]?.since ?? now
                let candidate = Candidate(finding: finding, report: report, since: since)
                candidates[identity] = candidate
                promotion = min(promotion ?? candidate.due, candidate.due)
                identities[identity.unit, default: []].insert(identity)
            }
        }
        guard report.isComplete else { return }
        for identity in identities[report.unit.description] ?? [] where !found.contains(identity) { miss(identity, now: now) }
    }

    /// The same alert with what is known now; its labels stay, so that it stays the same for those who were told.
    private mutating func refresh(_ key: String, _ finding: Finding, _ report: UnitAlerts) {
        guard var alert = alerts[key] else { return }
        alert.absentSince = nil
        absent.remove(AlertIdentity(unit: report.unit, finding))
        let mend = AlertFacts.fact(finding.reason, unit: report.unit).mend
        alert.record.annotations = AlertRecord.annotations(finding, report, since: alert.record.began, mend: mend)
        alerts[key] = alert
    }

    private mutating func miss(_ identity: AlertIdentity, now: Instant) {
        if let key = firing[identity] {
            guard absent.insert(identity).inserted else { return }
            alerts[key]?.absentSince = now
        } else {
            candidates[identity] = nil
            identities[identity.unit]?.remove(identity)
        }
    }

    private mutating func forgetUnits(besides present: Set<UnitID>, now: Instant) {
        for (unit, found) in identities where !(UnitID(unit).map(present.contains) ?? false) {
            for identity in found { miss(identity, now: now) }
        }
    }

    // MARK: Beginning and end

    private mutating func promoteCandidates(now: Instant) {
        guard firing.count < Self.alertsMax, let promotion, promotion <= now else { return }
        let ready = candidates.filter { $0.value.due <= now }
        for (identity, candidate) in ready.sorted(by: { $0.key < $1.key }) where firing.count < Self.alertsMax {
            candidates[identity] = nil
            let record = AlertRecord.from(candidate.finding, of: candidate.report, began: candidate.since)
            alerts[record.key] = ActiveAlert(record: record)
            addFiring(identity, record.key)
            changes.append(.putAlert(record))
            unsettled.insert(record.key)
        }
        self.promotion = candidates.values.map(\.due).min()
    }

    private mutating func addFiring(_ identity: AlertIdentity, _ key: String) {
        firing[identity] = key
        identities[identity.unit, default: []].insert(identity)
    }

    private mutating func endAbsent(now: Instant) {
        for identity in absent.sorted() {
            guard let key = firing[identity], var alert = alerts[key], let since = alert.absentSince,
                now - since >= identity.lingering
            else { continue }
            alert.record.ended = since
            absent.remove(identity)
            alerts[key] = alert
            firing[identity] = nil
            identities[identity.unit]?.remove(identity)
            changes.append(.putAlert(alert.record))
            unsettled.insert(key)
        }
    }

    /// When something happens by itself next.
    private func nextMoment(now: Instant) -> Instant? {
        let promotions = firing.count < Self.alertsMax ? [promotion].compactMap { $0 } : []
        let ends = absent.compactMap { identity in
            firing[identity].flatMap { alerts[$0]?.absentSince }.map { $0 + identity.lingering }
        }
        return (promotions + ends + [outbox.nextMoment].compactMap { $0 }).min().map { max($0, now) }
    }
}

extension AlertMachine.Candidate {
    /// When it is to be told, if it is still found then.
    var due: Instant { since + report.settling(finding) }
}

/// What happened.
package enum AlertEvent: Sendable {
    /// A pass of a unit. Not one that was made before the unit's first pass.
    case unit(UnitAlerts)
    /// All units there are: alerts of others have ended.
    case units(Set<UnitID>)
    /// All channels in force.
    case channels([AlertChannel])
    /// The message of this outbox entry arrived.
    case delivered(String)
    case failed(String, DeliveryFailure)
    /// The moment that the last decision named, or any other.
    case tick
}

package enum DeliveryFailure: Error, Sendable, Hashable {
    /// Worth another try: the network, a receiver that is overloaded or broken. `after`: no sooner, as it asked.
    case transient(String, after: Duration? = nil)
    /// The receiver refused the message itself.
    case final(String)
}

package struct AlertDecision: Sendable {
    /// To be in the store first.
    package var changes: [StoreChange]
    /// To be tried then; each ends in `delivered` or `failed`. Of a channel there is only one at a time.
    package var deliveries: [Delivery]
    /// When to send a `tick`; nil: nothing happens by itself.
    package var next: Instant?
}

/// One message to be tried now.
package struct Delivery: Sendable, Hashable {
    /// The outbox entry's, for the answer.
    package var entry: String
    /// The same for every try of this message; a repetition after `repeatInterval` is another message.
    package var message: String
    package var channel: AlertChannel
    /// Alertmanager's JSON.
    package var payload: String
    package var alert: AlertRecord
    package var isResolved: Bool
}

/// A small generator for jitter (SplitMix64, Steele and others 2014), the same on every machine.
struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

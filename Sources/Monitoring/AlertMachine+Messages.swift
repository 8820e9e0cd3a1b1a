import FleetModel
import MetadataStore

// Which messages there must be: for every alert and channel, one that it fires, again after the channel's interval, and
// one that it is over where the first arrived.
extension AlertMachine {
    private enum Phase: String { case firing, resolved }

    private static func id(_ channel: String, _ key: String, _ phase: Phase) -> String {
        channel + "|" + key + "|" + phase.rawValue
    }

    /// The alert that an entry is about.
    private static func alertKey(_ entry: OutboxEntry) -> Substring {
        let rest = entry.id.dropFirst(entry.channel.count + 1)
        return rest.prefix(upTo: rest.lastIndex(of: "|") ?? rest.endIndex)
    }

    mutating func take(_ list: [AlertChannel], now: Instant) {
        let before = channels
        let after = Dictionary(list.map { ($0.metadata.name, $0) }) { $1 }
        channels = after
        outbox.keepOnly(channels: Set(after.keys))
        // Whoever corrects a channel need not wait for what the old settings have earned.
        for (name, channel) in after.sorted(by: { $0.key < $1.key }) {
            guard let old = before?[name], old.target != channel.target else { continue }
            let firing = Set(self.firing.values)
            outbox.tryAnew(channel: name, now: now) { firing.contains(String(Self.alertKey($0))) }
        }
        unsettled.formUnion(alerts.keys)
    }

    /// A message has ended: what follows for its alert.
    mutating func settle(_ hasEnded: Bool, _ id: String) {
        guard hasEnded, let entry = outbox.entries[id] else { return }
        unsettled.insert(String(Self.alertKey(entry)))
        if entry.gaveUp != nil {
            let alerts = alerts
            let entries = outbox.entries
            outbox.trimGivenUp { id in entries[id].map { alerts[String(Self.alertKey($0))] != nil } ?? false }
        }
    }

    /// Adds and removes messages as the alerts that changed need it, and all of them when a repetition is due.
    mutating func tell(now: Instant) {
        guard let channels else { return }
        if let moment = outbox.nextRepeat, moment <= now {
            outbox.clearRepeat()
            unsettled.formUnion(alerts.keys)
        }
        let keys = unsettled.sorted()
        unsettled = []
        for key in keys {
            guard let alert = alerts[key]?.record else { continue }
            var isTold = true
            for channel in channels.values.sorted(by: { $0.metadata.name < $1.metadata.name }) {
                isTold = tell(alert, to: channel, now: now) && isTold
            }
            if alert.ended != nil, isTold {
                alerts[key] = nil
                changes.append(.removeAlert(key: key))
            }
        }
    }

    /// True where the channel needs no more of this alert.
    private mutating func tell(_ alert: AlertRecord, to channel: AlertChannel, now: Instant) -> Bool {
        alert.ended == nil ? tellFiring(alert, to: channel, now: now) : tellResolved(alert, to: channel, now: now)
    }

    private mutating func tellFiring(_ alert: AlertRecord, to channel: AlertChannel, now: Instant) -> Bool {
        let name = channel.metadata.name
        let id = Self.id(name, alert.key, .firing)
        guard alert.matches(channel) else { return true }
        if let entry = outbox.entries[id] {
            guard let last = entry.delivered ?? entry.gaveUp else { return false }
            let again = last + channel.repeatInterval
            guard again <= now else {
                outbox.repeatAt(again)
                return true
            }
        }
        return add(id, alert, channel, .firing, now: now)
    }

    private mutating func tellResolved(_ alert: AlertRecord, to channel: AlertChannel, now: Instant) -> Bool {
        let name = channel.metadata.name
        let (firingID, id) = (Self.id(name, alert.key, .firing), Self.id(name, alert.key, .resolved))
        guard let firing = outbox.entries[firingID] else { return true }
        if firing.isPending { return false }
        // Who was not told that it fires is not told that it is over; the failure stays to be shown.
        guard firing.gaveUp == nil else { return true }
        if channel.sendResolved {
            guard let resolved = outbox.entries[id] else { return add(id, alert, channel, .resolved, now: now) }
            if resolved.isPending { return false }
            if resolved.delivered != nil { outbox.remove(id) }
        }
        outbox.remove(firingID)
        return true
    }

    /// False: told for sure only once the message has ended.
    private mutating func add(_ id: String, _ alert: AlertRecord, _ channel: AlertChannel, _ phase: Phase, now: Instant) -> Bool {
        guard outbox.hasRoom(channel.metadata.name) else {
            outbox.repeatAt(now + Outbox.retryLimit)
            return false
        }
        let payload = AlertPayload.text(
            alert, channel: channel.metadata.name, isResolved: phase == .resolved, externalURL: externalURL)
        outbox.add(id, channel: channel.metadata.name, payload: payload, now: now)
        return false
    }

    mutating func startDeliveries(now: Instant) -> [Delivery] {
        guard let channels else { return [] }
        var deliveries: [Delivery] = []
        for entry in outbox.start(now: now) {
            guard let channel = channels[entry.channel], let alert = alerts[String(Self.alertKey(entry))] else {
                // Nobody can send it; it is not one of ours.
                outbox.remove(entry.id)
                continue
            }
            deliveries.append(
                Delivery(
                    entry: entry.id, message: "\(entry.id)|\(entry.created.milliseconds)", channel: channel,
                    payload: entry.payload, alert: alert.record,
                    isResolved: entry.id.hasSuffix("|" + Phase.resolved.rawValue)))
        }
        return deliveries
    }
}

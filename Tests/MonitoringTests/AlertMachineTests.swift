import FleetModel
import MetadataStore
@testable import Monitoring
import Testing

private let start = Instant(milliseconds: 1_700_000_000_000)
private let orders = UnitID(.cluster, "orders")
private let down = Finding(reason: "InstanceDown", subject: "orders-2", host: "h2", message: "orders-2 is not running", isDrift: true)
private let silent = Finding(reason: "HostSilent", subject: "h2", host: "h2", message: "no report", isDrift: false)

private func at(_ seconds: Double) -> Instant { start + .milliseconds(Int64(seconds * 1000)) }

private func hook(_ name: String = "hook", matchers: [String: String] = [:], sendResolved: Bool = true) -> AlertChannel {
    AlertChannel(
        metadata: Metadata(name: name), target: .webhook(url: "http://127.0.0.1:1/", headers: [:]), matchers: matchers,
        repeatInterval: .seconds(3600), sendResolved: sendResolved)
}

/// A machine with its store: what it changes is kept, and may be read into a new machine.
private struct World {
    var machine: AlertMachine
    var alerts: [String: AlertRecord] = [:]
    var outbox: [String: OutboxEntry] = [:]
    var events: [Event] = []

    init(_ channels: [AlertChannel] = [hook()]) {
        machine = AlertMachine(alerts: [], outbox: [], externalURL: "http://127.0.0.1:7070", seed: 1)
        _ = handle(.channels(channels), at: 0)
    }

    mutating func handle(_ event: AlertEvent, at seconds: Double) -> [Delivery] { decide(event, at: seconds).deliveries }

    mutating func decide(_ event: AlertEvent, at seconds: Double) -> AlertDecision {
        let decision = machine.handle(event, now: at(seconds))
        for change in decision.changes {
            switch change {
            case .putAlert(let alert): alerts[alert.key] = alert
            case .removeAlert(let key): alerts[key] = nil
            case .putOutbox(let entry): outbox[entry.id] = entry
            case .removeOutbox(let id): outbox[id] = nil
            case .appendEvent(let event): events.append(event)
            default: Issue.record("an alert machine has no business with \(change)")
            }
        }
        return decision
    }

    mutating func pass(_ findings: [Finding], at seconds: Double, conditions: [Condition] = [], isComplete: Bool = true) -> [Delivery] {
        handle(.unit(UnitAlerts(unit: orders, revision: "abc", findings: findings, conditions: conditions, isComplete: isComplete)), at: seconds)
    }

    /// A server that takes over from what the store has.
    mutating func restart(_ channels: [AlertChannel] = [hook()], at seconds: Double) -> [Delivery] {
        machine = AlertMachine(alerts: Array(alerts.values), outbox: Array(outbox.values), externalURL: "x", seed: 2)
        return handle(.channels(channels), at: seconds)
    }
}

private func summary(_ deliveries: [Delivery]) -> [String] {
    deliveries.map { "\($0.channel.metadata.name) \($0.isResolved ? "resolved" : "firing") \($0.alert.labels["alertname"] ?? "")" }
}

@Suite struct AlertMachineTests {
    @Test func `what is found is told once, not every pass, and its end is told too`() {
        var world = World()
        let first = world.pass([down], at: 1)
        #expect(summary(first) == ["hook firing InstanceDown"])
        #expect(world.handle(.delivered(first[0].entry), at: 1.1).isEmpty)
        for second in 2...20 { #expect(world.pass([down], at: Double(second)).isEmpty) }
        #expect(world.pass([], at: 21).isEmpty)
        let end = world.handle(.tick, at: 23)
        #expect(summary(end) == ["hook resolved InstanceDown"])
        #expect(end[0].alert.ended == at(21))
        #expect(world.handle(.delivered(end[0].entry), at: 23.1).isEmpty)
        #expect(world.alerts.isEmpty)
        #expect(world.outbox.isEmpty)
    }

    @Test func `what is muted begins no alert and ends none`() {
        var world = World()
        var muted = down
        muted.isMuted = true
        #expect(world.pass([muted], at: 1).isEmpty)
        #expect(world.handle(.tick, at: 5).isEmpty)
        let first = world.pass([down], at: 6)
        #expect(summary(first) == ["hook firing InstanceDown"])
        _ = world.handle(.delivered(first[0].entry), at: 6.1)
        #expect(world.pass([muted], at: 7).isEmpty && world.handle(.tick, at: 20).isEmpty)
        _ = world.pass([], at: 21)
        #expect(summary(world.handle(.tick, at: 24)) == ["hook resolved InstanceDown"])
        // Found before, and muted before it was to be told.
        #expect(world.pass([silent], at: 30).isEmpty)
        var hushed = silent
        hushed.isMuted = true
        #expect(world.pass([hushed], at: 31).isEmpty && world.handle(.tick, at: 40).isEmpty)
    }

    @Test func `of a unit in maintenance a stalled reconciliation is not told`() {
        var world = World()
        let stalled = Condition(.stalled, true, reason: "TaskFailing", message: "no")
        #expect(world.pass([], at: 1, conditions: [stalled, Condition(.maintenance, true, reason: "Maintenance")]).isEmpty)
        #expect(summary(world.pass([], at: 2, conditions: [stalled])) == ["hook firing TaskFailing"])
    }

    @Test func `labels name the alert, annotations tell a person`() {
        var world = World()
        let alert = world.pass([down], at: 1)[0].alert
        #expect(
            alert.labels == [
                "alertname": "InstanceDown", "cluster": "orders", "host": "h2", "instance": "orders-2",
                "subject": "orders-2", "unit": "Cluster/orders", "severity": "critical",
            ])
        #expect(alert.annotations["description"] == "orders-2 is not running")
        #expect(alert.annotations["revision"] == "abc")
        #expect(alert.annotations["since"] == "2023-11-14T22:13:21.000Z")
        #expect(alert.annotations["summary"] == "InstanceDown: orders-2")
        #expect(alert.annotations["mend"]?.isEmpty == false)
    }

    @Test func `drift that is healed at once is told, and that it is over`() {
        var world = World()
        let first = world.pass([down], at: 1)
        #expect(world.pass([], at: 1.2).isEmpty)
        #expect(world.handle(.delivered(first[0].entry), at: 1.3).isEmpty)
        #expect(summary(world.handle(.tick, at: 3.2)) == ["hook resolved InstanceDown"])
    }

    @Test func `what is no drift must stay two seconds before it is told`() {
        var world = World()
        let decision = world.decide(.unit(UnitAlerts(unit: orders, revision: "", findings: [silent], conditions: [])), at: 1)
        #expect(decision.deliveries.isEmpty)
        #expect(decision.next == at(3))
        #expect(world.pass([], at: 2).isEmpty)
        #expect(world.pass([silent], at: 2.5).isEmpty)
        #expect(world.handle(.tick, at: 4).isEmpty)
        #expect(summary(world.handle(.tick, at: 4.5)) == ["hook firing HostSilent"])
    }

    @Test func `a failover is told though it is over in the next pass, and it is over for good a minute later`() {
        var world = World()
        var failover = Finding(reason: "Failover", subject: "orders-1", message: "DeadPrimary: it does not start", isDrift: false)
        let first = world.pass([failover], at: 1)
        #expect(summary(first) == ["hook firing Failover"])
        #expect(first[0].alert.labels["severity"] == "critical")
        #expect(world.handle(.delivered(first[0].entry), at: 1.1).isEmpty)
        failover.message += "; orders-2 took over"
        #expect(world.pass([failover], at: 1.5).isEmpty)
        let over = world.decide(.unit(UnitAlerts(unit: orders, revision: "", findings: [], conditions: [])), at: 2)
        #expect(over.deliveries.isEmpty && over.next == at(62))
        #expect(world.handle(.tick, at: 61.9).isEmpty)
        let end = world.handle(.tick, at: 62)
        #expect(summary(end) == ["hook resolved Failover"])
        #expect(end[0].alert.annotations["description"]?.hasSuffix("; orders-2 took over") == true && end[0].alert.ended == at(2))
    }

    @Test func `what is given up again and again is told once`() {
        var world = World()
        let given = Finding(reason: "SwitchoverAbandoned", subject: "orders", message: "no", isDrift: false)
        var told: [String] = []
        // Each is found by one pass alone, and the longest time between two tries is 300 s.
        for second in [1.0, 11, 31, 71, 151, 311, 611] {
            for delivery in world.pass([given], at: second) {
                told += summary([delivery])
                _ = world.handle(.delivered(delivery.entry), at: second)
            }
            told += summary(world.pass([], at: second + 0.5))
            told += summary(world.handle(.tick, at: second + 9))
        }
        #expect(told == ["hook firing SwitchoverAbandoned"])
        #expect(summary(world.handle(.tick, at: 1211.5)) == ["hook resolved SwitchoverAbandoned"])
    }

    @Test func `a replica that is behind for a moment is nothing to tell`() {
        var world = World()
        let lagging = Finding(reason: "ReplicaLagging", subject: "orders-2", message: "1 min", isDrift: false)
        #expect(world.pass([lagging], at: 1).isEmpty && world.handle(.tick, at: 29).isEmpty && world.pass([], at: 30).isEmpty)
        #expect(world.pass([lagging], at: 40).isEmpty && world.handle(.tick, at: 69).isEmpty)
        let first = world.handle(.tick, at: 70)
        #expect(summary(first) == ["hook firing ReplicaLagging"] && first[0].alert.labels["severity"] == "warning")
        _ = world.handle(.delivered(first[0].entry), at: 70)
        _ = world.pass([], at: 80)
        #expect(world.handle(.tick, at: 109).isEmpty)
        #expect(summary(world.handle(.tick, at: 110)) == ["hook resolved ReplicaLagging"])
    }

    @Test func `a reason that the table does not know is a warning after two seconds`() {
        var world = World()
        let unheard = Finding(reason: "Unheard", subject: "orders", message: "", isDrift: false)
        #expect(world.pass([unheard], at: 1).isEmpty)
        let first = world.handle(.tick, at: 3)
        #expect(summary(first) == ["hook firing Unheard"] && first[0].alert.labels["severity"] == "warning")
        #expect(first[0].alert.annotations["mend"]?.contains("describe Cluster orders") == true)
    }

    @Test func `an alert that comes back within two seconds never ended`() {
        var world = World()
        let first = world.pass([down], at: 1)
        _ = world.handle(.delivered(first[0].entry), at: 1)
        for second in stride(from: 2.0, to: 12, by: 1) {
            #expect(world.pass([], at: second).isEmpty)
            #expect(world.pass([down], at: second + 0.5).isEmpty)
        }
    }

    @Test func `an alert that comes again after its end is another one`() {
        var world = World()
        let first = world.pass([down], at: 1)
        _ = world.handle(.delivered(first[0].entry), at: 1)
        _ = world.pass([], at: 2)
        let end = world.handle(.tick, at: 4)
        #expect(world.pass([down], at: 5).isEmpty, "one message of a channel at a time")
        let again = world.handle(.delivered(end[0].entry), at: 6)
        #expect(summary(again) == ["hook firing InstanceDown"])
        #expect(again[0].message != first[0].message)
        #expect(again[0].alert.fingerprint == first[0].alert.fingerprint)
    }

    @Test func `a failed reconciliation is told at once, unless a finding tells it`() {
        var world = World()
        let failing = Condition(.stalled, true, reason: "TaskFailing", message: "clone failed")
        let told = world.pass([], at: 1, conditions: [failing, Condition(.ready, false, reason: "NotConverged")])
        #expect(summary(told) == ["hook firing TaskFailing"])
        #expect(told[0].alert.annotations["description"] == "clone failed")
        var other = World()
        let refused = Finding(reason: "PlanRefused", subject: "orders", message: "why", isDrift: false)
        #expect(other.pass([refused], at: 1, conditions: [Condition(.stalled, true, reason: "PlanRefused")]).count == 1)
        #expect(other.alerts.count == 1)
    }

    @Test func `a unit whose hosts have not all reported ends no alert`() {
        var world = World()
        let first = world.pass([down], at: 1)
        _ = world.handle(.delivered(first[0].entry), at: 1)
        #expect(world.pass([], at: 2, isComplete: false).isEmpty)
        #expect(world.handle(.tick, at: 60).isEmpty)
        #expect(world.alerts.values.allSatisfy { $0.ended == nil })
    }

    @Test func `the alerts of a unit that is no more end`() {
        var world = World()
        let first = world.pass([down], at: 1)
        _ = world.handle(.delivered(first[0].entry), at: 1)
        _ = world.handle(.units([orders]), at: 2)
        #expect(world.handle(.tick, at: 10).isEmpty)
        _ = world.handle(.units([]), at: 11)
        #expect(summary(world.handle(.tick, at: 13)) == ["hook resolved InstanceDown"])
    }

    @Test func `an alert that still fires is told again after the channel's interval`() {
        var world = World()
        let first = world.pass([down], at: 1)
        let decision = world.decide(.delivered(first[0].entry), at: 2)
        #expect(decision.next == at(3602))
        #expect(world.handle(.tick, at: 3601).isEmpty)
        let again = world.handle(.tick, at: 3602)
        #expect(summary(again) == ["hook firing InstanceDown"])
        #expect(again[0].entry == first[0].entry)
        #expect(again[0].message != first[0].message)
    }

    @Test func `a channel gets what its matchers take, and no end where it wants none`() {
        var world = World([
            hook("all"), hook("critical", matchers: ["severity": "critical"], sendResolved: false),
            hook("others", matchers: ["cluster": "users"]),
        ])
        let first = world.pass([down], at: 1)
        #expect(summary(first) == ["all firing InstanceDown", "critical firing InstanceDown"])
        for delivery in first { _ = world.handle(.delivered(delivery.entry), at: 2) }
        _ = world.pass([], at: 3)
        #expect(summary(world.handle(.tick, at: 5)) == ["all resolved InstanceDown"])
    }

    @Test func `a new channel is told what fires already`() {
        var world = World([])
        #expect(world.pass([down], at: 1).isEmpty)
        #expect(summary(world.handle(.channels([hook("new")]), at: 10)) == ["new firing InstanceDown"])
    }

    @Test func `the messages of a channel that is gone are forgotten`() {
        var world = World()
        let first = world.pass([down], at: 1)
        #expect(world.handle(.channels([]), at: 2).isEmpty)
        #expect(world.outbox.isEmpty)
        #expect(world.handle(.delivered(first[0].entry), at: 3).isEmpty)
        _ = world.pass([], at: 4)
        _ = world.handle(.tick, at: 6)
        #expect(world.alerts.isEmpty)
    }
}

@Suite struct AlertRetryTests {
    @Test func `a network failure is tried again, later each time, in a bounded number of tries`() throws {
        var world = World()
        var delivery = try #require(world.pass([down], at: 1).first)
        var seconds = 1.0
        var gaps: [Double] = []
        while true {
            let decision = world.decide(.failed(delivery.entry, .transient("no route")), at: seconds)
            guard world.outbox[delivery.entry]?.gaveUp == nil else { break }
            let next = try #require(decision.next)
            gaps.append(Double((next - at(seconds)).milliseconds) / 1000)
            seconds = Double((next - start).milliseconds) / 1000
            delivery = try #require(world.handle(.tick, at: seconds).first)
        }
        #expect(gaps.count == Outbox.attemptsMax - 1)
        #expect((0.5...1).contains(gaps[0]) && (1...2).contains(gaps[1]) && (2...4).contains(gaps[2]))
        #expect(gaps.dropFirst(9).allSatisfy { (150...300).contains($0) })
        #expect(world.outbox[delivery.entry]?.lastError == "no route")
        #expect(world.events.map(\.reason) == ["AlertDelayed", "AlertGivenUp"])
        #expect(world.events.map(\.message) == ["no route; it is tried again", "no route; it is given up"])
        #expect(world.events.allSatisfy { $0.unit == UnitID(.alertChannel, "hook") })
    }

    @Test func `a message that the receiver refused is kept, and tried no more until the channel is corrected`() throws {
        var world = World()
        let first = try #require(world.pass([down], at: 1).first)
        #expect(world.handle(.failed(first.entry, .final("400 Bad Request")), at: 2).isEmpty)
        #expect(world.outbox[first.entry]?.gaveUp == at(2))
        #expect(world.outbox[first.entry]?.lastError == "400 Bad Request")
        #expect(world.handle(.tick, at: 600).isEmpty)
        var corrected = hook()
        corrected.target = .webhook(url: "http://127.0.0.1:2/", headers: [:])
        #expect(summary(world.handle(.channels([corrected]), at: 700)) == ["hook firing InstanceDown"])
    }

    @Test func `who was not told that it fires is not told that it is over`() throws {
        var world = World()
        let first = try #require(world.pass([down], at: 1).first)
        _ = world.handle(.failed(first.entry, .final("400")), at: 2)
        _ = world.pass([], at: 3)
        #expect(world.handle(.tick, at: 5).isEmpty)
        #expect(world.alerts.isEmpty)
        #expect(world.outbox.count == 1, "it is kept to be shown")
    }

    @Test func `a receiver's wish to be left alone is heard, up to a bound`() throws {
        var world = World()
        let first = try #require(world.pass([down], at: 1).first)
        #expect(world.decide(.failed(first.entry, .transient("429", after: .seconds(90))), at: 2).next == at(92))
        var other = World()
        let second = try #require(other.pass([down], at: 1).first)
        #expect(other.decide(.failed(second.entry, .transient("429", after: .seconds(1_000_000))), at: 2).next == at(3602))
    }

    @Test func `a slow channel delays no other, and gets its messages one by one in their order`() {
        var world = World([hook("fast"), hook("slow")])
        let first = world.pass([down], at: 1)
        #expect(summary(first) == ["fast firing InstanceDown", "slow firing InstanceDown"])
        let broken = Finding(reason: "ReplicationBroken", subject: "orders-3", message: "why", isDrift: true)
        #expect(world.pass([down, broken], at: 2).isEmpty)
        #expect(summary(world.handle(.delivered(first[0].entry), at: 3)) == ["fast firing ReplicationBroken"])
        #expect(summary(world.handle(.delivered(first[1].entry), at: 40)) == ["slow firing ReplicationBroken"])
    }

    @Test func `a restart repeats what was not known to have arrived, and nothing else`() throws {
        var world = World()
        let first = try #require(world.pass([down], at: 1).first)
        let again = try #require(world.restart(at: 5).first)
        #expect(again.message == first.message)
        #expect(again.payload == first.payload)
        _ = world.handle(.delivered(again.entry), at: 6)
        #expect(world.restart(at: 7).isEmpty)
        #expect(world.pass([down], at: 8).isEmpty)
        _ = world.pass([], at: 9)
        #expect(summary(world.handle(.tick, at: 11)) == ["hook resolved InstanceDown"])
        #expect(summary(world.restart(at: 12)) == ["hook resolved InstanceDown"])
    }

    @Test func `nothing is sent or forgotten before the channels are known`() {
        var world = World()
        _ = world.pass([down], at: 1)
        world.machine = AlertMachine(alerts: Array(world.alerts.values), outbox: Array(world.outbox.values), externalURL: "x", seed: 3)
        #expect(world.pass([down], at: 10).isEmpty)
        #expect(world.outbox.count == 1)
    }

    @Test func `a channel's queue is bounded, and what found no room is told later`() {
        var world = World()
        let many = (1...(Outbox.queueMax + 5)).map {
            Finding(reason: "ParameterDrift", subject: "orders-1.p\($0)", message: "m", isDrift: true)
        }
        var next = world.pass(many, at: 1)
        #expect(world.outbox.count == Outbox.queueMax)
        var told = 0
        while let delivery = next.first {
            told += 1
            next = world.handle(.delivered(delivery.entry), at: 2)
        }
        next = world.handle(.tick, at: 400)
        while let delivery = next.first {
            told += 1
            next = world.handle(.delivered(delivery.entry), at: 401)
        }
        #expect(told == many.count)
    }
}

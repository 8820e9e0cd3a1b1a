import FleetModel

extension Fault {
    /// Every fault, in the order in which all of them run.
    package static let all: [Fault] = [
        Fault("switchover", "a planned change of primary under load", .another, aim: .pooled(.milliseconds(100)), [
            Step(at: .zero, act: .switchover)
        ]),
        Fault("primary-kill", "kill -9 of the primary, which may start again at once", .either, aim: .everybody(.seconds(1)), [
            act(.killDatabase, .primary, seconds: 1)
        ]),
        Fault("primary-flapping", "kill -9 of the primary three times, 3 s apart; it settles", .either, [
            act(.killDatabase, .primary, seconds: 15) { $0.times = 3; $0.everyMilliseconds = 3000 }
        ]),
        Fault(
            "primary-start-fails", "kill -9 of the primary, and of whatever is started in its place, for 15 s; another takes over",
            .another, aim: .everybody(.seconds(1)), [
                // A start takes longer than the time between two.
                act(.killDatabase, .primary, seconds: 15) { $0.times = 150; $0.everyMilliseconds = 100 }
            ]),
        Fault("primary-freeze", "SIGSTOP of the primary for 20 s; another takes over", .another, aim: .everybody(.seconds(5)), [
            act(.freezeDatabase, .primary, seconds: 20)
        ]),
        Fault("host-cut", "the primary's host falls silent and is gone for 20 s; another takes over", .another, aim: .everybody(.seconds(5)), [
            act(.loseHost, .primary, seconds: 20)
        ]),
        Fault(
            "host-cut-heal", "the primary's host is cut off for 15 s and lives on; another takes over, it comes back as a replica",
            .another, aim: .everybody(.seconds(5)), [act(.cut, .primary, seconds: 15)]),
        Fault("zone-cut", "every host in the primary's zone is gone for 20 s; another zone takes over", .another, aim: .everybody(.seconds(3)), [
            act(.loseHost, .primaryZone, seconds: 20)
        ]),
        Fault(
            "zone-partition", "every host in the primary's zone is cut off for 15 s and lives on; another zone takes over",
            .another, aim: .everybody(.seconds(5)), [act(.cut, .primaryZone, seconds: 15)]),
        Fault("second-primary-kill", "the primary's host is gone for 20 s, and who takes over is killed by kill -9 right after", .another, [
            act(.loseHost, .primary, seconds: 20), act(at: 0.1, .killDatabase, .promoted, seconds: 1),
        ]),
        Fault(
            "applier-stopped", "every replica's applier is stopped by hand as the primary's host is gone for 20 s; all is applied first",
            .another, [act(.stopApplier, .replicas), act(.loseHost, .primary, seconds: 20)]),
        Fault("replica-kill", "kill -9 of a replica; nobody notices", .same, [act(.killDatabase, .replica, seconds: 1)]),
        Fault("replica-freeze", "SIGSTOP of a replica for 15 s; the others acknowledge", .same, [act(.freezeDatabase, .replica, seconds: 15)]),
        Fault("replica-writable", "a replica is opened for writing by hand, and nobody writes to it; it is closed again", .same, [
            // Long enough for the servers to have been told by the time it is looked whether all is well again.
            act(.openForWriting, .replica, seconds: 4)
        ]),
        Fault("primary-and-replica-kill", "kill -9 of the primary and a replica at once", .either, [
            act(.killDatabase, .primary, seconds: 1), act(.killDatabase, .replica, seconds: 1),
        ]),
        Fault("replicas-freeze", "SIGSTOP of every replica for 10 s: commits wait, nobody takes over", .same, [
            act(.freezeDatabase, .replicas, seconds: 10)
        ]),
        Fault("all-kill", "kill -9 of every instance at once", .either, [
            act(.killDatabase, .primary, seconds: 1), act(.killDatabase, .replicas, seconds: 1),
        ]),
        Fault(
            "primary-cut-from-replicas", "only replication is cut, for 15 s: no commit is acknowledged until it is back or another takes over",
            .either, aim: .everybody(.seconds(10)), [act(.cut, .primary, from: .replicas, seconds: 15)]),
        Fault("primary-cut-from-servers", "the primary's agent cannot reach the servers for 15 s; writes go on", .same, [
            act(.cut, .primary, from: .servers, seconds: 15)
        ]),
        Fault("agent-freeze", "SIGSTOP of the primary's agent for 15 s; writes go on", .same, [act(.freezeAgent, .primary, seconds: 15)]),
        Fault("one-way-cut", "nothing reaches the primary's host for 15 s, what it sends arrives", .either, [
            act(.cut, .primary, seconds: 15) { $0.direction = .incoming }
        ]),
        Fault("lossy-link", "every fifth packet of the primary's host is lost, for 15 s", .either, [
            act(.cut, .primary, seconds: 15) { $0.percent = 20 }
        ]),
        Fault(
            "disk-stall", "the primary's file system takes no writes for 15 s (only a small one of its own); another takes over", .another,
            aim: .everybody(.seconds(5)), [act(.stallDisk, .primary, seconds: 15)]),
        Fault("disk-full", "the primary's file system is full for 10 s (only a small one of its own)", .either, [
            act(.fillDisk, .primary, seconds: 10)
        ]),
    ]

    /// What must lose writes. The cluster may need a rebuild afterwards.
    package static let sabotages: [Fault] = [
        Fault(sabotage: "semi-sync-off", "the primary acknowledges without a copy for a second, then its host is lost", [
            act(.cut, .primary, from: .replicas, seconds: 25), act(at: 0.6, .semiSyncOff, .primary),
            act(at: 1.6, .loseHost, .primary, seconds: 22),
        ]),
        Fault(sabotage: "undrained", "replicas are re-pointed before they have applied what they received, as the primary's host is lost", [
            // Not before the host is gone, which would send all of it again.
            act(.holdApplier, .replicas, seconds: 10), act(at: 0.5, .loseHost, .primary, seconds: 25), act(at: 1.3, .repointUndrained, .replicas),
        ]),
        Fault(sabotage: "relay-purge", "replicas lose their relay logs with a kill, as the primary's host is lost", [
            // They are not up again before the host is gone.
            act(.holdApplier, .replicas, seconds: 10), act(at: 0.5, .loseHost, .primary, seconds: 25), act(at: 0.7, .purgeRelay, .replicas),
        ]),
        Fault(sabotage: "plain-restart", "the primary is started by hand after a kill, open and without semi-sync; then its host is lost", [
            act(.plainRestart, .primary, from: .replicas, seconds: 25) { $0.everyMilliseconds = 2000 }
        ]),
        Fault(sabotage: "two-writers", "a replica is opened, and clients write to it", [
            act(.openForWriting, .replica), Step(at: .milliseconds(100), act: .strayWrites),
        ]),
    ]

    private init(_ name: String, _ summary: String, _ expectation: Expectation, aim: Aim? = nil, _ steps: [Step]) {
        self.init(name: name, summary: summary, expectation: expectation, aim: aim, isSabotage: false, steps: steps)
    }

    private init(sabotage name: String, _ summary: String, _ steps: [Step]) {
        self.init(name: name, summary: summary, expectation: .either, aim: nil, isSabotage: true, steps: steps)
    }

    /// `at`, `seconds`: when it begins and how long it lasts.
    private static func act(
        at: Double = 0, _ kind: FaultKind, _ target: Target, from peers: Peers = .everybody, seconds: Int64 = 0,
        _ change: (inout FaultOrder) -> Void = { _ in }
    ) -> Step {
        var order = FaultOrder()
        order.kind = kind
        order.milliseconds = seconds * 1000
        change(&order)
        return Step(at: .milliseconds(Int64(at * 1000)), act: .order(order, target, peers))
    }
}

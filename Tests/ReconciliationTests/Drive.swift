import ControlAPI
import FleetModel
import MetadataStore
import Planning
import Reconciliation

/// A planner for tests that are about placing or rehearsing: it admits everything and learns nothing.
protocol PlacingPlanner: UnitPlanner {}

extension PlacingPlanner {
    func absorb(
        _ outcome: AttemptOutcome, of task: PlannedTask, into records: ClusterRecords, at now: Instant, jitter: Double
    ) -> ClusterRecords { records }
    func admit(
        _ candidates: [PlannedTask], running: [RunningAttempt], policy: PlanningPolicy
    ) -> (admitted: [PlannedTask], held: [(task: PlannedTask, wait: Wait)]) { (candidates, []) }
    func key(of task: PlannedTask) -> String { task.action.name }
    func text(of plan: UnitPlan) -> String { "" }
}

/// Drives a machine: its commits succeed at once, time moves only when told.
struct Drive {
    var machine: LoopMachine
    var now = Instant(milliseconds: 1_000_000)
    let store = MemoryStore()
    var verdicts: [Bool] = []
    var closed: [UInt64] = []
    var sent: [ServerMessage] = []
    var offered: [AttemptOrder] = []
    private static let eventsMax = 10_000

    init(_ planner: any UnitPlanner, _ change: (inout LoopSettings) -> Void = { _ in }) {
        var settings = LoopSettings(sources: [SourceConfiguration(name: "fleet", url: "memory")], scripts: ["page"])
        change(&settings)
        machine = LoopMachine(
            settings: settings,
            credentials: Credentials(fleetKey: [1]), seed: 1, planner: planner)
    }

    /// Handles the event and all that follows from it at this moment; false where that does not end.
    mutating func handle(_ event: LoopEvent) -> Bool {
        var events = [event]
        for _ in 0..<Drive.eventsMax {
            guard !events.isEmpty else { return true }
            for directive in machine.handle(events.removeFirst(), now: now) {
                switch directive {
                case .load: events.append(.loaded(store.loadNow()))
                case .commit(let id, let changes, let term):
                    do throws(StoreError) {
                        try store.commitNow(changes, term: term)
                        events.append(.committed(id))
                    } catch {
                        events.append(.commitFailed(id, error))
                    }
                case .wake(let moment) where moment <= now: events.append(.woke)
                case .judged(_, _, let isAccepted): verdicts.append(isAccepted)
                case .send(let message, _, _): sent.append(message)
                case .offer(let order, _, _, _): offered.append(order)
                case .close(_, let connection): closed.append(connection)
                default: break
                }
            }
        }
        return false
    }

    mutating func lead() throws -> Bool {
        let lease = try store.acquireNow(holder: LeaseHolder(name: "test", run: 1), duration: .seconds(3600), now: now)
        return handle(.leaseGained(term: lease.term, until: now + lease.duration))
    }
}

extension Drive {
    mutating func mustLead() throws {
        guard try lead() else { throw TimeIsOver() }
    }

    /// Handles the events and all that follows from them at this moment.
    mutating func run(_ events: LoopEvent...) throws {
        for event in events where !handle(event) { throw TimeIsOver() }
    }

    /// Handles one event; the answers to the commits that it asked for are left to whoever calls.
    mutating func once(_ event: LoopEvent) throws -> [LoopEvent] {
        var answers: [LoopEvent] = []
        for directive in machine.handle(event, now: now) {
            guard case .commit(let id, let changes, let term) = directive else { continue }
            try store.commitNow(changes, term: term)
            answers.append(.committed(id))
        }
        return answers
    }
}

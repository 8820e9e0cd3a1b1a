import ControlAPI
import Engines
import FleetModel

@testable import Agent

let orders1 = InstanceID(clusterUID: "c1", ordinal: 1)
let orders2 = InstanceID(clusterUID: "c1", ordinal: 2)

func order(
    _ id: String, _ action: Action, on instance: InstanceID = orders1, term: Int64 = 1, epoch: Int64 = 1,
    secrets: [String: String] = [:]
) -> AttemptOrder {
    AttemptOrder(
        id: id, term: term, epoch: epoch, instance: instance, clusterName: "orders", action: action, secrets: secrets)
}

func stopped(_ id: InstanceID = orders1) -> InstanceReport {
    InstanceReport(id: id, clusterName: "orders", port: 3306, process: .stopped)
}

/// As the agent tells it of an instance of which its journal says nothing.
func told(_ report: InstanceReport) -> InstanceReport {
    var report = report
    report.resumes = .nothing
    report.isSupervised = false
    return report
}

func running(
    _ id: InstanceID = orders1, readOnly: Bool = true, sequence: Int64 = 0, replicates: Bool = false,
    hasSource: Bool = false
) -> InstanceReport {
    let position = GTIDSet(domains: sequence == 0 ? [:] : [1: GTIDSet.Last(serverID: 1, sequence: sequence)])
    let replication = ReplicationReport(
        sourceHost: "127.0.1.1", sourcePort: 3306, ioRunning: replicates, sqlRunning: replicates)
    return InstanceReport(
        id: id, clusterName: "orders", port: 3306, process: .running,
        database: DatabaseReport(
            version: "10.11.19", serverID: 1, readOnly: readOnly, binlogPosition: position,
            replication: replicates || hasSource ? replication : nil))
}

func ended(_ id: String, _ outcome: AttemptOutcome) -> AgentDirective {
    .send(.attempt(AttemptStatus(id: id, state: .ended(outcome))))
}

let done = AttemptOutcome.succeeded(TaskResult())

func change(
    _ role: InstanceRole, epoch: Int64, _ id: InstanceID = orders1
) -> AgentDirective {
    .roleChanged(RoleChange(instance: id, clusterName: "orders", role: role, epoch: epoch))
}

/// A machine with a clock, as the tests drive it.
struct Bench {
    var machine: AgentMachine
    var now = Instant(milliseconds: 1_000_000)

    init(journal: JournalState = JournalState()) {
        machine = AgentMachine(host: "a1", agentVersion: "1", journal: journal)
    }

    /// The answer to an event; moments to wake at are left out, and notices are only counted by their tests.
    mutating func callAsFunction(_ event: AgentEvent, after delay: Duration = .zero) -> [AgentDirective] {
        all(event, after: delay).filter { directive in
            switch directive {
            case .wake, .tell: false
            default: true
            }
        }
    }

    mutating func all(_ event: AgentEvent, after delay: Duration = .zero) -> [AgentDirective] {
        now = now + delay
        return machine.handle(event, now: now)
    }

    /// Answers every look with these, and hands over every message, until nothing more is asked for but by time.
    /// Returns the directives that are left.
    @discardableResult
    mutating func settle(_ directives: [AgentDirective], _ reports: [InstanceReport]) -> [AgentDirective] {
        var left: [AgentDirective] = []
        var queue = directives
        while !queue.isEmpty {
            let directive = queue.removeFirst()
            switch directive {
            case .lookAtHost: queue += self(.hostLooked(HostFacts(instances: reports.map(\.id).sorted())))
            case .look(let id, _): queue += self(.looked(id, reports.first { $0.id == id }))
            case .send: queue += self(.sent); left.append(directive)
            default: left.append(directive)
            }
        }
        return left
    }

    /// Starts, looks, connects and is welcomed: then nothing is left to be said.
    mutating func serve(_ reports: [InstanceReport] = [], term: Int64 = 1, store: String = "s1") -> [AgentDirective] {
        var left = settle(self(.started), reports)
        left += settle(self(.connected), reports)
        left += settle(self(.received(.welcome(storeID: store, term: term, fingerprintKeys: [:]))), reports)
        // The report that names the store.
        left += settle(self(.woke, after: .milliseconds(200)), reports)
        return left
    }

    mutating func offer(_ order: AttemptOrder) -> [AgentDirective] { self(.received(.offer(order))) }

    /// Offers an order and lets it end well, the instance then looking like this.
    mutating func complete(_ order: AttemptOrder, leaving reports: [InstanceReport]) -> [AgentDirective] {
        settle(offer(order), reports) + settle(self(.attemptEnded(attempt: order.id, done)), reports)
    }
}

extension AgentDirective {
    var message: AgentMessage? {
        if case .send(let message) = self { message } else { nil }
    }

    var isReport: Bool {
        if case .send(.report) = self { true } else { false }
    }

    var isHeartbeat: Bool {
        if case .send(.heartbeat) = self { true } else { false }
    }

    var isHello: Bool {
        if case .send(.hello) = self { true } else { false }
    }
}

/// Without reports and heartbeats.
func withoutObservations(_ directives: [AgentDirective]) -> [AgentDirective] {
    directives.filter { !$0.isReport && !$0.isHeartbeat }
}

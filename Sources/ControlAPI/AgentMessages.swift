package import FleetModel

// What an agent and its server say to each other: one line of JSON each, on two long streams that the agent opens
// (`POST /api/v1/agent/up`, `GET /api/v1/agent/down`). An unknown message or field is passed over; an unknown action is
// answered with `refused`.

/// The version of these messages. Neighbouring releases work together; a larger gap is refused in the hello.
package let agentProtocolVersion = 1

/// One attempt as its agent's journal has it.
package enum AttemptState: Sendable, Hashable {
    /// On the agent's disk, not begun. In a hello it means: the agent was restarted under it and waits for the same
    /// order (same id, with its secrets) to be offered again; not offered again within 15 s of the welcome, it fails.
    case accepted
    /// Phase for people, and progress where it is measured.
    case running(AttemptProgress)
    case ended(AttemptOutcome)
}

package struct AttemptProgress: Sendable, Hashable {
    /// `copying`, `preparing`, `catching up` …
    package var phase: String
    /// In the phase's own unit (bytes, transactions); 0 of 0 where nothing is counted.
    package var done: Int64
    package var total: Int64

    package init(phase: String, done: Int64 = 0, total: Int64 = 0) {
        self.phase = phase
        self.done = done
        self.total = total
    }
}

package struct AttemptStatus: Sendable, Hashable {
    package var id: String
    package var state: AttemptState

    package init(id: String, state: AttemptState) {
        self.id = id
        self.state = state
    }
}

/// Where the receiver of a copy waits, for its donor: good for one connection.
package struct CopyEndpoint: Sendable, Hashable {
    /// The attempt that receives.
    package var attempt: String
    package var address: String
    package var port: Int
    /// Sent as the stream's first bytes.
    package var token: String
    /// SHA-256 of the certificate made for this attempt, hex; the donor accepts no other.
    package var certificateDigest: String

    package init(attempt: String, address: String, port: Int, token: String, certificateDigest: String) {
        self.attempt = attempt
        self.address = address
        self.port = port
        self.token = token
        self.certificateDigest = certificateDigest
    }
}

/// From agent to server.
package enum AgentMessage: Sendable, Hashable {
    /// First on every connection. `term` is the highest that the agent has promised; `attempts` all that its journal
    /// holds and the server has not yet settled, sorted by id. The server answers with `welcome` (or `gathering`,
    /// `notLeader`, `refused`), then `settled` for each that has ended, and offers again, under the same id, every open attempt of
    /// this host that is `accepted` here or missing (its offer was lost).
    case hello(
        version: Int, term: Int64, attempts: [AttemptStatus], report: HostReport, digest: String, delay: Duration)
    /// The state has changed; replaces the last report whole, but for `catalogs`, which holds only those that are new
    /// since the hello. `delay`: age of its oldest fact when it was sent.
    case report(HostReport, digest: String, delay: Duration)
    /// Nothing has changed since the report of this connection that has this digest: whatever text its agent gave it, and no
    /// other report of it. Every second.
    case heartbeat(digest: String, delay: Duration)
    /// Where it has ended, the last report shows its instance as it was seen after that end.
    case attempt(AttemptStatus)
    /// The agent has this term on disk and takes no orders of a lower one.
    case promised(term: Int64)
    /// The receiver of a clone is ready; the server passes it on to the donor's agent. Repeated after a reconnect: the
    /// donor's agent sends a copy once.
    case copyReady(CopyEndpoint, donor: InstanceID)
    /// The donor's agent has ended its part; nil is success. Repeated after a reconnect.
    case copySent(attempt: String, error: String?)
    /// Answer to `fault`; not repeated after a reconnect.
    case faulted(FaultAnswer)
}

extension AgentMessage {
    /// What tells what the agent sees: a server that only looks on takes these, and answers them by their count.
    package var isObservation: Bool {
        switch self {
        case .hello, .report, .heartbeat: true
        case .attempt, .promised, .copyReady, .copySent, .faulted: false
        }
    }
}

/// An order to try a task.
package struct AttemptOrder: Sendable, Hashable {
    package var id: String
    package var term: Int64
    /// The cluster's epoch that the task was planned under. The larger of this and the action's own epoch counts: an agent that
    /// has promised this instance a higher one refuses, a higher one is promised on disk before anything is done, and
    /// ends the instance's right to be opened as the writer without a server.
    package var epoch: Int64
    package var instance: InstanceID
    package var clusterName: String
    package var action: Action
    /// The secrets that this action needs, by purpose (`replicationPassword`, `accountPassword`,
    /// `replicationPassword.<ordinal>`); in memory and on the wire only.
    package var secrets: [String: String]
    /// Who could be promoted in this instance's place by an automatic failover while its agent hears nobody. Empty where
    /// nobody could: `single`, `failover: manual`, without semi-sync.
    package var rivals: [Peer]

    package init(
        id: String, term: Int64, epoch: Int64, instance: InstanceID, clusterName: String, action: Action,
        secrets: [String: String] = [:], rivals: [Peer] = []
    ) {
        self.id = id
        self.term = term
        self.epoch = epoch
        self.instance = instance
        self.clusterName = clusterName
        self.action = action
        self.secrets = secrets
        self.rivals = rivals
    }
}

/// From server to agent.
package enum ServerMessage: Sendable, Hashable {
    /// Answer to a hello: the store that the agent is to bind to, the leader's term (to be promised before anything
    /// else), and the keys for account fingerprints by cluster uid, hex. An agent that is bound to one of the stores in
    /// `adopts` binds to this one, where the term is higher than it has promised. `epochs`: of the clusters on its host, by
    /// uid: a writer whose agent has promised a lower one is the writer no more, unless an order says so.
    case welcome(
        storeID: String, term: Int64, fingerprintKeys: [String: String], adopts: [String] = [], epochs: [String: Int64] = [:])
    /// Answer to a hello while the server's store is being rebuilt: the agent goes on to report, and waits for a welcome.
    case gathering
    case fingerprintKeys([String: String])
    /// This server does not serve agents now; the leader does, where it is known.
    case notLeader(url: String?)
    case refused(reason: String)
    /// The same id again does nothing but have its state repeated (or begins it, where it waits as `accepted`).
    case offer(AttemptOrder)
    /// A request: answered by the end of the attempt, whichever it is; `cancelled` where the agent never had it.
    case cancel(attempt: String, term: Int64)
    /// Every second, or sooner. `answers`: how many of the hello, reports and heartbeats of this connection the server has
    /// taken: the agent was heard when it sent the last of them, however long this answer was on its way. Nil from a
    /// server that does not count them. An agent that has heard one and then nothing for 10 s dials again.
    case heartbeat(answers: Int64? = nil)
    /// The end of the attempt is in the store: the journal may forget it.
    case settled(attempt: String)
    /// To the donor's agent: copy this instance there.
    case sendCopy(CopyEndpoint, donor: InstanceID)
    /// To the receiver's agent: the donor has ended.
    case copySent(attempt: String, error: String?)
    /// Report everything now.
    case observe
    /// The instance is in maintenance: for so long its agent does not start it by itself. Zero: it does again. Repeated
    /// on each connection, as the agent keeps it on disk.
    case holdStart(InstanceID, lasting: Duration)
    /// Beside attempts: an agent that was not started for game days refuses.
    case fault(FaultOrder)
    /// To the writer's agent: `AttemptOrder.rivals`, where they have changed since the last order.
    case rivals(InstanceID, [Peer])
}

extension ServerMessage {
    package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }
}

// Secrets are for the driver alone: whatever prints an order prints only their purposes.
extension AttemptOrder: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        "attempt \(id): \(action.name) on \(instance) (term \(term), epoch \(epoch), "
            + "secrets: \(secrets.keys.sorted().joined(separator: ", ")))"
    }

    package var debugDescription: String { description }

    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

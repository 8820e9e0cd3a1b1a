package import FleetModel

// What an agent and its server say to each other: one line of JSON each, on two long streams that the agent opens
// (`POST /api/v1/agent/up`, `GET /api/v1/agent/down`). An unknown message or field is passed over; an unknown action is
// answered with `refused`.

/// The version of these messages. Neighbouring releases work together; a larger gap is refused in the hello.
package let agentProtocolVersion = 1

/// One attempt as its agent's journal has it.
package enum AttemptState: Sendable, Hashable {
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
    /// holds and the server has not yet acknowledged the end of.
    case hello(version: Int, term: Int64, attempts: [AttemptStatus], report: HostReport)
    /// The state has changed. `delay`: age of its oldest fact when it was sent.
    case report(HostReport, digest: String, delay: Duration)
    /// Nothing has changed since the report with this digest. Every second.
    case heartbeat(digest: String, delay: Duration)
    case attempt(AttemptStatus)
    /// The agent has this term on disk and takes no orders of a lower one.
    case promised(term: Int64)
    /// The receiver of a clone is ready; the server passes it on to the donor's agent.
    case copyReady(CopyEndpoint, donor: InstanceID)
    /// The donor's agent has ended its part; nil is success.
    case copySent(attempt: String, error: String?)
}

/// An order to try a task.
package struct AttemptOrder: Sendable, Hashable {
    package var id: String
    package var term: Int64
    /// The cluster's epoch as the server knows it; an agent that has promised a higher one refuses.
    package var epoch: Int64
    package var instance: InstanceID
    package var clusterName: String
    package var action: Action
    /// The secrets that this action needs, by purpose (`replicationUser`, `replicationPassword`, `accountPassword`,
    /// `replicationPassword.<ordinal>`); in memory and on the wire only.
    package var secrets: [String: String]

    package init(
        id: String, term: Int64, epoch: Int64, instance: InstanceID, clusterName: String, action: Action,
        secrets: [String: String] = [:]
    ) {
        self.id = id
        self.term = term
        self.epoch = epoch
        self.instance = instance
        self.clusterName = clusterName
        self.action = action
        self.secrets = secrets
    }
}

/// From server to agent.
package enum ServerMessage: Sendable, Hashable {
    /// Answer to a hello: the store that the agent is to bind to, the leader's term (to be promised before anything
    /// else), and the keys for account fingerprints by cluster uid, hex.
    case welcome(storeID: String, term: Int64, fingerprintKeys: [String: String])
    case fingerprintKeys([String: String])
    /// This server does not serve agents now; the leader does, where it is known.
    case notLeader(url: String?)
    case refused(reason: String)
    case offer(AttemptOrder)
    case cancel(attempt: String, term: Int64)
    /// The end of the attempt is in the store: the journal may forget it.
    case settled(attempt: String)
    /// To the donor's agent: copy this instance there.
    case sendCopy(CopyEndpoint, donor: InstanceID)
    /// To the receiver's agent: the donor has ended.
    case copySent(attempt: String, error: String?)
    /// Report everything now.
    case observe
}

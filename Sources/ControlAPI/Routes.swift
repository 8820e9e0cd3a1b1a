/// Every path of the API, in one place for server, agent and command line. The page is `README.md` beside this file.
package enum Route {
    package static let prefix = "/api/v1"

    // What needs no token.
    package static let healthz = "/healthz"
    package static let readyz = "/readyz"

    package static let metrics = "/metrics"

    // Agents.
    package static let enrol = prefix + "/agent/enrol"
    package static let agentUp = prefix + "/agent/up"
    package static let agentDown = prefix + "/agent/down"

    // Views.
    package static let fleet = prefix + "/fleet"
    package static let events = prefix + "/events"
    package static let tasks = prefix + "/tasks"
    package static let history = prefix + "/history"
    package static let snapshot = prefix + "/snapshot"
    package static let watch = prefix + "/watch"
    package static let tree = prefix + "/tree"
    package static let settled = prefix + "/settled"

    // Commands.
    package static let plan = prefix + "/plan"
    package static let reconcile = prefix + "/reconcile"
    package static let suspend = prefix + "/suspend"
    package static let resume = prefix + "/resume"
    package static let switchover = prefix + "/switchover"
    package static let failover = prefix + "/failover"
    package static let approve = prefix + "/approve"
    package static let tokens = prefix + "/tokens"
    package static let gameDayBegin = prefix + "/gameday/begin"
    package static let gameDayFault = prefix + "/gameday/fault"
    package static let gameDayEnd = prefix + "/gameday/end"

    /// GET: what a rebuild of the store would come to. POST: its approval.
    package static let rebuild = prefix + "/rebuild"
}

/// Names of headers that are ours.
package enum HeaderName {
    /// The exit code that a plan's contents stand for, beside the plan in the form that was asked for.
    package static let exitStatus = "Evenkeel-Exit-Status"
    /// Unique to one agent process's connection; the same on both of its streams.
    package static let connection = "Evenkeel-Connection"
    /// The leader's URL, in a follower's refusal.
    package static let leader = "Evenkeel-Leader"
    /// An agent's membership ticket, by which its credential comes back into a store that was lost.
    package static let ticket = "Evenkeel-Ticket"
    /// A sentence that people should see beside any answer: the store is being rebuilt.
    package static let notice = "Evenkeel-Notice"
}

/// Bounds of what goes over the wire, kept by both ends.
package enum WireLimit {
    /// One line of a stream: a host's whole report with its catalogs is the longest.
    package static let lineBytesMax = 16 << 20
    /// A command's body.
    package static let commandBytesMax = 64 << 10
    /// The tree, or the differences, of a plan request.
    package static let planBytesMax = 256 << 20
    package static let answerBytesMax = 1 << 30
    /// Entries of events, tasks, history in one answer.
    package static let listMax = 1000
}

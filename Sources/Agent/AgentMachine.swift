package import FleetModel

/// All that an agent decides, as a value: events in, directives out. No clock, file, socket or random number is
/// reachable from here.
///
/// A list's `journal` directive comes first. The shell keeps a copy of the machine from before the event; where the
/// entries cannot be written it goes back to that copy and hands it `journalFailed(reason:event:)`, whose answer is
/// then carried out instead. (That is why this state machine is copyable.)
package struct AgentMachine: Sendable {
    package private(set) var journal: JournalState

    /// `journal`: what the last run left on disk.
    package init(host: String, agentVersion: String, journal: JournalState) {
        self.journal = journal
    }

    /// `now` never goes back.
    package mutating func handle(_ event: AgentEvent, now: Instant) -> [AgentDirective] {
        []
    }
}

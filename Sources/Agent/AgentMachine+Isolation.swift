import ControlAPI
import Engines
import FleetModel

// A writer in whose place another could have been promoted.
//
// Cut off from the servers *and* from those others its agent kills it: whoever can still reach it would read old rows,
// and its commits wait for nobody who could answer. Cut off from the servers alone it goes on: they are never the reason
// of an outage. It stays down until a server orders otherwise; its grant has ended.

extension AgentMachine {
    /// The server's word on the clusters of this host. A writer that does not run is not started by itself where a higher
    /// epoch than its own was given out: another took over, or is about to.
    mutating func heard(_ epochs: [String: Int64]) {
        for (id, kept) in journal.instances.sorted(by: { $0.key < $1.key }) where kept.grant != nil {
            guard let epoch = epochs[id.clusterUID], epoch > kept.epoch, watches[id]?.seen?.report.process == .stopped else { continue }
            // Without a journal it is not welcomed either: it is started when its time is over.
            guard isJournalWritable else { return }
            tell(.warning, "a writer is not started: its cluster has another epoch", ["instance": id.description])
            updateInstance(id) { ($0.epoch, $0.grant, $0.following, $0.shouldRun) = (epoch, nil, nil, false) }
        }
        isWelcomed = true
    }

    /// The server's word on who could be promoted in a writer's place.
    mutating func use(_ rivals: [Peer], of id: InstanceID) {
        guard journal.instances[id]?.grant != nil, isJournalWritable else { return }
        updateInstance(id) { $0.grant?.rivals = rivals }
    }

    // MARK: isolation

    /// Who could be promoted behind this agent's back in place of a writer; nil where there is nobody, and in maintenance.
    private func rivals(_ id: InstanceID, _ watch: Watch) -> [Peer]? {
        guard let seen = watch.seen, seen.report.process != .stopped, watch.operation != .fencingItself,
            let kept = journal.instances[id], let grant = kept.grant, grant.semiSync, !grant.rivals.isEmpty,
            kept.startHeldUntil.map({ now >= $0 }) ?? true
        else { return nil }
        return grant.rivals
    }

    /// When to begin to ask the others.
    private var suspectsFrom: Instant {
        guard let serverHeard else { return (beganAt ?? now) + AgentLimits.serverQuietMax }
        return isReporting ? serverHeard + AgentLimits.serverQuietMax : serverHeard
    }

    mutating func guardWriters() {
        for (id, watch) in watches where watch.selfFenceDue == nil {
            guard let rivals = rivals(id, watch) else { continue }
            if watch.contact.asked == nil, now >= max(suspectsFrom, watch.contact.askDue) {
                watches[id]?.contact.asked = now
                directives.append(.askPeers(id, rivals, within: AgentLimits.peersMax))
            }
            if let due = isolationDue(watch), now >= due { cutOff(id) }
        }
        for (id, watch) in watches {
            if let due = watch.selfFenceDue, now >= due, watch.operation != .fencingItself { fenceItself(id) }
        }
    }

    /// When it counts as cut off; nil while a question may still be answered.
    private func isolationDue(_ watch: Watch) -> Instant? {
        guard let since = watch.contact.unansweredSince, let beganAt else { return nil }
        let heard = [beganAt, serverHeard, watch.contact.heard].compactMap(\.self).max() ?? beganAt
        // Asked before the server's last word, they are asked again.
        return since >= (serverHeard ?? beganAt) ? heard + AgentLimits.isolationMax : nil
    }

    mutating func peersAsked(_ id: InstanceID, answered: Bool) {
        guard var watch = watches[id], let asked = watch.contact.asked else { return }
        watch.contact.asked = nil
        watch.contact.askDue = max(now, asked + AgentLimits.peersInterval)
        if answered {
            (watch.contact.heard, watch.contact.unansweredSince) = (asked, nil)
        } else {
            let before = watch.contact.unansweredSince
            watch.contact.unansweredSince = before.flatMap { $0 >= (serverHeard ?? $0) ? $0 : nil } ?? asked
        }
        watches[id] = watch
    }

    /// Its right to write ends on disk first; where the disk does not take that, it is killed all the same.
    private mutating func cutOff(_ id: InstanceID) {
        tell(.error, "a writer is killed: it is cut off from the servers and from all who could take over from it", ["instance": id.description])
        let epoch = journal.instances[id]?.epoch ?? 0
        if isJournalWritable {
            updateInstance(id) { $0.begin(.fence(epoch: epoch), epoch: epoch) }
        } else {
            unsavedFences[id] = max(epoch, unsavedFences[id] ?? 0)
        }
        // A question that is under way is still to be answered.
        let asked = watches[id]?.contact.asked
        watches[id]?.contact = PeerContact(asked: asked)
        watches[id]?.selfFenceDue = now
    }

    private mutating func fenceItself(_ id: InstanceID) {
        watches[id]?.operation = .fencingItself
        let epoch = journal.instances[id]?.epoch ?? 0
        directives.append(.fenceItself(id, clusterName: watches[id]?.facts?.clusterName ?? "", epoch: epoch))
    }

    mutating func selfFenceEnded(_ id: InstanceID, error: String?) {
        guard watches[id]?.operation == .fencingItself else { return }
        if let error { tell(.error, "a writer that is cut off could not be killed", ["instance": id.description, "reason": error]) }
        watches[id]?.selfFenceDue = error == nil ? nil : now + AgentLimits.selfFenceRetry
        endOperation(id)
    }

    func noteIsolationDeadlines(_ next: inout Earliest) {
        for (id, watch) in watches {
            if watch.operation != .fencingItself { next.note(watch.selfFenceDue) }
            guard watch.selfFenceDue == nil, rivals(id, watch) != nil else { continue }
            if watch.contact.asked == nil { next.note(max(suspectsFrom, watch.contact.askDue)) }
            next.note(isolationDue(watch))
        }
    }
}

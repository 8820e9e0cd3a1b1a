import FleetModel
package import Planning

// The rebuild of a store, as people see and approve it.

extension Reconciler {
    package var isRebuilding: Bool { machine.isRebuilding }

    /// Throws while the store is being rebuilt.
    package func checkRebuilt() throws(ReconcilerError) {
        guard machine.isRebuilding else { return }
        throw ReconcilerError(.rebuilding, "This cannot be done now: \(LoopMachine.rebuildNotice).")
    }

    /// What a rebuild would come to with these choices.
    package func rebuild(_ choices: RebuildChoices) throws(ReconcilerError) -> RebuildView {
        guard let view = machine.rebuildView(choices, at: clock.now()) else {
            try checkLeader()
            throw ReconcilerError(
                .rebuilding,
                "The store is not being rebuilt. A lost store, or a backup that was put back, is rebuilt by `evenkeel serve --rebuild`.")
        }
        return view
    }

    /// Takes what was gathered for the records; returns when it is in the store.
    package func approve(_ approval: RebuildApproval) async throws(ReconcilerError) {
        let view = try rebuild(approval.choices)
        guard view.proposal.mistakes.isEmpty else {
            throw ReconcilerError(.invalid, view.proposal.mistakes.joined(separator: "\n"))
        }
        guard view.refusals.isEmpty else { throw ReconcilerError(.refused, view.refusals.joined(separator: "\n")) }
        guard view.proposal.digest == approval.digest else {
            throw ReconcilerError(
                .stale,
                "What is seen now is \(view.proposal.digest), not \(approval.digest): look at `evenkeel rebuild` again, and approve that.")
        }
        guard !machine.isApprovingRebuild else { throw ReconcilerError(.unavailable, "Another approval is on its way to the store.") }
        handle(.request(.approveRebuild(approval)))
        // Until the loop leads by the new records, so that whoever approved can go on at once.
        let deadline = clock.now() + Reconciler.approvalMax
        lastWaiter += 1
        let number = lastWaiter
        jobSink.yield(.sleep(until: deadline, .waiter(number)))
        while machine.isApprovingRebuild || !machine.isLeader && !machine.isRebuilding {
            guard clock.now() < deadline, !Task.isCancelled else { break }
            await waitForNews(number)
        }
        if let failure = machine.rebuildFailure {
            throw ReconcilerError(.unavailable, "The approval could not be stored: \(failure). The store is being rebuilt as before.")
        }
        guard machine.isLeader else {
            throw ReconcilerError(.unavailable, "It is not known whether the approval was stored: this server lost its lead over it. Look at `evenkeel rebuild` again.")
        }
    }

    private static let approvalMax: Duration = .seconds(10)
}

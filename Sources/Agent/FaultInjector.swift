import Engines
package import FleetModel

/// Hurts this host on purpose, for a game day. Nothing of it is in the journal: what it does heals by itself.
package protocol FaultInjector: Sendable {
    /// Prepares the fault, so that it strikes a moment after this returned and heals without the agent. Throws
    /// `EngineError` where it cannot, with how to mend that; then nothing was done.
    func inject(_ order: FaultOrder) async throws -> FaultAnswer
}

extension AgentParts {
    /// What the server is told; the fault has not struck yet.
    func answer(to order: FaultOrder) async -> FaultAnswer {
        guard let faults else {
            return FaultAnswer(
                id: order.id,
                refusal: "the agent of \(host) was not started with --game-day; start it so where its databases may be hurt")
        }
        do {
            let answer = try await faults.inject(order)
            if order.kind != .measure {
                log(AgentNotice(.warning, "a game day hurts this host", ["fault": order.kind.rawValue, "run": order.run]))
            }
            return answer
        } catch {
            return FaultAnswer(id: order.id, refusal: "\(host): \(error)")
        }
    }
}

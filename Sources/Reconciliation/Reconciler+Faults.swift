import ControlAPI
package import FleetModel

/// Faults whose answer is waited for.
struct FaultAnswers {
    private var hosts: [String: String] = [:]
    private var answers: [String: FaultAnswer] = [:]

    mutating func expect(_ order: FaultOrder, from host: String) { hosts[order.id] = host }

    /// Only what was asked, from whom it was asked.
    mutating func take(_ answer: FaultAnswer, from host: String) {
        if hosts[answer.id] == host { answers[answer.id] = answer }
    }

    func answer(_ id: String) -> FaultAnswer? { answers[id] }

    mutating func forget(_ id: String) {
        hosts[id] = nil
        answers[id] = nil
    }
}

extension Reconciler {
    /// Has the agent of `host` hurt it. `order.instance` is one of the cluster's, of which the caller has made sure that
    /// it may be hurt. Returns the agent's answer, which may be a refusal; the fault has hardly struck then.
    package func inject(_ order: FaultOrder, on host: String) async throws(ReconcilerError) -> FaultAnswer {
        try checkLeader()
        guard machine.isUsable(host), let connection = machine.agents[host]?.connection else {
            throw ReconcilerError(.unavailable, "The agent of \(host) is not connected: `evenkeel get hosts` shows since when.")
        }
        let deadline = clock.now() + Reconciler.faultAnswerMax
        faultAnswers.expect(order, from: host)
        defer { faultAnswers.forget(order.id) }
        send(.message(.fault(order)), connection)
        lastWaiter += 1
        let number = lastWaiter
        jobSink.yield(.sleep(until: deadline, .waiter(number)))
        while clock.now() < deadline, !Task.isCancelled {
            if let answer = faultAnswers.answer(order.id) { return answer }
            await waitForNews(number)
        }
        throw ReconcilerError(
            .unavailable, "The agent of \(host) did not answer; is it of an older release? It may have struck all the same.")
    }

    /// For so long an agent's answer is waited for.
    static let faultAnswerMax: Duration = .seconds(10)
}

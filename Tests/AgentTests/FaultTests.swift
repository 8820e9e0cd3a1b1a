import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

private func fault(_ id: String = "r-1", _ kind: FaultKind = .freezeDatabase) -> FaultOrder {
    var order = FaultOrder()
    order.id = id
    order.kind = kind
    order.instance = orders1
    return order
}

@Suite struct `Faults of a game day` {
    @Test func `a fault is carried out beside attempts, and answered`() {
        var bench = Bench()
        bench.settle(bench.serve([running()]), [running()])
        #expect(bench(.received(.fault(fault()))) == [.fault(fault())])
        let answer = FaultAnswer(id: "r-1", behind: 7)
        let directives = bench(.faulted(answer)) + bench(.sent)
        #expect(directives.contains(.send(.faulted(answer))))
        #expect(!directives.contains { if case .journal = $0 { true } else { false } })
    }

    @Test func `an answer belongs to the connection that asked`() {
        var bench = Bench()
        bench.settle(bench.serve([running()]), [running()])
        _ = bench(.received(.fault(fault())))
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        #expect(bench(.faulted(FaultAnswer(id: "r-1"))) == [])
        #expect(bench.machine.faultAnswers.isEmpty)
    }

    @Test func `a server that is not accepted orders nothing`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        #expect(bench(.received(.fault(fault()))) == [])
    }

    @Test func `an agent that was not started for it refuses, and says how to mend that`() async throws {
        let rig = Rig()
        try await rig.run { connection in
            connection.say(.fault(fault()))
            let answer = try await rig.transport.heard.first { message -> FaultAnswer? in
                if case .faulted(let answer) = message { answer } else { nil }
            }
            #expect(answer.id == "r-1")
            #expect(answer.refusal?.contains("--game-day") == true)
        }
    }
}

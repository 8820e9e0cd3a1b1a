import FleetModel
@testable import Simulation
import Testing

/// The model's own answers to what a failover does, by hand.
@Suite(.serialized) struct FailoverModelTests {
    private func instance(_ ordinal: Int) -> ModelInstance {
        let made = ModelInstance(id: InstanceID(clusterUID: "u", ordinal: ordinal))
        (made.serverID, made.gtidDomain, made.directory, made.configuration) = (Int64(ordinal), 7, .ready, "")
        made.start()
        return made
    }

    @Test func `a plain start commits the tail, one that cuts drops its rows and keeps accounts`() {
        for cutting in [false, true] {
            let writer = instance(1)
            for row in 1...3 { writer.append(.write(row)) }
            writer.process?.unacknowledged = [1, 2]
            writer.crash(loss: 0)
            writer.start(cutting: cutting)
            #expect(writer.binlog.count == (cutting ? 1 : 3))
        }
        let writer = instance(1)
        writer.append(.replicationAccount(InstanceID(clusterUID: "u", ordinal: 2)))
        writer.append(.write(1))
        writer.process?.unacknowledged = [0, 1]
        writer.crash(loss: 0)
        writer.start(cutting: true)
        #expect(writer.binlog.count == 1)
    }

    @Test func `a row before what cannot be cut lets a start that cuts fail`() {
        let writer = instance(1)
        writer.append(.write(1))
        writer.append(.replicationAccount(InstanceID(clusterUID: "u", ordinal: 2)))
        writer.process?.unacknowledged = [0, 1]
        writer.crash(loss: 0)
        #expect(!writer.start(cutting: true) && writer.cannotBeCut)
        #expect(writer.start() && writer.binlog.count == 2)
    }

    @Test func `what was received outlives a crash, and a start of threads that were down, as files only`() {
        let replica = instance(2)
        replica.startReplicating(acknowledging: true)
        let writer = instance(1)
        for row in 1...2 { writer.append(.write(row)) }
        replica.relay = writer.binlog
        #expect(replica.ioPosition.description == "7-1-2")
        replica.crash(loss: 0)
        replica.start()
        #expect(replica.ioPosition.isEmpty && replica.receivedCount == 2)
        replica.startReplicating(acknowledging: true)
        #expect(replica.receivedCount == 0 && replica.receivedPosition.description == "7-1-2")
        replica.applyRelayFiles()
        #expect(replica.position.description == "7-1-2")
    }

    @Test func `each cluster numbers what it wrote, in one history`() {
        let (first, second) = (instance(1), instance(2))
        second.gtidDomain = 8
        for row in 1...3 { first.append(.write(row)) }
        for transaction in first.binlog { second.append(received: transaction) }
        second.append(.write(4))
        #expect(second.position.description == "7-1-3,8-2-1" && second.position.contains(first.position))
        #expect(!first.position.contains(second.position) && second.binlog.starts(with: first.binlog))
    }

    @Test func `a commit that waits is in no copy`() {
        let writer = instance(1)
        for row in 1...3 { writer.append(.write(row)) }
        writer.process?.unacknowledged = [2]
        #expect(writer.committed.count == 2)
    }

    /// A host that is lost for good costs the cluster its writer, and the loop finds another.
    @Test func `a cluster whose writer's host is lost for good has a writer again`() {
        let result = Simulation.run(seed: 13)
        #expect(result.failure == nil, "\(result.trace.suffix(60).joined(separator: "\n"))")
        #expect(result.failovers > 0)
    }

    /// The second one is that of whoever was to take over. With what they received dropped (`undrained`) rows are lost in the second
    /// of these.
    @Test(arguments: [85, 597] as [UInt64])
    func `one that loses two hosts for good keeps what is left`(seed: UInt64) {
        let result = Simulation.run(seed: seed)
        #expect(result.failure == nil, "\(result.trace.suffix(60).joined(separator: "\n"))")
        #expect(result.failovers > 1)
    }
}

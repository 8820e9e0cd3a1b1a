import FleetModel
import Testing

struct RecordsTests {
    @Test func `what a clock that was ahead has written begins now, and what is over stays`() {
        let (now, ahead) = (Instant(milliseconds: 1_000_000), Instant(milliseconds: 2_500_000))
        var records = ClusterRecords(uid: "c1", name: "orders", gtidDomain: 7)
        records.failovers = [FailoverMark(at: Instant(milliseconds: 900_000), zone: "a"), FailoverMark(at: ahead, zone: "b")]
        records.failover = FailoverIntent(from: 1, epoch: 2, began: ahead, reason: "lost", ackers: [2])
        records.switchover = SwitchoverIntent(from: 1, to: 2, epoch: 2, began: ahead, reason: "by hand")
        records.failures = [
            "new": FailureRecord(count: 2, last: ahead, message: "", retryAt: ahead + .seconds(30)),
            "old": FailureRecord(count: 1, last: now, message: "", retryAt: now + .seconds(1)),
        ]
        records.countMoments(until: now)
        #expect(records.failovers.map(\.at) == [Instant(milliseconds: 900_000), now])
        #expect(records.failover?.began == now && records.switchover?.began == now)
        #expect(records.failures["new"]?.retryAt == now + .seconds(30) && records.failures["new"]?.last == now)
        #expect(records.failures["old"]?.retryAt == now + .seconds(1))
    }

    @Test func `only those outside the writer's zone acknowledge for it, where there are any`() {
        var records = ClusterRecords(uid: "c1", name: "orders", gtidDomain: 7)
        func member(_ ordinal: Int, _ zone: String, _ phase: MemberPhase = .active) -> MemberRecord {
            MemberRecord(ordinal: ordinal, host: "h\(ordinal)", zone: zone, address: "127.0.0.\(ordinal)", port: 7001, serverID: 1, phase: phase)
        }
        records.members = [member(1, "a"), member(2, "a"), member(3, "b", .leaving)]
        #expect(records.isZoneOfAckers("a", for: "a"))
        records.members.append(member(4, "b"))
        #expect(!records.isZoneOfAckers("a", for: "a") && records.isZoneOfAckers("b", for: "a"))
    }
}

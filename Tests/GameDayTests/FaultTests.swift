import FleetModel
import Testing

@testable import GameDay

private func member(_ ordinal: Int, _ zone: String) -> Member {
    Member(name: "o-\(ordinal)", ordinal: ordinal, zone: zone, address: "10.0.0.\(ordinal)", port: 3306)
}

private let members = Members(primary: member(2, "a"), replicas: [member(4, "b"), member(3, "a"), member(1, "b")])

@Test func `names are unique and every fault ends within the bound of one`() {
    let faults = Fault.all + Fault.sabotages
    #expect(Set(faults.map(\.name)).count == faults.count)
    for fault in faults {
        #expect(!fault.steps.isEmpty && !fault.summary.isEmpty)
        for case .order(let order, _, _) in fault.steps.map(\.act) {
            #expect(order.milliseconds <= FaultOrder.millisecondsMax, "\(fault.name)")
        }
    }
    #expect(Fault.sabotages.map(\.name) == ["semi-sync-off", "undrained", "relay-purge", "plain-restart", "two-writers"])
}

@Test func `a fault meets those whom it means`() {
    let names = { (target: Fault.Target) in members.members(target).map(\.name) }
    #expect(names(.primary) == ["o-2"])
    #expect(names(.replica) == ["o-1"])
    #expect(names(.replicas) == ["o-1", "o-3", "o-4"])
    #expect(names(.primaryZone) == ["o-2", "o-3"])
    let orders = members.orders(FaultOrder(), .primary, .replicas)
    #expect(orders.map(\.1.peers) == [["10.0.0.1", "10.0.0.3", "10.0.0.4"]])
    #expect(members.orders(FaultOrder(), .primary, .servers).map(\.1.peers) == [["servers"]])
    #expect(members.orders(FaultOrder(), .primary, .everybody).map(\.1.peers) == [[]])
}

@Test func `a fault lasts until its last step has healed`() throws {
    let fault = try #require(Fault.sabotages.first { $0.name == "semi-sync-off" })
    #expect(fault.duration >= .seconds(25))
}

@Test func `who takes over is met only once another does`() throws {
    let fault = try #require(Fault.all.first { $0.name == "second-primary-kill" })
    #expect(fault.steps.map(\.waitsForPromotion) == [false, true])
    #expect(fault.steps[0].at < fault.steps[1].at)
    #expect(members.members(.promoted).map(\.name) == ["o-2"])
    let waiting = (Fault.all + Fault.sabotages).filter { $0.steps.contains(where: \.waitsForPromotion) }
    #expect(waiting == [fault])
}

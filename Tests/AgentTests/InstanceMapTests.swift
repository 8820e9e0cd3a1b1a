import FleetModel
import Testing

@testable import Agent

@Suite struct InstanceMapTests {
    private func id(_ uid: String, _ ordinal: Int) -> InstanceID { InstanceID(clusterUID: uid, ordinal: ordinal) }

    @Test func `instances are kept by id, in order, and one that is set to nothing is gone`() {
        var map = InstanceMap<Int>()
        for (number, key) in [id("b", 2), id("a", 10), id("b", 1), id("a", 2)].enumerated() { map[key] = number }
        #expect(map.map(\.key) == [id("a", 2), id("a", 10), id("b", 1), id("b", 2)])
        #expect(map.values == [3, 1, 2, 0])
        map[id("a", 10)]? += 5
        map[id("c", 1)]? += 5
        #expect(map[id("a", 10)] == 6 && map[id("c", 1)] == nil && map.keys.count == 4)
        map[id("b", 1)] = nil
        #expect(map.values == [3, 6, 0])
    }
}

import FleetModel
@testable import Simulation
import Testing

@Suite struct EventQueueTests {
    private func moment(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test func `what happens next comes by time, and at one time in the order in which it was asked for`() {
        var queue = EventQueue()
        var seen: [Int] = []
        let times: [Int64] = [5, 3, 5, 1, 3, 9, 1, 5]
        for (number, time) in times.enumerated() { queue.add({ seen.append(number) }, at: moment(time)) }
        // Places are used again while others wait.
        while let event = queue.next(until: moment(3)) { event.action() }
        #expect(queue.earliest == moment(5))
        for number in 8..<11 { queue.add({ seen.append(number) }, at: moment(4)) }
        while let event = queue.next(until: moment(100)) { event.action() }
        #expect(seen == [3, 6, 1, 4, 8, 9, 10, 0, 2, 7, 5])
        #expect(queue.isEmpty)
    }
}

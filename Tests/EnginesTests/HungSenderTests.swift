import Testing

@testable import Engines

@Suite struct HungSenders {
    private static let thread = ["Id": "14", "User": "evenkeel_repl_404ea6c32c_3", "Command": "Killed", "State": "Writing to net"]

    @Test func `one that was told to end and still writes to its replica hangs`() throws {
        #expect(HungSender.number(of: Self.thread) == 14)
    }

    @Test(arguments: [
        ("Command", "Binlog Dump"), ("State", "Master has sent all binlog to slave; waiting for more updates"), ("User", "app"),
    ])
    func `who was not told to end, writes nothing, or is no replica, is left alone`(column: String, value: String) {
        #expect(HungSender.number(of: Self.thread.merging([column: value]) { $1 }) == nil)
    }
}

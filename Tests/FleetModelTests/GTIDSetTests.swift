import FleetModel
import Testing

struct GTIDSetTests {
    private func set(_ text: String) throws -> GTIDSet { try #require(GTIDSet(text)) }

    @Test(arguments: [
        ("7-1-5", "7-1-5", true), ("7-1-6", "7-1-5", true), ("7-2-6", "7-1-5", true), ("7-1-4", "7-1-5", false),
        ("7-1-5,9-1-1", "7-1-5", true), ("7-1-5", "7-1-5,9-1-1", false), ("", "7-1-1", false), ("", "", true), ("7-1-5", "", true),
    ])
    func `one contains another that it is beyond, or ends with, in every domain`(_ own: String, _ other: String, _ isContained: Bool) throws {
        #expect(try set(own).contains(set(other)) == isContained)
    }

    @Test func `one that ends with another server's transaction of the same number holds another history`() throws {
        #expect(try !set("7-2-5").contains(set("7-1-5")))
        #expect(try !set("7-1-5").contains(set("7-2-5")))
    }
}

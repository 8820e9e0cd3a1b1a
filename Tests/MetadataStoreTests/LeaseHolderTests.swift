import FleetModel
import MetadataStore
import Testing

@Suite struct LeaseHolderTests {
    private let began = Instant(milliseconds: 1_700_000_000_000)

    @Test(arguments: ["db-1", "db/1", ""])
    func `a holder survives as text`(name: String) {
        let holder = LeaseHolder(name: name, began: began, random: .max)
        #expect(LeaseHolder(holder.description) == holder)
    }

    @Test func `a name that an earlier release stored is an earlier run`() {
        let earlier = LeaseHolder("db-1")
        #expect(earlier.name == "db-1")
        #expect(LeaseHolder(name: "db-1", began: began, random: 0).supersedes(earlier))
    }

    @Test func `only a later run of the same name supersedes`() {
        let first = LeaseHolder(name: "a", began: began, random: .max)
        let second = LeaseHolder(name: "a", began: began + .milliseconds(1), random: 0)
        #expect(second.supersedes(first))
        #expect(!first.supersedes(second))
        #expect(!first.supersedes(first))
        #expect(!LeaseHolder(name: "b", began: began + .seconds(1), random: 0).supersedes(first))
    }
}

import FleetModel
import Testing

@testable import Manifests

/// Fields that are one word or a mapping: `durability`, `failover`.
@Suite struct WordOrMappingTests {
    private func read(_ more: String, zones: String = "{zone: west-a}, {zone: west-b}") throws -> Cluster {
        let assembly = assembled(places(with: cluster("orders", more, zones: zones)))
        #expect(assembly.diagnostics.isEmpty, "\(lines(assembly.diagnostics))")
        return try #require(assembly.fleet.clusters["orders"]?.value)
    }

    @Test func `both spellings mean the same`() throws {
        #expect(try read("durability: async").durability == .async)
        #expect(try read("durability: {mode: async}").durability == .async)
        #expect(try read("failover: {mode: manual}") == read("failover: manual"))
        #expect(try read("durability: {mode: semiSync}\nfailover: {mode: automatic}") == read(""))
    }

    @Test func `what a mapping leaves out has its default`() throws {
        let alone = try read("durability: {whenAlone: continue}\nfailover: {maxDataLoss: 10}")
        #expect(alone.durability == .semiSync && alone.whenAlone == .continue && alone.relaySync == .os)
        #expect(alone.failover == .automatic && alone.maxDataLoss == 10)
        #expect(try read("durability: {relaySync: always}").relaySync == .always)
        #expect(try read("").maxDataLoss == nil)
    }

    @Test func `it is written as a word where a word says it all`() throws {
        let word = ManifestWriter.yaml(try read("durability: {mode: async}"))
        #expect(word.contains("  durability: async\n"))
        let mapping = ManifestWriter.yaml(try read("durability: {whenAlone: continue}"))
        #expect(mapping.contains("  durability:\n    whenAlone: continue\n"))
        #expect(!ManifestWriter.yaml(try read("")).contains("failover"))
    }

    @Test(arguments: ["durability: {whenAlone: continue}", "durability: {relaySync: always}", "failover: {maxDataLoss: 1}"])
    func `an instance alone has nobody that these could be about`(_ more: String) throws {
        let diagnostic = try only(cluster("orders", "topology: single\n" + more, zones: "{zone: west-a}"))
        #expect(diagnostic.message.hasSuffix("needs another instance, and `topology: single` has none"))
    }

    @Test func `what is accepted must be able to come about`() throws {
        let async = try only(cluster("orders", "durability: {mode: async, whenAlone: continue}", zones: "{zone: west-a}, {zone: west-b}"))
        #expect(async.message == "`whenAlone: continue` is for a primary that waits, and with `mode: async` none does")
        let manual = try only(cluster("orders", "failover: {mode: manual, maxDataLoss: 1}", zones: "{zone: west-a}, {zone: west-b}"))
        #expect(manual.message == "`maxDataLoss` is for automatic failovers, and with `mode: manual` there are none")
    }
}

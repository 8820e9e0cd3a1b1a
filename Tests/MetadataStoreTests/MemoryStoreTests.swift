import MetadataStore
import MetadataStoreConformance
import Testing

@Suite struct MemoryStoreTests {
    @Test(arguments: MetadataStoreConformance.checks)
    func `the store in memory keeps every rule`(check: MetadataStoreConformance.Check) async throws {
        try await check.run { MemoryStore(retention: $0) }
    }

    @Test func `a store in memory cannot be copied to a file`() async {
        await #expect(throws: StoreError.self) { try await MemoryStore().backUp(to: "/nowhere/copy") }
    }
}

import MetadataStore
import Server

/// The store that a configuration names.
enum StoreOpening {
    static func open(_ configuration: ServerConfiguration) async throws -> any MetadataStore {
        throw StoreError.unavailable("no store is built in")
    }
}

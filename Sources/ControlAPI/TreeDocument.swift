package import JSONStream

/// The files of the revision in force, so that a plan of other files sends only what differs from it.
package struct TreeDocument: JSONDocument, Hashable {
    package var source = ""
    /// The commit in force; empty: there is none yet, and nothing to differ from.
    package var revision = ""
    /// The source's folder within its repository; empty: all of it. Paths count from it.
    package var folder = ""
    /// The id that git gives each file's contents (SHA-1, hex), by path.
    package var files: [String: String] = [:]

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("source", \.source),
        JSONField("revision", \.revision),
        JSONField("folder", \.folder),
        JSONField("files", \.files),
    ]
}

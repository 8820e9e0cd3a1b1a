/// One file of the fleet repository, as a reader of trees found it.
package struct ManifestFile: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        case bytes([UInt8])
        /// It could not be read at all: a link that leaves the repository, a file beyond the size limit. Told at its
        /// first line, with what to do about it.
        case unreadable(message: String, help: String)
    }

    /// The path within the fleet repository, with `/`.
    package var path: String
    package var content: Content

    package init(path: String, bytes: [UInt8]) {
        self.path = path
        content = .bytes(bytes)
    }

    package init(path: String, unreadable message: String, help: String) {
        self.path = path
        content = .unreadable(message: message, help: help)
    }

    /// Larger files are not read: an error at their first line. Readers of trees need not fetch more of a file than
    /// one byte beyond it.
    package static let bytesMax = 16 << 20

    /// Whether a path of the tree is a manifest: `*.yaml` or `*.yml`, and no part of it begins with a dot.
    package static func isManifest(path: String) -> Bool {
        guard path.hasSuffix(".yaml") || path.hasSuffix(".yml") else { return false }
        return !path.split(separator: "/").contains { $0.hasPrefix(".") }
    }
}

package import JSONStream

/// The files of the revision in force, so that a plan of other files sends only what differs from it.
package struct TreeDocument: JSONCodable, Hashable {
    package var source = ""
    /// The commit in force; empty: there is none yet, and nothing to differ from.
    package var revision = ""
    /// The source's folder within its repository; empty: all of it. Paths count from it.
    package var folder = ""
    /// The id that git gives each file's contents (SHA-1, hex), by path.
    package var files: [String: String] = [:]

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("source", source)
        writer.member("revision", revision)
        writer.member("folder", folder)
        writer.member("files", files)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "source": try reader.read(&source)
            case "revision": try reader.read(&revision)
            case "folder": try reader.read(&folder)
            case "files": try reader.read(&files)
            default: try reader.skip()
            }
        }
    }
}

package import FleetModel
package import JSONStream

/// What `GET /api/v1/rebuild` answers: the records that an approval would write, and what an operator has to know
/// before. Only while the store is being rebuilt.
package struct RebuildDocument: JSONCodable, Hashable {
    /// When the rebuild began.
    package var since = Instant(milliseconds: 0)
    /// The newest revision of the fleet repository; nil while none could be read.
    package var revision: Revision?
    /// Of all that matters in what is seen now, whatever was chosen. An approval names it.
    package var digest = ""
    /// Hosts that report, and hosts that are expected and silent; sorted.
    package var hosts: [String] = []
    package var silent: [String] = []
    package var clusters: [RebuildClusterDocument] = []
    /// Instances that belong to nothing here: `hz-a-1: 0f3a…-2, of another cluster …`.
    package var strays: [String] = []
    /// Stores that agents are bound to: their agents are adopted.
    package var adopts: [String] = []
    /// What an approval with these choices is refused for, each with how to mend it; empty: it would be taken.
    package var refusals: [String] = []

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("sinceMilliseconds", since)
        writer.member("revision", ifPresent: revision)
        writer.member("digest", digest)
        writer.member("hosts", hosts)
        writer.member("silent", silent)
        writer.member("clusters", clusters)
        writer.member("strays", strays)
        writer.member("adopts", adopts)
        writer.member("refusals", refusals)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "sinceMilliseconds": try reader.read(&since)
            case "revision": revision = try Revision?(from: &reader)
            case "digest": try reader.read(&digest)
            case "hosts": try reader.read(&hosts)
            case "silent": try reader.read(&silent)
            case "clusters": try reader.read(&clusters)
            case "strays": try reader.read(&strays)
            case "adopts": try reader.read(&adopts)
            case "refusals": try reader.read(&refusals)
            default: try reader.skip()
            }
        }
    }
}

package struct RebuildClusterDocument: JSONCodable, Hashable {
    package var name = ""
    package var uid = ""
    /// `found`, `recorded` (only the store knows it) or `new` (only git does).
    package var standing = ""
    package var isDeclared = false
    /// That it will have, above every agent's.
    package var epoch: Int64 = 0
    package var gtidDomain: Int64 = 0
    /// `orders-1`, or empty; and how it is known.
    package var writer = ""
    package var writerKnownBy = ""
    package var instances: [RebuildInstanceDocument] = []
    /// Each with how to mend it.
    package var problems: [String] = []
    package var notes: [String] = []

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("uid", uid)
        writer.member("standing", standing)
        writer.member("declared", isDeclared)
        writer.member("epoch", epoch)
        writer.member("gtidDomain", gtidDomain)
        writer.member("writer", self.writer)
        writer.member("writerKnownBy", writerKnownBy)
        writer.member("instances", instances)
        writer.member("problems", problems)
        writer.member("notes", notes)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "uid": try reader.read(&uid)
            case "standing": try reader.read(&standing)
            case "declared": try reader.read(&isDeclared)
            case "epoch": try reader.read(&epoch)
            case "gtidDomain": try reader.read(&gtidDomain)
            case "writer": try reader.read(&writer)
            case "writerKnownBy": try reader.read(&writerKnownBy)
            case "instances": try reader.read(&instances)
            case "problems": try reader.read(&problems)
            case "notes": try reader.read(&notes)
            default: try reader.skip()
            }
        }
    }
}

package struct RebuildInstanceDocument: JSONCodable, Hashable {
    package var name = ""
    package var host = ""
    /// `running`, `stopped` …; `retired` and `halfMade` of what is only a directory.
    package var state = ""
    /// The highest that its agent has promised.
    package var epoch: Int64 = 0
    package var position = ""

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", name)
        writer.member("host", host)
        writer.member("state", state)
        writer.member("epoch", epoch)
        writer.member("position", position)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "name": try reader.read(&name)
            case "host": try reader.read(&host)
            case "state": try reader.read(&state)
            case "epoch": try reader.read(&epoch)
            case "position": try reader.read(&position)
            default: try reader.skip()
            }
        }
    }
}

/// Approves a rebuild.
package struct RebuildCommand: JSONCodable, Hashable {
    /// As `GET /api/v1/rebuild` told it.
    package var digest = ""
    /// Hosts to go on without.
    package var without: [String] = []
    /// By cluster the instance that is its writer (`orders-2`), or `none`.
    package var writers: [String: String] = [:]
    /// Declared clusters that were never made.
    package var create: [String] = []

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("digest", digest)
        writer.member("without", without)
        writer.member("writers", writers)
        writer.member("create", create)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "digest": try reader.read(&digest)
            case "without": try reader.read(&without)
            case "writers": try reader.read(&writers)
            case "create": try reader.read(&create)
            default: try reader.skip()
            }
        }
    }
}

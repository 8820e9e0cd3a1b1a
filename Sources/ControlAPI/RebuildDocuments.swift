package import FleetModel
package import JSONStream

/// What `GET /api/v1/rebuild` answers: the records that an approval would write, and what an operator has to know
/// before. Only while the store is being rebuilt.
package struct RebuildDocument: JSONDocument, Hashable {
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

    package static let fields: [JSONField<Self>] = [
        JSONField("sinceMilliseconds", \.since),
        JSONField("revision", ifPresent: \.revision),
        JSONField("digest", \.digest),
        JSONField("hosts", \.hosts),
        JSONField("silent", \.silent),
        JSONField("clusters", \.clusters),
        JSONField("strays", \.strays),
        JSONField("adopts", \.adopts),
        JSONField("refusals", \.refusals),
    ]
}

package struct RebuildClusterDocument: JSONDocument, Hashable {
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

    package static let fields: [JSONField<Self>] = [
        JSONField("name", \.name),
        JSONField("uid", \.uid),
        JSONField("standing", \.standing),
        JSONField("declared", \.isDeclared),
        JSONField("epoch", \.epoch),
        JSONField("gtidDomain", \.gtidDomain),
        JSONField("writer", \.writer),
        JSONField("writerKnownBy", \.writerKnownBy),
        JSONField("instances", \.instances),
        JSONField("problems", \.problems),
        JSONField("notes", \.notes),
    ]
}

package struct RebuildInstanceDocument: JSONDocument, Hashable {
    package var name = ""
    package var host = ""
    /// `running`, `stopped` …; `retired` and `halfMade` of what is only a directory.
    package var state = ""
    /// The highest that its agent has promised.
    package var epoch: Int64 = 0
    package var position = ""

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("name", \.name),
        JSONField("host", \.host),
        JSONField("state", \.state),
        JSONField("epoch", \.epoch),
        JSONField("position", \.position),
    ]
}

/// Approves a rebuild.
package struct RebuildCommand: JSONDocument, Hashable {
    /// As `GET /api/v1/rebuild` told it.
    package var digest = ""
    /// Hosts to go on without.
    package var without: [String] = []
    /// By cluster the instance that is its writer (`orders-2`), or `none`.
    package var writers: [String: String] = [:]
    /// Declared clusters that were never made.
    package var create: [String] = []

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("digest", \.digest),
        JSONField("without", \.without),
        JSONField("writers", \.writers),
        JSONField("create", \.create),
    ]
}

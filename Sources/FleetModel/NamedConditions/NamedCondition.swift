/// One row of the table of conditions: what can be wrong, by its code, and all that a person has to know of it.
///
/// The table is the one place for that. Alerts take severity, advice and when they are told from it, `doctor` and
/// `describe` the advice, and `manifests/conditions.md` is written from it. A test holds it against the codes that the
/// sources raise. What a row says holds for all cases of its code; what was seen this time is in the finding's message.
package struct NamedCondition: Sendable, Hashable {
    /// How soon somebody has to look: `critical` wakes people up.
    package enum Severity: String, Sendable, Hashable { case critical, warning }

    /// When an alert channel is told of it, and when of its end.
    package enum Telling: Sendable, Hashable {
        /// Though the next pass may find it no more: it is mended in the blink of an eye, and happened all the same.
        case atOnce
        /// At once, and it is over only when it was gone for so long: what comes again meanwhile is not told again.
        case kept(Duration)
        /// When it has stayed for `settleTime`.
        case settled
        /// When it has stayed for `lastingTime`: a moment of it means nothing.
        case lasting
        /// By the finding that names it as its cause.
        case asCause
        /// Only shown; where somebody has to be told a finding says so.
        case shown
    }

    /// The word that findings, alerts (`alertname`) and conditions carry.
    package var code: String
    /// What people who run databases call it.
    package var name: String
    package var severity: Severity
    package var telling: Telling
    /// One sentence.
    package var sentence: String
    /// What decides that it is so.
    package var evidence: String
    /// What Evenkeel does by itself.
    package var follows: String
    /// What a person can do.
    package var mend: String

    init(
        _ code: String, _ name: String, _ severity: Severity, _ telling: Telling, _ sentence: String, evidence: String, follows: String,
        mend: String
    ) {
        self.code = code
        self.name = name
        self.severity = severity
        self.telling = telling
        self.sentence = sentence
        self.evidence = evidence
        self.follows = follows
        self.mend = mend
    }
}

extension NamedCondition.Telling {
    package static let settleTime: Duration = .seconds(2)
    package static let lastingTime: Duration = .seconds(30)

    /// So long it must be found before it is told.
    package var settling: Duration {
        switch self {
        case .atOnce, .kept: .zero
        case .settled, .asCause, .shown: Self.settleTime
        case .lasting: Self.lastingTime
        }
    }

    /// So long it must be gone before its end is told.
    package var lingering: Duration {
        switch self {
        case .kept(let time): time
        case .lasting: Self.lastingTime
        case .atOnce, .settled, .asCause, .shown: Self.settleTime
        }
    }
}

extension NamedCondition {
    /// The rows under one heading.
    package struct Chapter: Sendable {
        package var title: String
        package var rows: [NamedCondition]
    }

    /// The table: what stops writes first, and within a chapter the gravest first.
    package static let chapters: [Chapter] = [
        Chapter(title: "The primary is lost", rows: ofLostPrimaries), Chapter(title: "Failover and switchover", rows: ofWriterChanges),
        Chapter(title: "The primary and its writes", rows: ofPrimaries), Chapter(title: "Replication", rows: ofReplicas),
        Chapter(title: "Instances and hosts", rows: ofInstances), Chapter(title: "Galera clusters", rows: ofGroups),
        Chapter(title: "Standby clusters", rows: ofStandbys), Chapter(title: "What is declared, and what is there", rows: ofContent),
        Chapter(title: "Manifests and plans", rows: ofManifests), Chapter(title: "Agents and servers", rows: ofControlPlane),
    ]

    /// All rows, in the table's order.
    package static let all = chapters.flatMap(\.rows)

    /// Nil for a code that this release does not know, such as a newer server's.
    package static func of(_ code: String) -> NamedCondition? { byCode[code]?.row }

    /// Where many things are wrong, the smallest is what to look at first: what is critical, then by the table's order.
    /// What is not in the table comes last.
    package static func priority(of code: String) -> Int {
        guard let (position, row) = byCode[code] else { return 2 * all.count }
        return row.severity == .critical ? position : all.count + position
    }

    private static let byCode = Dictionary(all.enumerated().map { ($1.code, (position: $0, row: $1)) }) { first, _ in first }
}

extension [Finding] {
    /// What is to be looked at first comes first; of one code in the order they had.
    package var byPriority: [Finding] {
        enumerated().sorted { left, right in
            (NamedCondition.priority(of: left.element.reason), left.offset) < (NamedCondition.priority(of: right.element.reason), right.offset)
        }.map(\.element)
    }
}

package import FleetModel

/// The page of the table of conditions, Markdown: what is found, what decides it, what follows, and how to mend it.
package enum ConditionsPage {
    package static func text(_ chapters: [NamedCondition.Chapter] = NamedCondition.chapters) -> String {
        head + chapters.map { "\n## \($0.title)\n\n" + overview($0.rows) + $0.rows.map(section).joined() }.joined()
    }

    private static let head = """
        # Conditions

        Everything that Evenkeel finds to be wrong, by its code: what decides it, what follows, and how to mend it. `evenkeel doctor` lists what is found now, the gravest first, each with its mend; `evenkeel describe` shows it for one cluster; alerts carry the code as `alertname`, and `severity` and `mend`. The message of a finding says what was seen this time.

        This page is written from the table that the program uses (`Sources/FleetModel/NamedConditions`); a test keeps it current (`EVENKEEL_RECORD=1` records it anew).

        When it is told to [alert channels](AlertChannel.md):

        - **at once**: also where it is mended at once. It is over when it was gone for 2 s.
        - **at once, kept**: as that, and over only when it was gone for the time that is given; what comes again meanwhile is not told again.
        - **after 2 s**, **after 30 s**: when it has stayed for so long; over when it was gone for as long.
        - **as a cause**: the message of `Failover`, and of what holds a failover back, begins with it.
        - **shown**: in `get`, `describe` or `events` alone.

        """

    private static func overview(_ rows: [NamedCondition]) -> String {
        "| code | in the field's words | severity | told |\n| --- | --- | --- | --- |\n"
            + rows.map { "| [\($0.code)](#\($0.code.lowercased())) | \($0.name) | \($0.severity.rawValue) | \(words($0.telling)) |\n" }.joined()
    }

    private static func section(_ row: NamedCondition) -> String {
        "\n### \(row.code)\n\n\(row.sentence)\n\n- Evidence: \(row.evidence)\n- Follows: \(row.follows)\n- Mend: \(row.mend)\n"
    }

    private static func words(_ telling: NamedCondition.Telling) -> String {
        switch telling {
        case .atOnce: "at once"
        case .kept(let time): "at once, kept \(time.components.seconds) s"
        case .settled, .lasting: "after \(telling.settling.components.seconds) s"
        case .asCause: "as a cause"
        case .shown: "shown"
        }
    }
}

import FleetModel

/// A plan for people: what changes and where that is declared, wave by wave what is done about it, what is waited for,
/// and what it comes to.
package struct PlanText: PlanRendering {
    /// Columns to fold to; nil: lines stay whole.
    private let width: Int?
    private let paint: Paint

    /// Narrower than this nothing can be folded sensibly.
    private static let widthMin = 40
    /// A plan up to this size names its digest above; a longer one below.
    private static let delayBytesMax = 1 << 20

    package init(width: Int? = nil, isColored: Bool = false) {
        self.width = width.map { max($0, Self.widthMin) }
        paint = Paint(isOn: isColored)
    }

    package var headDelayBytes: Int { Self.delayBytesMax }
    package var separator: [UInt8] { Array("\n".utf8) }

    // MARK: Head and foot

    package func head(_ head: PlanHead, _ totals: PlanTotals?) -> [UInt8] {
        var page = Page(width: width, isColored: paint.isOn)
        var line = "Plan " + (totals.map { paint.bold($0.shortDigest) + " " } ?? "") + "for " + Self.name(of: head.revision)
        if !head.revision.subject.isEmpty { line += " \"\(head.revision.subject)\"" }
        let about = [head.revision.author, age(of: head.revision, head.now)].filter { !$0.isEmpty }
        if !about.isEmpty { line += " (\(about.joined(separator: ", ")))" }
        page.add(line)
        page.add(seen(head))
        page.add("")
        return page.bytes
    }

    /// How people see the revision that a plan is for.
    static func name(of revision: Revision) -> String {
        revision.commit == "worktree" ? "the files as they are, not committed" : revision.short
    }

    private func age(of revision: Revision, _ now: Instant) -> String {
        guard revision.time.milliseconds > 0, now > revision.time else { return "" }
        return Ages.text(now - revision.time) + " ago"
    }

    private func seen(_ head: PlanHead) -> String {
        guard let taken = head.taken, head.hostsSeen > 0 else { return "No host was ever seen: what is there is not known." }
        var line = "Seen \(Ages.clock(taken)) from \(head.hostsSeen) of \(head.hostsDeclared) hosts"
        if let age = head.ageMax { line += ", oldest report \(Ages.text(age))" }
        return line + "."
    }

    package func foot(_ head: PlanHead, _ totals: PlanTotals, _ problems: [PlanProblem]) -> [UInt8] {
        var page = Page(width: width, isColored: paint.isOn)
        for problem in problems {
            page.add("\(problem.position): \(paint.red("error:")) Cluster \(problem.cluster): \(problem.message)", hanging: 2)
            page.add("  help: \(problem.help)", hanging: 8)
        }
        if !problems.isEmpty { page.add("") }
        let isQuiet = totals.unchanged == totals.units && problems.isEmpty
        if isQuiet {
            page.add("Nothing to do: \(count(totals.units, "unit is", "units are")) as declared in \(head.revision.short).")
            return page.bytes
        }
        if totals.units > totals.unchanged { page.add("") }
        for line in footLines(totals) { page.add(line, hanging: 14) }
        page.add(sum(totals))
        return page.bytes
    }

    private func footLines(_ totals: PlanTotals) -> [String] {
        var lines: [String] = []
        let counts = totals.counts
        if counts.tasks > 0 { lines.append("Availability  " + availability(counts)) }
        if counts.destroyed > 0 {
            lines.append(paint.red("Data          ") + "\(count(counts.destroyed, "directory or database is", "directories and databases are")) deleted")
        }
        if !totals.silentHosts.isEmpty {
            lines.append(paint.yellow("Silent hosts  ") + totals.silentHosts.sorted().joined(separator: ", "))
        }
        if totals.refused > 0 { lines.append(paint.red("Refused       ") + count(totals.refused, "unit", "units")) }
        return lines
    }

    private func availability(_ counts: PlanCounts) -> String {
        if counts.restarts == 0 && counts.switchovers == 0 { return "no restart, no switchover" }
        var parts: [String] = []
        let replicas = counts.restarts - counts.writerRestarts
        if replicas > 0 { parts.append(count(replicas, "restart of a replica", "restarts of replicas")) }
        if counts.writerRestarts > 0 { parts.append(count(counts.writerRestarts, "restart of a writer", "restarts of writers")) }
        if counts.switchovers > 0 { parts.append(count(counts.switchovers, "switchover", "switchovers")) }
        let stops = counts.writerRestarts + counts.switchovers
        return parts.joined(separator: ", ") + (stops > 0 ? ": writes stop \(count(stops, "time", "times"))" : ": writes go on")
    }

    private func sum(_ totals: PlanTotals) -> String {
        let counts = totals.counts
        var line = "\(counts.create) to create, \(counts.change) to change, \(counts.remove) to remove"
        if counts.tasks > 0 {
            line += ": \(count(counts.tasks, "task", "tasks")) in \(totals.changing == 1 ? "" : "up to ")\(count(counts.waves, "wave", "waves"))"
        }
        if totals.waiting > 0 { line += "; \(count(totals.waiting, "unit waits", "units wait"))" }
        if totals.unchanged > 0 { line += "; \(count(totals.unchanged, "unit", "units")) unchanged" }
        return paint.bold(line + ".")
    }

    private func count(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }

    // MARK: A unit

    package func unit(_ plan: UnitPlan) -> [UInt8] {
        guard !plan.isEmpty else { return [] }
        var page = Page(width: width, isColored: paint.isOn)
        page.add(paint.bold("\(plan.unit.kind.rawValue) \(plan.unit.name)") + (plan.isNew ? " (new)" : ""))
        add(plan.changes, to: &page)
        for finding in plan.rehearsal.findings { page.add("  " + text(finding), hanging: 4) }
        for warning in plan.rehearsal.warnings { page.add("  \(paint.yellow("warning:")) \(warning)", hanging: 4) }
        let waves = plan.rehearsal.waves.map { ($0.waited, TaskRows($0.tasks, plan)) }
        let columns = waves.map(\.1.targetColumns).max() ?? 0
        for (index, wave) in waves.enumerated() { add(wave.0, wave.1, index + 1, columns, to: &page) }
        if let refusal = plan.rehearsal.refusal {
            page.add("  \(paint.red("refused:")) \(refusal); nothing of this unit is done", hanging: 4)
        }
        for wait in plan.rehearsal.waits { page.add("  " + text(wait), hanging: 4) }
        return page.bytes
    }

    private func text(_ wait: Wait) -> String {
        if case .retention(let until) = wait.reason { return "kept until \(Ages.clock(until)): \(wait.message)" }
        return "\(paint.yellow("waits for")) \(wait.message)"
    }

    private func text(_ finding: Finding) -> String {
        let mark = finding.isDrift ? paint.yellow("drift:") : paint.yellow("problem:")
        return "\(mark) \(finding.subject): \(finding.message)" + (finding.host.isEmpty ? "" : " (\(finding.host))")
    }

    private func add(_ changes: [FieldChange], to page: inout Page) {
        let label = changes.map { Page.columns($0.label) }.max() ?? 0
        let values = changes.map(value)
        let columns = values.map(Page.columns).max() ?? 0
        for (change, text) in zip(changes, values) {
            let mark = change.before == nil ? paint.green("+") : change.after == nil ? paint.red("-") : paint.yellow("~")
            let place = change.position.map { "\($0.file):\($0.line)" } ?? ""
            page.add("  \(mark) \(Page.padded(change.label, label))  ", text, before: columns, right: paint.faint(place))
        }
    }

    private func value(_ change: FieldChange) -> String {
        let note = change.note.isEmpty ? "" : "  (\(change.note))"
        guard let before = change.before else { return (change.after ?? "") + note }
        return before + " -> " + (change.after ?? "(none)") + note
    }

    private func add(_ waits: [Wait], _ rows: TaskRows, _ number: Int, _ columns: Int, to page: inout Page) {
        for wait in waits { page.add("    when     \(waited(wait))", hanging: 13) }
        for (index, row) in rows.rows.enumerated() {
            let lead = index == 0 ? Page.padded("wave \(number)", 8) : String(repeating: " ", count: 8)
            let target = Page.padded(row.target, columns)
            page.add("    \(lead) \(paint.mark(row.mark)) \(target)  \(row.summary)", hanging: 17 + columns)
        }
    }

    private func waited(_ wait: Wait) -> String {
        switch wait.reason {
        case .host: wait.message + " has come"
        case .time(let moment), .retention(let moment): "it is \(Ages.clock(moment)): " + wait.message
        case .attempt: wait.message + " has ended"
        case .approval, .budget, .fact: wait.message
        }
    }
}

import FleetModel

/// A plan as a graph for Graphviz: a box for each task with the place that caused it, a point for each wave's end, a
/// frame for each unit.
package struct PlanDot: PlanRendering {
    package init() {}

    package var headDelayBytes: Int { 0 }
    package var separator: [UInt8] { [] }

    package func head(_ head: PlanHead, _ totals: PlanTotals?) -> [UInt8] {
        Array(
            """
            digraph plan {
              rankdir=LR; labelloc=t; labeljust=l; fontname="sans-serif"
              node [shape=box, fontname="sans-serif", fontsize=10]

            """.utf8)
    }

    /// What names the plan stands at the end: nothing is held back for it, and Graphviz does not mind.
    package func foot(_ head: PlanHead, _ totals: PlanTotals, _ problems: [PlanProblem]) -> [UInt8] {
        var text = ""
        for problem in problems {
            let label = ["\(problem.position): Cluster \(problem.cluster): \(problem.message)", "help: \(problem.help)"]
            text += "  \(quoted("problem " + problem.cluster)) [label=\(lines(label)), color=red]\n"
        }
        let counts = totals.counts
        let label = [
            "Plan \(totals.digest) for \(PlanText.name(of: head.revision))",
            "\(counts.create) to create, \(counts.change) to change, \(counts.remove) to remove; tasks: \(counts.tasks), unchanged units: \(totals.unchanged)",
        ]
        return Array((text + "  label=\(lines(label))\n}\n").utf8)
    }

    package func unit(_ plan: UnitPlan) -> [UInt8] {
        guard !plan.isEmpty else { return [] }
        let unit = plan.unit.description
        let place = plan.position.map { ", \($0.file):\($0.line)" } ?? ""
        var text = "  subgraph \(quoted("cluster_" + unit)) {\n"
        text += "    label=\(quoted("\(plan.unit.kind.rawValue) \(plan.unit.name)\(plan.isNew ? " (new)" : "")\(place)"))\n"
        for (index, note) in notes(plan).enumerated() {
            text += "    \(quoted("\(unit) note \(index + 1)")) [shape=note, label=\(quoted(note))]\n"
        }
        for (index, wave) in plan.rehearsal.waves.enumerated() { text += self.wave(wave, index + 1, plan) }
        if let refusal = plan.rehearsal.refusal {
            let label = quoted("refused: \(refusal); nothing of this unit is done")
            text += "    \(quoted("\(unit) refused")) [shape=octagon, color=red, label=\(label)]\n"
        }
        return Array((text + "  }\n").utf8)
    }

    private func notes(_ plan: UnitPlan) -> [String] {
        plan.rehearsal.findings.map { "\($0.isDrift ? "drift" : "problem"): \($0.subject): \($0.message)" }
            + plan.rehearsal.warnings.map { "warning: " + $0 } + plan.waits.map { "waits for " + $0.message }
    }

    /// The tasks of a wave, between the end of the one before and its own.
    private func wave(_ wave: Rehearsal.Wave, _ number: Int, _ plan: UnitPlan) -> String {
        let unit = plan.unit.description
        let end = quoted("\(unit) wave \(number)")
        var text = "    \(end) [shape=point, xlabel=\(quoted("wave \(number)"))]\n"
        for (index, task) in wave.tasks.enumerated() {
            let node = quoted("\(unit) task \(number).\(index + 1)")
            text += "    \(node) [label=\(lines(label(task, plan)))\(colour(plan.mark(task)))]\n"
            if number > 1 { text += "    \(quoted("\(unit) wave \(number - 1)")) -> \(node)\n" }
            text += "    \(node) -> \(end)\n"
        }
        return text
    }

    private func label(_ task: PlannedTask, _ plan: UnitPlan) -> [String] {
        var target = plan.unit.name
        if case .instance(_, let host) = task.target { target = "\(plan.label(task)) on \(host)" }
        let cause =
            switch task.cause {
            case .manifest(_, let position, _): "\(position.file):\(position.line)"
            case .observation(let message): message
            }
        return ["\(plan.mark(task)) \(target)", task.summary, cause]
    }

    private func colour(_ mark: Character) -> String {
        switch mark {
        case "+": ", color=darkgreen"
        case "-": ", color=red"
        case "~": ", color=orange"
        default: ""
        }
    }

    // MARK: Text

    /// Lines of a label, each to the left.
    private func lines(_ texts: [String]) -> String { "\"" + texts.map { escaped($0) + "\\l" }.joined() + "\"" }

    private func quoted(_ text: String) -> String { "\"" + escaped(text) + "\"" }

    /// For a quoted string of the DOT language, where `\` begins an escape; control characters are shown as `?`.
    private func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            default: result.unicodeScalars.append(scalar.properties.generalCategory == .control ? "?" : scalar)
            }
        }
        return result
    }
}

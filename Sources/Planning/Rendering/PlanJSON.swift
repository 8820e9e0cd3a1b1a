import FleetModel
import JSONStream

/// A plan for machines, described in `README.md` beside this file.
package struct PlanJSON: PlanRendering {
    package static let formatVersion = "1.0"

    package init() {}

    package var headDelayBytes: Int { 0 }
    package var separator: [UInt8] { Array(",\n".utf8) }

    package func head(_ head: PlanHead, _ totals: PlanTotals?) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("formatVersion", Self.formatVersion)
        writer.member("plannerVersion", Planner.version)
        writer.member("revision", head.revision)
        writer.member("now", head.now)
        writer.key("observed")
        writer.object { writer in
            writer.member("taken", ifPresent: head.taken)
            writer.member("hostsSeen", head.hostsSeen)
            writer.member("hostsDeclared", head.hostsDeclared)
            writer.member("ageMax", ifPresent: head.ageMax)
        }
        writer.key("units")
        writer.beginArray()
        writer.lastLineEnd()
        return writer.bytes
    }

    package func unit(_ plan: UnitPlan) -> [UInt8] {
        guard !plan.isEmpty else { return [] }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("unit", plan.unit)
            writer.member("isNew", plan.isNew)
            writer.member("position", ifPresent: plan.position)
            writer.key("changes")
            writer.array(plan.changes) { writer, change in write(change, to: &writer) }
            writer.key("waves")
            writer.array(plan.rehearsal.waves.indices) { writer, wave in write(wave, plan, to: &writer) }
            writer.member("waits", plan.rehearsal.waits)
            writer.member("findings", plan.rehearsal.findings)
            writer.member("warnings", plan.rehearsal.warnings)
            writer.member("refusal", ifPresent: plan.rehearsal.refusal)
            writer.key("counts")
            write(plan.counts, to: &writer)
        }
        return writer.bytes
    }

    package func foot(_ head: PlanHead, _ totals: PlanTotals, _ problems: [PlanProblem]) -> [UInt8] {
        var writer = JSONWriter()
        // The document goes on behind its units: an array in an object.
        writer.lastLineEnd()
        writer.endArray()
        writer.key("problems")
        writer.array(problems) { writer, problem in write(problem, to: &writer) }
        writer.key("digests")
        writer.object { writer in
            writer.member("plan", totals.digest)
            writer.member("revision", totals.revisionDigest)
            writer.member("facts", totals.factsDigest)
        }
        writer.key("summary")
        writer.object { writer in
            writer.member("units", totals.units)
            writer.member("unchanged", totals.unchanged)
            writer.member("changing", totals.changing)
            writer.member("refused", totals.refused)
            writer.member("waiting", totals.waiting)
            writer.member("drifted", totals.drifted)
            writer.member("silentHosts", totals.silentHosts)
            writer.key("counts")
            write(totals.counts, to: &writer)
        }
        writer.member("exitStatus", totals.exitStatus)
        writer.endObject()
        writer.lastLineEnd()
        return writer.bytes
    }

    private func write(_ change: FieldChange, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("label", change.label)
            writer.member("field", change.field)
            writer.member("before", change.before)
            writer.member("after", change.after)
            writer.member("note", ifFilled: change.note)
            writer.member("position", ifPresent: change.position)
        }
    }

    /// The wave of this number.
    private func write(_ number: Int, _ plan: UnitPlan, to writer: inout JSONWriter) {
        writer.object { writer in
            let wave = plan.rehearsal.waves[number]
            if !wave.waited.isEmpty { writer.member("waited", wave.waited) }
            writer.key("tasks")
            writer.array(wave.tasks.indices) { writer, task in
                write(wave.tasks[task], plan.keys[number][task], plan, to: &writer)
            }
        }
    }

    private func write(_ task: PlannedTask, _ key: String, _ plan: UnitPlan, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("key", key)
            writer.member("action", task.action.name)
            writer.member("mark", String(plan.mark(task)))
            if case .instance(let id, let host) = task.target {
                writer.member("target", plan.label(task))
                writer.member("instance", id)
                writer.member("host", host)
            } else {
                writer.member("target", "server" as StaticString)
            }
            writer.member("cause", task.cause)
            writer.member("summary", task.summary)
            writer.member("isVoluntary", task.isVoluntary)
        }
    }

    private func write(_ problem: PlanProblem, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("cluster", problem.cluster)
            writer.member("field", problem.field)
            writer.member("position", problem.position)
            writer.member("message", problem.message)
            writer.member("help", problem.help)
        }
    }

    private func write(_ counts: PlanCounts, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("create", counts.create)
            writer.member("change", counts.change)
            writer.member("remove", counts.remove)
            writer.member("tasks", counts.tasks)
            writer.member("waves", counts.waves)
            writer.member("restarts", counts.restarts)
            writer.member("writerRestarts", counts.writerRestarts)
            writer.member("switchovers", counts.switchovers)
            writer.member("destroyed", counts.destroyed)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func array<Elements: Sequence>(
        _ elements: Elements, _ body: (inout JSONWriter, Elements.Element) -> Void
    ) {
        beginArray()
        for element in elements { body(&self, element) }
        endArray()
    }
}

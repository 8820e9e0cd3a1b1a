package import FleetModel
package import Planning

/// What a status keeps of the rehearsal that its pass made. The tasks themselves, with their configurations and causes,
/// would be most of the memory of a fleet of 100,000 clusters, and the next pass makes them anew.
package struct PlanOutline: Sendable, Hashable {
    /// The summaries of all tasks in their order, a line each: one text, because there are so many.
    private var text: String
    private var firstWaveCount: Int
    package private(set) var taskCount: Int
    package private(set) var refusal: String?
    /// The first step found nothing to do and nothing to wait for.
    private var isAtRest: Bool

    package init(_ rehearsal: Rehearsal) {
        let tasks = rehearsal.waves.flatMap(\.tasks)
        text = tasks.map(\.summary.oneLine).joined(separator: "\n")
        taskCount = tasks.count
        firstWaveCount = rehearsal.waves.first?.tasks.count ?? 0
        refusal = rehearsal.refusal
        isAtRest = rehearsal.first?.isConverged ?? rehearsal.waits.isEmpty
    }

    /// Of a unit that needs no plan: there is nothing to do.
    package init() {
        self.init(Rehearsal(unit: UnitID(.source, "")))
    }

    package var isConverged: Bool { taskCount == 0 && refusal == nil && isAtRest }
    package var firstWave: [String] { Array(summaries.prefix(firstWaveCount)) }
    package var summaries: [String] {
        taskCount == 0 ? [] : text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The summaries of what does not run yet.
    package func pending(besides running: [RunningAttempt]) -> [String] {
        var begun = Dictionary(grouping: running, by: \.task.summary).mapValues(\.count)
        return summaries.filter { summary in
            guard let count = begun[summary], count > 0 else { return true }
            begun[summary] = count - 1
            return false
        }
    }
}

extension String {
    fileprivate var oneLine: String {
        let lineEnd = UInt8(ascii: "\n")
        guard utf8.contains(lineEnd) else { return self }
        return String(decoding: utf8.map { $0 == lineEnd ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
    }
}

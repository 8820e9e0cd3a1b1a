import FleetModel

/// The tasks of a wave as lines: those that do the same on several instances share one, `orders-1..3`.
struct TaskRows {
    struct Row {
        var mark: Character
        var target: String
        var summary: String
    }

    private(set) var rows: [Row] = []
    var targetColumns: Int { rows.map { Page.columns($0.target) }.max() ?? 0 }

    init(_ tasks: [PlannedTask], _ plan: UnitPlan) {
        var groups: [(mark: Character, summary: String, action: String, ordinals: [Int], host: String)] = []
        for task in tasks {
            let mark = plan.mark(task)
            guard case .instance(let id, let host) = task.target else {
                rows.append(Row(mark: mark, target: plan.unit.name, summary: task.summary))
                continue
            }
            let known = groups.firstIndex { $0.mark == mark && $0.summary == task.summary && $0.action == task.action.name }
            if let known {
                groups[known].ordinals.append(id.ordinal)
            } else {
                groups.append((mark, task.summary, task.action.name, [id.ordinal], host))
            }
        }
        for group in groups {
            let ordinals = group.ordinals.sorted()
            var target = plan.unit.name + "-" + Self.ranges(ordinals)
            // Where something is made, its host matters; the summary of an install names it already.
            if ordinals.count == 1, group.mark == "+", !group.summary.contains(group.host) { target += " on \(group.host)" }
            rows.append(Row(mark: group.mark, target: target, summary: group.summary))
        }
    }

    /// `1`, `1..3`, `1,3..5`
    static func ranges(_ ordinals: [Int]) -> String {
        var parts: [(first: Int, last: Int)] = []
        for ordinal in ordinals {
            if let last = parts.last, last.last + 1 == ordinal {
                parts[parts.count - 1].last = ordinal
            } else {
                parts.append((ordinal, ordinal))
            }
        }
        return parts.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)..\($0.last)" }.joined(separator: ",")
    }
}

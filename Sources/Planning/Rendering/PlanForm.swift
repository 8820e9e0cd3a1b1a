/// The forms of a plan, by the names that the command line and the API know them by.
package enum PlanForm: String, Sendable, CaseIterable {
    case text, json, markdown, dot

    /// What the API answers it as.
    package var mediaType: String {
        switch self {
        case .text: "text/plain; charset=utf-8"
        case .json: "application/json"
        case .markdown: "text/markdown; charset=utf-8"
        case .dot: "text/vnd.graphviz; charset=utf-8"
        }
    }
}

/// The plan for people in a page that others render: a heading and a block of text.
package struct PlanMarkdown: PlanRendering {
    private let text = PlanText()

    package init() {}

    package var headDelayBytes: Int { text.headDelayBytes }
    package var separator: [UInt8] { text.separator }

    package func head(_ head: PlanHead, _ totals: PlanTotals?) -> [UInt8] {
        Array("### Evenkeel plan\n\n```text\n".utf8) + text.head(head, totals)
    }

    package func unit(_ plan: UnitPlan) -> [UInt8] { text.unit(plan) }

    package func foot(_ head: PlanHead, _ totals: PlanTotals, _ problems: [PlanProblem]) -> [UInt8] {
        text.foot(head, totals, problems) + Array("```\n".utf8)
    }
}

extension FleetPlanner {
    /// The plan in one of its forms; `width` and `isColored` are for text only.
    package static func plan(
        _ request: FleetPlanRequest, in form: PlanForm, width: Int? = nil, isColored: Bool = false,
        sink: ([UInt8]) throws -> Void
    ) async throws -> PlanTotals {
        switch form {
        case .text: try await plan(request, as: PlanText(width: width, isColored: isColored), sink: sink)
        case .json: try await plan(request, as: PlanJSON(), sink: sink)
        case .markdown: try await plan(request, as: PlanMarkdown(), sink: sink)
        case .dot: try await plan(request, as: PlanDot(), sink: sink)
        }
    }
}

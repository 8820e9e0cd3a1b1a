package import FleetModel

/// The statuses of all units. Each sits in a box of its own, so that whoever takes a copy, and the loop that then goes on
/// writing, pay for a reference a unit and not for what each status holds.
package struct UnitStatuses: Sendable {
    private final class Box: Sendable {
        let status: UnitStatus

        init(_ status: UnitStatus) { self.status = status }
    }

    private var boxes: [UnitID: Box] = [:]

    package init() {}

    package subscript(unit: UnitID) -> UnitStatus? {
        get { boxes[unit]?.status }
        set { boxes[unit] = newValue.map(Box.init) }
    }

    /// An answer from a unit's status, which is large and is not copied for it; nil where there is none.
    func ask<Answer>(_ unit: UnitID, _ question: (borrowing UnitStatus) -> Answer) -> Answer? {
        boxes[unit].map { question($0.status) }
    }

    package var count: Int { boxes.count }
    /// In no order.
    package var keys: some Collection<UnitID> { boxes.keys }
    package var values: some Sequence<UnitStatus> { boxes.values.lazy.map(\.status) }
    package var sorted: [UnitStatus] { boxes.values.map(\.status).sorted { $0.unit < $1.unit } }

    mutating func keepOnly(_ isKept: (UnitID) -> Bool) { boxes = boxes.filter { isKept($0.key) } }
}

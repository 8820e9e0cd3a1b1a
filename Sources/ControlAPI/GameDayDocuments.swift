package import FleetModel
package import JSONStream

/// Begins a game day on a cluster; answered with a `GameDayDocument`.
package struct GameDayBegin: JSONDocument, Hashable {
    /// `Cluster/orders`.
    package var unit = ""
    /// After so long it is over, whether anybody ends it or not.
    package var seconds = 0

    package init() {}

    package init(unit: String, seconds: Int) {
        self.unit = unit
        self.seconds = seconds
    }

    package static let fields: [JSONField<Self>] = [JSONField("unit", required: \.unit), JSONField("seconds", \.seconds)]
}

/// A game day that has begun, or is to end.
package struct GameDayDocument: JSONDocument, Hashable {
    package var run = ""

    package init() {}

    package init(run: String) { self.run = run }

    package static let fields: [JSONField<Self>] = [JSONField("run", required: \.run)]
}

/// One fault on the host of one of the cluster's instances; answered with the agent's `FaultAnswer`.
package struct GameDayFault: JSONDocument, Hashable {
    package var run = ""
    /// The instance's ordinal.
    package var instance = 0
    /// The server fills in `id`, `run`, `instance` and `address`.
    package var order = FaultOrder()

    package init() {}

    package init(run: String, instance: Int, order: FaultOrder) {
        self.run = run
        self.instance = instance
        self.order = order
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("run", required: \.run), JSONField("instance", \.instance), JSONField("order", \.order),
    ]
}

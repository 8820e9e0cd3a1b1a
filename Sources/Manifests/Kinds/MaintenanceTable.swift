import FleetModel

// `maintenance`, which Cluster, Host and AvailabilityZone have.

extension Field {
    /// `covers`: what is left alone while it is in force.
    static func maintenance(_ path: any Path<Owner, Maintenance?>, _ covers: String) -> Field {
        .optional("maintenance", path, .maintenance, absent: "none", covers)
    }
}

extension Shape where Value == Maintenance {
    static var maintenance: Shape {
        .object(
            Table([
                .required(
                    "until", \.until, .moment,
                    "When it ends, with the offset from UTC: from then on all goes on by itself, whether the field is still there or not."),
                .optional("reason", \.reason, .line(lengthMax: 200), default: "", "none", "For people: findings and the alert show it."),
            ]),
            blank: { Maintenance(until: Instant(milliseconds: 0)) })
    }
}

extension Shape where Value == Instant {
    /// A moment as RFC 3339 writes it.
    static var moment: Shape {
        .scalar(.moment, expected: "a moment such as `2026-11-21T22:00:00Z`", write: { $1.string($0.rfc3339) }) {
            text throws(ScalarProblem) in
            guard let moment = Instant(rfc3339: text) else {
                throw ScalarProblem(
                    "must be a moment such as `2026-11-21T22:00:00Z`, not \"\(Decoder.shortened(text))\"",
                    help: "date, `T`, time with seconds, and `Z` or an offset such as `+08:00`")
            }
            return moment
        }
    }
}

import FleetModel

// Founding: one instance is installed and makes the cluster's one history, once. All others are copies of it, so that
// keeping makes them.

extension GaleraProcedure {
    mutating func found() {
        chooseFoundingPrimary()
        guard let founder = primary else { return }
        refuseUnknownParameters()
        if waitsForHost(founder) || waitsForAttempt(founder) { return }
        guard let report = founder.report, report.directory != .halfMade else {
            guard hasEngine(founder), unknownParameters().isEmpty else { return }
            emit(
                .install(blueprint(founder)), on: founder, cause: becausePlaced(in: founder.record.zone),
                "install on \(founder.record.host)")
            return
        }
        switch report.process {
        case .stopped: begin(founder, report)
        case .starting: wait(.fact(label(founder)), "\(label(founder)) to answer")
        case .unresponsive: reportUnresponsive(founder)
        case .running: wait(.fact(label(founder)), "\(label(founder)) to be a component of its own")
        }
    }

    private mutating func begin(_ founder: MemberView, _ report: InstanceReport) {
        let cause = becausePlaced(in: founder.record.zone)
        if configureToStart(founder, isVoluntary: true, cause) { return }
        if failures(of: "foundComponent", on: founder) != nil, report.recovered == nil {
            // It may have made a history whose end was not heard; then it is not to make another one.
            emit(.readPosition, on: founder, cause: cause, "read which history its data belong to")
            return
        }
        let isOrdered = emit(.foundComponent(epoch: records.epoch), on: founder, cause: cause, "found the component, alone")
        if isOrdered { galera.component = [founder.ordinal] }
    }

    /// A founder's history is the cluster's, also where the end of its founding was not heard.
    mutating func learnHistory() {
        guard galera.stateUUID.isEmpty, !records.isFounded, let founder = primary, galera.component == [founder.ordinal],
            founder.knowledge == .fresh, !founder.isBusy, let report = founder.report, report.directory == .ready
        else { return }
        let seen = report.process == .stopped ? report.recovered?.stateUUID : founder.database?.galera.flatMap { $0.isReady && $0.isPrimaryComponent ? $0.stateUUID : nil }
        guard let seen, Self.isHistory(seen) else { return }
        galera.stateUUID = seen
    }

    /// Zeroes name none: what a group that nobody founded says.
    static func isHistory(_ uuid: String) -> Bool { uuid.contains { $0 != "0" && $0 != "-" } }
}

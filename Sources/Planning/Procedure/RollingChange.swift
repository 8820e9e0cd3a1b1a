import FleetModel

// Rolling change: what only a start brings about (another version, parameters that are set by a start), one instance
// after the other, each only when all others are well; and no further than the first that does not start by it.

/// What a member is to be started anew for.
private struct Change {
    /// The version that it is brought to.
    var version: String?
    var parameters: [String] = []

    var isNone: Bool { version == nil && parameters.isEmpty }
}

extension ClusterProcedure {
    private func change(of view: MemberView) -> Change {
        guard view.isAnswering else { return Change() }
        return Change(version: upgrade(of: view), parameters: parametersNeedingRestart(view))
    }

    /// Replicas first, by zone; then the writer moves away; then the old writer, a replica by now. True where nothing else
    /// may be disrupted meanwhile.
    mutating func rollOne(_ primary: MemberView) -> Bool {
        let replicas = views.filter { $0.isActive && $0.ordinal != primary.ordinal }
            .sorted { ($0.record.zone, $0.ordinal) < ($1.record.zone, $1.ordinal) }
        guard let view = (replicas + [primary]).first(where: { $0.isActive && !change(of: $0).isNone }) else { return false }
        if haltedRollout() != nil || !hasEngines() { return false }
        tellDowngrade()
        guard isHealthy(but: view, primary) else { return true }
        let due = change(of: view)
        guard view.ordinal == primary.ordinal else { return roll(view, due, isPrimary: false) }
        if records.standby == nil, let candidate = candidates(for: primary).first {
            return begin(from: primary, to: candidate, reason(due, primary))
        }
        return roll(primary, due, isPrimary: true)
    }

    private mutating func roll(_ view: MemberView, _ change: Change, isPrimary: Bool) -> Bool {
        guard servingCount - 1 >= availabilityMin || isPrimary && views.count(where: \.isActive) == 1 else {
            wait(.budget("availability"), "availability.min \(availabilityMin) leaves no room to restart \(label(view))")
            return true
        }
        order(view, change, isPrimary: isPrimary)
        return true
    }

    /// The same for one that serves nobody, where there is a change.
    mutating func roll(away view: MemberView) {
        let due = change(of: view)
        if !due.isNone, hasEngines() { order(view, due, isPrimary: false) }
    }

    private mutating func order(_ view: MemberView, _ change: Change, isPrimary: Bool) {
        let waiting = !isPrimary && isOnlyAcker(view) ? "; writes wait until it is back: nobody else acknowledges them" : ""
        if let version = change.version {
            let names = change.parameters.isEmpty ? "" : ", and for " + named(change.parameters)
            emit(
                .upgrade(isPrimary: isPrimary, version: version), on: view, cause: because("spec.engine.version"),
                "restart by \(version), from \(self.version(of: view) ?? "")" + names + waiting)
        } else {
            emit(
                .restart(isPrimary: isPrimary), on: view, cause: because(parameterField(change.parameters[0])),
                "restart for " + named(change.parameters) + waiting)
        }
    }

    private func reason(_ change: Change, _ view: MemberView) -> String {
        if let version = change.version {
            "restart of \(label(view)) by \(version)"
        } else {
            "restart of \(label(view)) for \(named(change.parameters))"
        }
    }

    /// Parameters by name; the mark of `spec.restart` as it is declared, in quotes.
    private func named(_ parameters: [String]) -> String {
        parameters.map { $0 == MariaDBConfiguration.restartMark ? "\"\(cluster.restart ?? "")\"" : $0 }.joined(separator: ", ")
    }

    /// Every host has the version before anybody is brought to it.
    private mutating func hasEngines() -> Bool {
        var isThere = true
        for view in views where view.isActive {
            guard let version = upgrade(of: view), !view.engines.contains(where: { $0.type == cluster.engine.type && $0.version == version })
            else { continue }
            let found = view.engines.map(\.version).joined(separator: ", ")
            let message =
                "\(view.record.host) has no \(cluster.engine.type.rawValue) \(version) (it has \(found)): unpack its packages there, in engines/\(cluster.engine.type.rawValue)-\(version) of the agent's data directory (`dpkg -x`); until every host has it no instance is restarted"
            find("EngineMissing", label(view), on: view, message, drift: false)
            wait(.fact("engine"), message)
            isThere = false
        }
        return isThere
    }

    private mutating func tellDowngrade() {
        guard let view = views.first(where: { $0.isActive && upgrade(of: $0) != nil }), let from = version(of: view),
            wantedVersion.isOlder(than: from)
        else { return }
        let message =
            "\(from) to \(wantedVersion) is a downgrade: MariaDB keeps the format of its data within a series, so that \(wantedVersion.versionSeries) takes it; read the release notes of what lies between"
        if !decision.warnings.contains(message) { decision.warnings.append(message) }
    }

    // MARK: What stands still

    /// The member that did not start by what is declared now, and was started as it was before.
    func haltedRollout() -> MemberView? {
        views.first { $0.isActive && isRefused($0) }
    }

    /// Whether what it did not start by is still what it is to be started by.
    func isRefused(_ view: MemberView) -> Bool {
        guard let refused = view.report?.refusedStart, refused.configDigest == configuration(view).digest else { return false }
        return refused.engineVersion == upgrade(of: view) ?? version(of: view)
    }

    /// Says that a rolling change stands, why, and what lets it go on.
    mutating func tellHaltedRollout() {
        followRolled()
        for view in views where view.isActive && view.knowledge == .fresh && isRefused(view) {
            let message = haltMessage(view)
            find("RolloutHalted", label(view), on: view, message, drift: false)
            wait(.approval("spec"), message)
        }
    }

    private func haltMessage(_ view: MemberView) -> String {
        // It may not answer yet after it was started again as before.
        let refused = view.report?.refusedStart?.engineVersion
        let change = Change(version: refused == version(of: view) ? nil : refused, parameters: parametersOfNextStart(view))
        let fields = (change.version == nil ? [] : ["spec.engine.version"]) + change.parameters.map(parameterField)
        let what = change.version ?? named(change.parameters)
        let field = fields.isEmpty ? "spec.parameters" : fields.joined(separator: ", ")
        let why = view.report?.refusedStart?.message ?? ""
        let fails = why.hasPrefix(Planner.notBack) ? "was restarted" : "does not start"
        return
            "\(label(view)) \(fails)\(what.isEmpty ? " by its configuration" : " with " + what): \(why); it runs as before, and no other instance is restarted: commit another \(field)"
    }
}

extension String {
    /// Compared by parts: 10.11.9 is older than 10.11.18.
    func isOlder(than other: String) -> Bool {
        func numbers(_ version: String) -> [Int] { version.split(separator: ".").map { Int($0) ?? 0 } }
        return numbers(self).lexicographicallyPrecedes(numbers(other))
    }
}

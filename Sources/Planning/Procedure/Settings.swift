import FleetModel

// Settings: parameters and the configuration file of every running instance.

/// What a member's variables need, found by one pass over the values in force.
private struct Needs {
    /// To be set now; nil: back to the default.
    var set: [String: String?] = [:]
    /// Those of `set` that departed from what was in force, with what is there now.
    var drifted: [(name: String, expected: String, actual: String)] = []
    var isUnknown = false
}

private let relaySyncPrice =
    "durability.relaySync: always flushes each replica's relay log after every event: some 700 commits a second at the most instead of thousands, and seconds for one of 100 MB; it guards only against losing power on both sides at once"

extension ClusterProcedure {
    mutating func configure() {
        guard !refuseUnknownParameters() else { return }
        if !cluster.parameters.isEmpty { decision.warnings += clampedValues() }
        if cluster.relaySync == .always { decision.warnings.append(relaySyncPrice) }
        for view in views where view.isActive && view.isAnswering {
            // What asked for nothing asks for nothing again as long as nothing of it has changed.
            if context.isSettled(view, records.parameters) { continue }
            let before = records.parameters
            if configure(view), records.parameters == before { context.settle(view, before) }
        }
        forgetRemoved()
    }

    /// True where nothing is to be done about it, or told.
    private mutating func configure(_ view: MemberView) -> Bool {
        guard let report = view.report, let database = report.database else { return true }
        let wanted = configuration(view)
        let isCurrent = report.configDigest == wanted.digest
        let needs = needs(report, database, isCurrent: isCurrent)
        for drift in needs.drifted {
            find(
                "ParameterDrift", "\(label(view)).\(drift.name)", on: view,
                "\(drift.name) is \(drift.actual), declared is \(drift.expected)", drift: true)
        }
        if needs.isUnknown {
            wait(.fact("variables"), "\(label(view)) to tell which variables can be set while it runs")
            return false
        }
        if !needs.set.isEmpty {
            setVariables(needs.set, on: view, wanted.text, drifted: needs.drifted.map(\.name))
        } else if !isCurrent {
            rewrite(view, report, wanted.text)
        } else if let refused = report.refusedStart, !isRefused(view) {
            emit(
                .configure(configuration: wanted.text), on: view, cause: because("spec.engine.version"),
                "forget that it did not start by \(refused.engineVersion): that is declared no more")
        } else {
            return needs.drifted.isEmpty
        }
        return false
    }

    private mutating func setVariables(_ values: [String: String?], on view: MemberView, _ text: String, drifted: [String]) {
        let names = values.keys.sorted()
        let changed = names.first { !drifted.contains($0) }
        let cause = changed.map { because(parameterField($0)) } ?? .observation("\(drifted.joined(separator: ", ")) changed on \(label(view))")
        let shown = names.map { name in name + " = " + ((values[name] ?? nil) ?? "default") }.joined(separator: ", ")
        emit(.setVariables(values: values, configuration: text), on: view, cause: cause, "SET GLOBAL " + shown)
    }

    private mutating func rewrite(_ view: MemberView, _ report: InstanceReport, _ text: String) {
        let changed = parameters.first { report.startedParameters[$0.0] != $0.1 }?.0
            ?? report.startedParameters.keys.sorted().first { name in configurations.byName[name] == nil }
        // What was ordered last and is no more declared was declared by an earlier commit.
        let isAsOrdered = report.orderedDigest.map { $0 == report.configDigest } ?? (changed != nil)
        let cause: Cause
        if report.configDigest != nil, isAsOrdered {
            cause = because(changed.map(parameterField) ?? "spec.parameters")
        } else {
            let message = report.configDigest == nil ? "is gone" : "was changed"
            cause = .observation("the configuration file of \(label(view)) \(message)")
            find("ConfigurationDrift", label(view), on: view, "its configuration file \(message)", drift: true)
        }
        emit(.configure(configuration: text), on: view, cause: cause, "write the configuration file")
    }

    /// The manifest's field for a parameter: its own, or the one that it follows from.
    func parameterField(_ name: String) -> String {
        if name == "sync_relay_log" { return "spec.durability.relaySync" }
        if name == MariaDBConfiguration.restartMark { return "spec.restart" }
        return cluster.parameters[name] != nil || name != "innodb_buffer_pool_size" ? "spec.parameters." + name : "spec.resources.memory"
    }

    private mutating func needs(_ report: InstanceReport, _ database: DatabaseReport, isCurrent: Bool) -> Needs {
        var needs = Needs()
        for (name, declared) in parameters {
            let actual = database.variables[name]
            if let applied = records.parameters[name], applied.declared == declared,
                applied.version == database.version || applied.version.versionSeries == database.version.versionSeries
            {
                // What SET made of it is in force, and so is what a start made of it.
                let started = report.startedParameters[name] == declared ? report.startedValues[name] : nil
                guard let actual, actual != applied.readBack, actual != started else { continue }
                guard isDynamic(name, database.version) ?? false else { continue }
                needs.set[name] = declared
                if isCurrent { needs.drifted.append((name, applied.readBack, actual)) }
            } else if report.startedParameters[name] == declared, isCurrent, let actual = actual ?? unread(name, declared, database.version) {
                // It was started with this value, so what it reads back is what it makes of it.
                records.parameters[name] = AppliedParameter(
                    declared: declared, readBack: report.startedValues[name] ?? actual, version: database.version)
            } else {
                switch isDynamic(name, database.version) {
                case true?: needs.set[name] = declared
                case false?: break
                case nil: needs.isUnknown = true
                }
            }
        }
        for (name, started) in report.startedParameters where !isCurrent && configurations.byName[name] == nil {
            if isDynamic(name, database.version) == true, !started.isEmpty { needs.set.updateValue(nil, forKey: name) }
        }
        for name in records.parameters.keys where !isCurrent && configurations.byName[name] == nil {
            if isDynamic(name, database.version) == true { needs.set.updateValue(nil, forKey: name) }
        }
        return needs
    }

    /// Numbers of which a server makes others, told as long as they are declared.
    func clampedValues() -> [String] {
        parameters.compactMap { name, declared in
            guard let applied = records.parameters[name], applied.declared == declared, cluster.parameters[name] != nil,
                let wanted = Int64(declared)
            else { return nil }
            let used = Int64(applied.readBack) ?? wanted
            let started = views.lazy.compactMap { view in
                view.report?.startedParameters[name] == declared ? view.report?.startedValues[name].flatMap { Int64($0) } : nil
            }
            let afterStart = started.first ?? used
            guard used != wanted || afterStart != wanted else { return nil }
            let later = afterStart == used ? "" : " (\(afterStart) after a restart)"
            return "\(name): declared \(declared), the server uses \(used)\(later)"
        }
    }

    /// Nil: no server of this version has told yet. A variable that its list does not name can only be set by a start.
    private func isDynamic(_ name: String, _ version: String) -> Bool? {
        guard let catalog = context.catalogs.first(where: { $0.version == version }) else { return nil }
        return catalog.dynamic.contains(name)
    }

    /// What a server passes over it never tells: it is in force once the server was started with it.
    private func unread(_ name: String, _ declared: String, _ version: String) -> String? {
        guard let catalog = context.catalogs.first(where: { $0.version == version }) else { return nil }
        return catalog.dynamic.contains(name) || catalog.fixed.contains(name) ? nil : declared
    }

    /// Values of parameters that are declared no more are forgotten once every instance's file is without them.
    private mutating func forgetRemoved() {
        // Mostly there are none, and then there are as many names as known ones among them.
        guard records.parameters.count > parameters.count(where: { records.parameters[$0.0] != nil }) else { return }
        let gone = records.parameters.keys.filter { name in configurations.byName[name] == nil }
        for view in views where view.isActive {
            guard view.knowledge == .fresh, view.report?.configDigest == configuration(view).digest else { return }
        }
        for name in gone { records.parameters[name] = nil }
    }

    /// The parameters for which a running instance must be started anew: those in its file that only a start sets and
    /// that differ from what it was started with. Empty where the file itself is not current yet.
    func parametersNeedingRestart(_ view: MemberView) -> [String] { view.isAnswering ? parametersOfNextStart(view) : [] }

    /// The same of an instance that may not answer: as its last start and its file tell.
    func parametersOfNextStart(_ view: MemberView) -> [String] {
        guard let report = view.report, report.configDigest == configuration(view).digest,
            report.startedParameters != configurations.byName, let version = version(of: view)
        else { return [] }
        var names: [String] = []
        for (name, value) in parameters where report.startedParameters[name] != value {
            if isDynamic(name, version) == false { names.append(name) }
        }
        // A mark that is taken away asks for nothing.
        for name in report.startedParameters.keys.sorted()
        where configurations.byName[name] == nil && name != MariaDBConfiguration.restartMark {
            if isDynamic(name, version) == false { names.append(name) }
        }
        return names
    }
}

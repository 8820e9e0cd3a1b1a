import FleetModel

// The engine's version: recorded exactly when the cluster is made; another one is a change that a commit makes.

extension ClusterProcedure {
    /// The exact version is recorded as soon as a host that is to hold an instance tells which it has, and anew when all
    /// instances run another one that is declared.
    mutating func recordEngineVersion() {
        guard records.engineVersion.isEmpty else {
            let active = views.filter(\.isActive)
            guard let version = active.first?.database?.version, version != records.engineVersion,
                version.isVersion(within: cluster.engine.version), active.allSatisfy({ $0.database?.version == version })
            else { return }
            records.engineVersion = version
            return
        }
        for view in views {
            if let version = engine(of: view)?.version {
                records.engineVersion = version
                return
            }
        }
    }

    /// Whether the declared version is of another series than the recorded one: then the recorded one stays.
    private var isSeriesChange: Bool {
        !records.engineVersion.isEmpty && records.engineVersion.versionSeries != cluster.engine.version.versionSeries
    }

    /// What the cluster's instances are to run: the recorded version where it is one of those declared.
    var wantedVersion: String {
        let recorded = records.engineVersion
        return !recorded.isEmpty && (recorded.isVersion(within: cluster.engine.version) || isSeriesChange) ? recorded : cluster.engine.version
    }

    /// What a new instance is made by: the recorded version, by which others of a cluster that holds data are known to
    /// start, also where it is to be brought to another one with them; else the newest on the host that is wanted.
    func engine(of view: MemberView) -> EngineBinary? {
        func newest(_ version: String) -> EngineBinary? {
            view.engines.last { $0.type == cluster.engine.type && $0.version.isVersion(within: version) }
        }
        if records.isFounded, !records.engineVersion.isEmpty, let recorded = newest(records.engineVersion) { return recorded }
        return newest(wantedVersion) ?? (isSeriesChange ? nil : newest(cluster.engine.version))
    }

    /// The version that an instance runs, or would be started by.
    func version(of view: MemberView) -> String? {
        view.database?.version ?? view.report?.origin?.engineVersion
    }

    /// The version that an instance is to be brought to; nil where it runs one that is declared.
    func upgrade(of view: MemberView) -> String? {
        guard let version = view.database?.version, !isSeriesChange, !version.isVersion(within: cluster.engine.version) else { return nil }
        return wantedVersion
    }

    /// The version by which a stopped instance is started instead of its own: by that one it does not start, and another
    /// one is declared.
    func versionToStartBy(_ view: MemberView) -> String? {
        guard let own = view.report?.origin?.engineVersion, !isSeriesChange, !own.isVersion(within: cluster.engine.version),
            view.engines.contains(where: { $0.type == cluster.engine.type && $0.version == wantedVersion })
        else { return nil }
        // A rejoin starts it too, when a configuration that was written since has let failed starts be forgotten; what fails
        // once may be its source.
        let isUnableToStart = failures(of: "start", on: view) != nil
            || failures(of: "rejoin", on: view).map { $0.value.count >= FailureRecord.stalledAfter } ?? false
        return isUnableToStart ? wantedVersion : nil
    }

    /// Data goes from one series to the next only through a dump, or through an upgrade that cannot be taken back.
    mutating func refuseSeriesChange() {
        guard isSeriesChange else { return }
        let (recorded, declared) = (records.engineVersion, cluster.engine.version)
        let message =
            "\(recorded) is not changed to \(declared): only versions of \(recorded.versionSeries) can take its data over and give it back; declare one of them, or move the data to a new cluster"
        find("UpgradeRefused", context.name, on: nil, message, drift: false)
        decision.warnings.append(message)
        wait(.approval("spec.engine.version"), message)
    }
}

import FleetModel

// What comes before an instance runs: who writes first, the engine, the configuration file; and what its look shows.

extension ClusterProcedure {
    var isSuspended: Bool { cluster.suspend || records.suspended }

    /// How the key of a failed start of an instance ends, whichever task it was of.
    func startMark(of view: MemberView) -> String { "/\(id(view.ordinal))/start" }

    /// The most wanted zone first, then the lowest ordinal. Written down with the first epoch before anything starts.
    mutating func chooseFoundingPrimary() {
        guard records.primary == nil else { return }
        let chosen = views.filter(\.isActive).min { left, right in
            (zoneRank(left), left.ordinal) < (zoneRank(right), right.ordinal)
        }
        records.primary = chosen?.ordinal
        records.epoch = max(records.epoch, 1)
    }

    func zoneRank(_ view: MemberView) -> Int {
        cluster.primaryRank(zone: view.record.zone, isInMaintenance: isInMaintenance(view), isDrained: isDrained(view))
    }

    mutating func reportUnresponsive(_ view: MemberView) {
        wait(.fact(label(view)), "\(label(view)) to answer")
        find("InstanceUnresponsive", label(view), on: view, "it runs but a look at it did not end within 2 s", drift: false)
    }

    /// False, with what is missing said, where the host has no engine of the declared version.
    mutating func hasEngine(_ view: MemberView) -> Bool {
        let engine = engine(of: view)
        let lacksProvider = engine != nil && cluster.topology == .galera && engine?.galeraProvider == nil
        if engine != nil, !lacksProvider { return true }
        let found = view.engines.map { $0.type.rawValue + " " + $0.version }.joined(separator: ", ")
        let message =
            lacksProvider
            ? "\(view.record.host) has no libgalera_smm.so, which a galera cluster needs: install the package galera-4 there"
            : "\(view.record.host) has no \(cluster.engine.type.rawValue) \(wantedVersion)"
                + (found.isEmpty ? "" : " (it has \(found))") + ": install its packages there"
        find("EngineMissing", label(view), on: view, message, drift: false)
        wait(.fact("engine"), message)
        return false
    }

    /// True where its configuration file is not what it is to start by, and was ordered.
    mutating func configureToStart(_ view: MemberView, isVoluntary: Bool, _ cause: Cause) -> Bool {
        let digest = view.report?.configDigest
        guard digest == nil || digest != configuration(view).digest && !isSuspended && unknownParameters().isEmpty else { return false }
        emit(
            .configure(configuration: configuration(view).text), on: view, isVoluntary: isVoluntary, cause: cause,
            digest == nil ? "write the configuration file again" : "write the configuration file, before it starts")
        return true
    }

    /// What keeps a member's disk from taking writes, for people.
    mutating func tellDisks() {
        for view in views where view.knowledge == .fresh {
            guard let disk = view.report?.disk else { continue }
            let message = disk == .full ? "its disk is full: nothing is committed" : "its disk takes no writes: nothing is committed"
            find(disk == .full ? "DiskFull" : "DiskStalled", label(view), on: view, "\(message); make room, or mend it", drift: false)
        }
    }
}

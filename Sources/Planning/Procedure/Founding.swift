import FleetModel

// Founding: from nothing to a writer that is open. Every instance starts empty, so nothing need be copied.

extension PrimaryReplicaProcedure {
    mutating func found() {
        chooseFoundingPrimary()
        guard let primary else { return }
        if primary.isWritable {
            // The writer was opened and its attempt's end was lost: the cluster holds data from then on.
            records.isFounded = true
            keep()
            return
        }
        refuseUnknownParameters()
        for view in views where view.isActive { makeAndStart(view) }
        guard primary.isAnswering else { return }
        if primary.report?.database?.isInitialized != true {
            if waitsForAttempt(primary) { return }
            // The primary's own account too: it is a replica after the first switchover.
            let replicas = views.filter(\.isActive).map(\.ordinal)
            emit(.initialize(replicas: replicas), on: primary, cause: because("spec"), "accounts of our own")
            return
        }
        attachReplicas(to: primary)
        openFounded(primary)
    }

    private mutating func makeAndStart(_ view: MemberView) {
        if waitsForHost(view) || waitsForAttempt(view) { return }
        guard let report = view.report, report.directory != .halfMade else {
            guard hasEngine(view), unknownParameters().isEmpty else { return }
            emit(
                .install(blueprint(view)), on: view, cause: becausePlaced(in: view.record.zone), "install on \(view.record.host)")
            return
        }
        switch report.process {
        case .stopped: start(view, becausePlaced(in: view.record.zone))
        case .starting: wait(.fact(label(view)), "\(label(view)) to answer")
        case .unresponsive: reportUnresponsive(view)
        case .running: break
        }
    }

    private mutating func attachReplicas(to primary: MemberView) {
        // Also one that is to leave: nothing is opened beside it.
        for view in views where view.ordinal != primary.ordinal && view.isWritable { close(view) }
        for view in views where view.isActive && view.ordinal != primary.ordinal && view.isAnswering && !view.isWritable {
            if !records.preparedReplicas.contains(view.ordinal) {
                // Declared after the accounts were made.
                emit(
                    .prepareReplica(ordinal: view.ordinal), on: primary, cause: becausePlaced(in: view.record.zone),
                    "replication account for \(label(view))")
            } else {
                attach(view, to: primary, cause: becausePlaced(in: view.record.zone))
            }
        }
    }

    /// Opens the writer once every replica that can be had acknowledges; at least one where durability asks for it.
    private mutating func openFounded(_ primary: MemberView) {
        let ackers = views.filter { $0.isActive && mayAcknowledge($0, for: primary.record) }
        let pending = ackers.filter { !$0.acknowledges && !isGivenUp($0) && $0.knowledge == .fresh }
        let others = views.filter {
            $0.isActive && $0.ordinal != primary.ordinal && $0.knowledge == .fresh && !isGivenUp($0)
                && !$0.isAttached(to: primary.record)
        }
        guard pending.isEmpty, others.isEmpty else { return }
        if let open = views.first(where: \.isWritable) { return wait(.fact(label(open)), "\(label(open)) to be read-only") }
        let semiSync = !ackers.isEmpty
        guard !semiSync || ackers.contains(where: { $0.acknowledges }) else {
            wait(.fact("acknowledgement"), "a replica that can acknowledge")
            return
        }
        let isOrdered = emit(
            .open(epoch: records.epoch, semiSync: semiSync), on: primary, cause: because("spec.durability"),
            semiSync ? "semi-sync on, then open for writing" : "open for writing")
        // From now on it may hold writes, also where the end of this is never heard of.
        guard isOrdered else { return }
        records.isFounded = true
        records.isSemiSync = semiSync
    }

    /// A replica whose tasks failed this often no longer holds up the founding of the others.
    private func isGivenUp(_ view: MemberView) -> Bool {
        guard !records.failures.isEmpty else { return false }
        let mark = "/" + id(view.ordinal).description + "/"
        return records.failures.contains { $0.key.contains(mark) && $0.value.count >= 2 }
    }
}

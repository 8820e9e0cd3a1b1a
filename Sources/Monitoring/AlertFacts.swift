package import FleetModel

/// What is known of the reasons that findings and stalled units have: how grave they are and what a person can do. A
/// reason that is not here is a warning with the general advice.
enum AlertFacts {
    struct Fact {
        var severity: Severity
        var mend: String
    }

    enum Severity: String { case warning, critical }

    static func fact(_ reason: String, unit: UnitID) -> Fact {
        if let (severity, mend) = table[reason] { return Fact(severity: severity, mend: mend) }
        return Fact(severity: .warning, mend: "evenkeel describe \(unit.kind.rawValue) \(unit.name) shows what is known and what is being done.")
    }

    private static let healed = "It is put back as declared; if the change was meant, commit it."

    private static let table: [String: (Severity, String)] = [
        "InstanceDown": (.critical, "Its agent starts it again; if it stays down, look at its error log and disk."),
        "InstanceLost": (.critical, "It is made anew from a healthy donor; find out who removed its directory."),
        "InstanceUnresponsive": (.critical, "Look at the host's load, memory and disk, and at the instance's error log."),
        "WriterLost": (.critical, "Bring the host's directory back, or choose another primary."),
        "WriterClosed": (.critical, "It is opened again as soon as that is safe; find out who closed it."),
        "EventSchedulerDrift": (.warning, "It is set again: events run on the primary, and nowhere else."),
        "ReplicaWritable": (.critical, "It is made read-only again; look for writes that reached it."),
        "ReplicationBroken": (.critical, "It is attached again; if that fails, evenkeel describe shows the database's error."),
        "SemiSyncOff": (.warning, "It is turned on again; until then a commit may be on one host only."),
        "HostSilent": (.critical, "See that the host is up, its agent runs, and the server can be reached from it."),
        "EngineMissing": (.warning, "Install the declared version on the host, or declare another."),
        "UpgradeRefused": (.warning, "Declare a version of the same series; nothing was changed."),
        "RolloutHalted": (.warning, "Commit other values, or the old ones; no other instance is restarted until then."),
        "ParameterUnknown": (.warning, "Correct the parameter's name; until then no configuration is touched."),
        "ConfigurationDrift": (.warning, healed),
        "ParameterDrift": (.warning, healed),
        "DatabaseDrift": (.warning, healed),
        "AccountDrift": (.warning, healed),
        "SecretMissing": (.warning, "Give the server the secret that the manifest names."),
        "Failover": (.critical, "Another member takes over; evenkeel describe shows how far it is. Look at what became of the lost primary's host."),
        "FailoverHeld": (.critical, "Bring back one of the hosts that it names; nobody is promoted while acknowledged rows may be only there."),
        "FailoverManual": (.critical, "Bring the primary back, or declare `failover: automatic`."),
        "FailoverBudgetSpent": (.critical, "Find out why primaries are lost again and again; bring the primary back, or wait."),
        "FailoverAbandoned": (.warning, "The old primary goes on; evenkeel describe shows why the failover was given up."),
        "MaintenanceHoldsFailover": (.critical, "Bring the primary back, or remove the maintenance: then another member takes over."),
        "Maintenance": (.warning, "It ends by itself at the moment that it names; nothing else of it is told until then."),
        "Unprotected": (.critical, "Bring another instance back: a commit is on the primary alone until one acknowledges."),
        "ComponentLost": (.critical, "See what took the hosts; it is begun again by itself once all who may hold the last writes are read."),
        "RecoveryHeld": (.critical, "Bring back the host that it names; only where that is gone for good, commit the `recovery.acceptLoss` that it names."),
        "NodeOutside": (.critical, "Look at the network between it and the others; it joins by itself."),
        "Inconsistent": (.critical, "It is moved aside, kept, and copied anew; its log names the table and the error."),
        "HistoryTooShort": (.warning, "It is copied anew; more `resources.storage` keeps more for those that come back."),
        "ForeignComponent": (.critical, "It is killed, moved aside and copied anew; find out who started it by hand."),
        "JoinRefused": (.critical, "It is moved aside and copied anew; its error log says why it did not join."),
        "LeftBehind": (.critical, "It is killed and moved aside, where what it alone has is kept, and copied anew."),
        "HeldBack": (.critical, "End the lock on the instance that it names, or mend its disk: all writes wait for it."),
        "MajorityInZone": (.warning, "Place the cluster over three zones: the loss of this one stops it."),
        "DataAtRisk": (.critical, "Bring the lost primary's host back: what it alone has is kept aside, and can be compared with the new primary."),
        "FormerWriterOpen": (.critical, "It is killed and comes back as a replica; what it took since was never acknowledged."),
        "LeadHeld": (.critical, "evenkeel describe says what is held and what would be lost; bring the other cluster back, or commit what it names."),
        "Superseded": (.critical, "Commit `standbyOf` with the cluster that leads: then it follows, and what only it has is kept aside."),
        "RoleConflict": (.warning, "Name a standby of this cluster in `standbyOf`, or remove the field; it goes on leading."),
        "SwitchoverAbandoned": (.warning, "The old primary goes on; evenkeel describe shows why it was given up."),
        "InvalidManifest": (.warning, "Correct the manifest; evenkeel validate shows the place. What runs stays as it was."),
        "ScriptUnknown": (.warning, "Declare the script in the server's configuration, or name one that is there; until then this channel tells nobody."),
        "TaskFailing": (.critical, "evenkeel describe shows the task and its error; it is tried again meanwhile."),
        "PlanRefused": (.critical, "evenkeel plan shows the reason; nothing was changed."),
        "NoPlace": (.warning, "Declare another host in the zone, or ask for fewer instances."),
        "SourceFailed": (.warning, "evenkeel describe Source shows why; what runs stays as it was."),
        "ApprovalNeeded": (.warning, "Look at evenkeel plan, then evenkeel approve the revision or revert the commit."),
    ]
}

/// What a pass found of one unit, as far as alerts need it.
package struct UnitAlerts: Sendable, Hashable {
    package var unit: UnitID
    /// The revision in force.
    package var revision: String
    /// All that is found now.
    package var findings: [Finding]
    /// Of these only a true `Stalled` counts, where no finding has its reason.
    package var conditions: [Condition]
    /// False while hosts of the unit have not reported yet: what is not found then is not over.
    package var isComplete: Bool

    package init(
        unit: UnitID, revision: String, findings: [Finding], conditions: [Condition], isComplete: Bool = true
    ) {
        self.unit = unit
        self.revision = revision
        self.findings = findings
        self.conditions = conditions
        self.isComplete = isComplete
    }

    /// The findings, and a stalled reconciliation that none of them explains.
    var all: [Finding] {
        // Of a cluster that is left alone nothing is expected to go on.
        let isLeftAlone = conditions.contains { $0.type == .maintenance && $0.isTrue }
        let stalled = conditions.filter { condition in
            !isLeftAlone && condition.type == .stalled && condition.isTrue && !findings.contains { $0.reason == condition.reason }
        }
        return findings
            + stalled.map { Finding(reason: $0.reason, subject: unit.name, message: $0.message, isDrift: false) }
    }

    /// Whether a finding is told without waiting whether it stays.
    func isUrgent(_ finding: Finding) -> Bool {
        finding.isDrift || conditions.contains { $0.type == .stalled && $0.isTrue && $0.reason == finding.reason }
    }
}

// What can be wrong with a database process, its directory, its host, and with the members of a Galera cluster.

extension NamedCondition {
    static let ofInstances: [NamedCondition] = [
        NamedCondition(
            "InstanceDown", "instance down", .critical, .atOnce, "An instance does not run, and nobody of us stopped it.", evidence: "Its own agent.",
            follows: "It is started in place, closed; the primary is opened at once where nobody else could have been promoted.",
            mend: "It is started again; if it stays down, look at its error log and disk."),
        NamedCondition(
            "InstanceLost", "instance's directory gone", .critical, .atOnce, "The directory of a replica is gone.", evidence: "Its own agent.",
            follows: "It is made anew from a healthy donor.", mend: "It is made anew from a healthy donor; find out who removed its directory."),
        NamedCondition(
            "InstanceUnresponsive", "instance hung", .critical, .settled, "An instance runs and does not answer.",
            evidence: "Its agent's look at it did not end within 2 s.", follows: "It is waited for; a primary that its replicas lost too is replaced (`HungPrimary`).",
            mend: "Look at the host's load, memory and disk, and at the instance's error log."),
        NamedCondition(
            "HostSilent", "host silent", .critical, .settled, "Nothing is heard of a host any more.",
            evidence: "Its agent's last report is older than 10 s. That is no evidence that its databases are lost.",
            follows: "Nothing is done there. A primary that its replicas lost too is replaced (`UnreachablePrimary`).",
            mend: "See that the host is up, its agent runs, and the server can be reached from it."),
        NamedCondition(
            "InstancesMissing", "degraded", .warning, .shown, "Fewer instances serve than are declared.", evidence: "The reports of all instances.",
            follows: "What is missing is mended or made; findings and tasks say how.", mend: "See the findings of the cluster: one says what the missing instance lacks."),
        NamedCondition(
            "EngineMissing", "engine missing", .warning, .settled, "A host lacks the declared version of the database, or Galera's library.",
            evidence: "The versions that its agent found.", follows: "No instance is made there, and for a rolling change none is restarted anywhere.",
            mend: "Install the declared version on the host, or declare another."),
        NamedCondition(
            "DrainHeld", "drain held", .warning, .shown, "An instance stays in a zone that is drained.",
            evidence: "The zone's manifest, and the cluster's `placement`, which puts the instance there.",
            follows: "The primary leaves the zone as soon as another one elsewhere can take over. Nothing else moves: instances stay in the zone that `placement` names.",
            mend: "Commit its place in another zone (`spec.placement`), or leave it: it goes on replicating and acknowledging."),
        NamedCondition(
            "HostMaintenance", "instance in maintenance", .warning, .settled, "An instance is left alone, because its host or zone is in maintenance.",
            evidence: "The manifest of the host or zone.", follows: "Nothing is done to it until the end; no alert tells of it.",
            mend: "Nothing: it ends by itself at the moment that it names, or when the field is removed."),
        NamedCondition(
            "Maintenance", "maintenance", .warning, .settled, "A cluster, host or zone is in maintenance.", evidence: "Its manifest.",
            follows: "Nothing of it is started, failed over, healed or changed, and nothing else of it is told.",
            mend: "It ends by itself at the moment that it names; nothing else of it is told until then."),
    ]

    static let ofGroups: [NamedCondition] = [
        NamedCondition(
            "ComponentLost", "quorum lost", .critical, .settled, "No instance that is heard of is in a primary component: nothing is written.",
            evidence: "Each member's own view of the group; who is silent is named.",
            follows: "Nothing while a member cannot be asked; then the one that provably holds every acknowledged write begins again.",
            mend: "See what took the hosts; it is begun again by itself once all who may hold the last writes are read."),
        NamedCondition(
            "RecoveryHeld", "recovery held", .critical, .settled, "A lost component cannot be begun again: somebody who may hold the last writes cannot be read.",
            evidence: "The members of the last component, and the positions of those that can be read.", follows: "Nobody is started.",
            mend: "Bring back the host that it names; only where that is gone for good, commit the `recovery.acceptLoss` that it names."),
        NamedCondition(
            "NodeOutside", "node partitioned away", .critical, .atOnce, "An instance runs and is not in the component that the others are in.",
            evidence: "Its own view of the group.", follows: "It is kept closed, and joins by itself.",
            mend: "Look at the network between it and the others; it joins by itself."),
        NamedCondition(
            "Inconsistent", "inconsistent node", .critical, .atOnce, "The others voted an instance out: it could not apply what they did.",
            evidence: "Its own state, and that of the others.", follows: "It is moved aside, kept, and copied anew.",
            mend: "It is moved aside, kept, and copied anew; its log names the table and the error."),
        NamedCondition(
            "ForeignComponent", "second component", .critical, .atOnce, "An instance runs, or lies there, with another history than the cluster's.",
            evidence: "The history's uuid in its report, against the recorded one.", follows: "It is killed, moved aside and copied anew.",
            mend: "It is killed, moved aside and copied anew; find out who started it by hand."),
        NamedCondition(
            "LeftBehind", "given-up node is back", .critical, .atOnce, "An instance that was given up by `recovery.acceptLoss` is there again.",
            evidence: "The epoch that it was given up at, in the store.", follows: "It is killed and moved aside, where what it alone has is kept, and copied anew.",
            mend: "It is killed and moved aside, where what it alone has is kept, and copied anew."),
        NamedCondition(
            "JoinRefused", "node cannot join", .critical, .atOnce, "An instance ended twice when it was to join, though its history would do.",
            evidence: "Two failed tasks `joinComponent`.", follows: "It is moved aside and copied anew.",
            mend: "It is moved aside and copied anew; its error log says why it did not join."),
        NamedCondition(
            "HeldBack", "flow control", .critical, .settled, "One instance holds the writes of all back.",
            evidence: "100 write sets and more wait to be applied on it.", follows: "Nothing.",
            mend: "End the lock on the instance that it names, or mend its disk: all writes wait for it."),
        NamedCondition(
            "HistoryTooShort", "history too short", .warning, .atOnce, "Nobody has what an instance missed while it was away any more.",
            evidence: "Its position, against the oldest write set that the others keep.", follows: "It is copied anew.",
            mend: "It is copied anew; more `resources.storage` keeps more for those that come back."),
        NamedCondition(
            "CertificateEnds", "certificate ends", .warning, .settled, "An instance's certificate of the group's traffic ends within 14 days, and is not renewed.",
            evidence: "The certificate that its agent reports.", follows: "It is renewed (`renewCertificate`); once it has ended no member lets the instance in.",
            mend: "See why its task `renewCertificate` fails, and the servers' way to its host."),
        NamedCondition(
            "MajorityInZone", "majority in one zone", .warning, .settled, "One zone holds a majority: its loss stops all writes.",
            evidence: "Where the instances are.", follows: "Nothing.", mend: "Place the cluster over three zones: the loss of this one stops it."),
    ]
}

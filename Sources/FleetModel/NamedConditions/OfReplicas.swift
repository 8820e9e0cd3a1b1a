// What can be wrong with replication and with standby clusters.

extension NamedCondition {
    static let ofReplicas: [NamedCondition] = [
        NamedCondition(
            "AllReplicasNotReplicating", "all replicas not replicating", .critical, .settled,
            "The primary runs, and none of its replicas, of which there are two or more, replicates from it.",
            evidence: "Each replica is down, silent for 10 s, or answers and has a thread that does not run; none is away by an act of ours.",
            follows: "Each is mended as its own finding says. With semi-sync the primary's commits wait meanwhile.",
            mend: "Look for what they have in common: the network to the primary, its accounts, its binlogs; each replica's own finding has the database's error."),
        NamedCondition(
            "ReplicationBroken", "replica not replicating", .critical, .atOnce,
            "A replica that replicated does not: a thread stopped, its source is another one, or is not set.",
            evidence: "The replica's own replication status; the message has the database's error.",
            follows: "It is attached again. Where it lacks what the primary has purged, or cannot apply what it receives (three tries), it is moved aside and cloned.",
            mend: "It is attached again; if that fails, `evenkeel describe` shows the database's error."),
        NamedCondition(
            "ErrantGTID", "errant GTID", .critical, .atOnce, "Somebody wrote to a replica: it has transactions that the primary does not have.",
            evidence: "Its binlog holds numbers of its own server id beyond what it applied.",
            follows: "It is compared with the primary; where its rows are others its directory is moved aside and it is cloned. One at a time, and never the last that acknowledges.",
            mend: "Find out who wrote there; what it alone had is in the directory that is kept aside on its host."),
        NamedCondition(
            "ReplicaLagging", "lagging", .warning, .lasting, "A replica applies more than a minute behind the primary.",
            evidence: "The database's own measure (`Seconds_Behind_Master`) while both threads run.",
            follows: "Above 5 s it is not newly set to acknowledge, and no switchover goes to it. What it has received is safe: a failover to it would wait until it has applied that.",
            mend: "Look for a large transaction or a table without a primary key, at the replica's disk, and at its parallel threads; stop what reads heavily from it."),
        NamedCondition(
            "SemiSyncOnReplica", "semi-sync of a primary on a replica", .warning, .atOnce,
            "Semi-sync is on at a replica as on a primary, so that its applier waits for acknowledgements that never come.",
            evidence: "The replica's own variables.", follows: "It is turned off, and the replica attached again.",
            mend: "It is turned off; find out who turned it on."),
        NamedCondition(
            "DelayedReplica", "delayed replica", .warning, .atOnce, "Somebody set a delay at a replica: as a primary it would come that much later.",
            evidence: "The delay in the replica's own replication status.", follows: "The delay is taken off.", mend: "It is taken off; find out who set it."),
        NamedCondition(
            "EventSchedulerDrift", "event scheduler", .warning, .atOnce,
            "The event scheduler is off at the primary, or on at a replica, where its events write alone.", evidence: "The instance's own variable.",
            follows: "It is set again: events run on the primary, and nowhere else.",
            mend: "It is set again; find out who changed it, and whether events wrote to a replica meanwhile."),
    ]

    static let ofStandbys: [NamedCondition] = [
        NamedCondition(
            "LeadHeld", "lead held", .critical, .settled, "A standby is to lead, and may not yet.",
            evidence: "What it holds, against what the other cluster was last seen to have.",
            follows: "It leads as soon as it holds all, or as a commit gives up what is missing.",
            mend: "`evenkeel describe` says what is held and what would be lost; bring the other cluster back, or commit what it names."),
        NamedCondition(
            "Superseded", "superseded", .critical, .settled, "Another cluster took the lead from this one, whose manifest does not say so.",
            evidence: "The other cluster's lead in the store.", follows: "It stays closed.",
            mend: "Commit `standbyOf` with the cluster that leads: then it follows, and what only it has is kept aside."),
        NamedCondition(
            "RoleConflict", "no such standby", .warning, .settled, "The manifest names a cluster to hand the lead to that is no standby of this one.",
            evidence: "Where the other cluster's rows come from, as the store has it.", follows: "It goes on leading.",
            mend: "Name a standby of this cluster in `standbyOf`, or remove the field; it goes on leading."),
    ]
}

// What can be wrong with the writer of a cluster: that it is lost, that another takes over, that it cannot commit.

extension NamedCondition {
    /// Causes: what shows that only another writer helps. `Failover` and what holds it back begin their message with one.
    static let ofLostPrimaries: [NamedCondition] = [
        NamedCondition(
            "DeadPrimary", "dead primary", .critical, .asCause,
            "The primary does not run and could not be started, or its directory is gone.",
            evidence: "Its own agent: the process is not there, and a start that a server ordered has failed; or the directory is missing. In a Galera cluster: it runs no more, and the others go on.",
            follows: "Failover.", mend: "Its error log says why it does not start; once it can, it comes back as a replica by itself."),
        NamedCondition(
            "UnreachablePrimary", "unreachable primary", .critical, .asCause,
            "The primary's host is silent, and no replica that may acknowledge reaches the primary either.",
            evidence: "Its agent was not heard for 2 s, and every possible acker, heard within 2 s, is not connected to it. That the servers lost sight of it is no evidence. In a Galera cluster: the others went on without it.",
            follows: "Failover.", mend: "Bring the host or its network back; the lost primary comes back as a replica by itself."),
        NamedCondition(
            "HungPrimary", "primary hung", .critical, .asCause, "The primary runs and does not answer, and its replicas cannot reach it either.",
            evidence: "Its agent's look at it does not end, and no possible acker is connected to it.",
            follows: "Failover; its agent kills it.", mend: "Look at the host's disk and memory, and at what froze the process; then nothing, it comes back by itself."),
        NamedCondition(
            "SemiSyncBlocked", "semi-sync blocked", .critical, .asCause,
            "The primary's commits wait for an acknowledgement that nobody can give over the network.",
            evidence: "A commit has waited for 5 s, and every possible acker tries in vain to connect to the primary: an error of the network, not a refusal. Where nothing commits, a row of Evenkeel's own is committed to see.",
            follows: "Failover; its agent kills it.", mend: "Mend the network between the databases' hosts."),
        NamedCondition(
            "PrimaryOutside", "primary partitioned away", .critical, .asCause,
            "The primary of a Galera cluster is not in the component that the others are in.",
            evidence: "Its own view of the group, and that of the others.", follows: "Another instance of the component is opened for writing.",
            mend: "Mend the network between it and the others; it joins by itself."),
        NamedCondition(
            "StuckCandidate", "candidate stuck", .critical, .asCause, "Who was to take over was refused twice, and another has received as much.",
            evidence: "Its promotion failed twice, and all other possible ackers are heard.", follows: "That one takes over, under a new epoch.",
            mend: "Its error log says what its applier cannot apply."),
    ]

    static let ofWriterChanges: [NamedCondition] = [
        NamedCondition(
            "FailoverHeld", "failover held", .critical, .settled,
            "The primary is lost, and nobody provably holds every write that was acknowledged.",
            evidence: "A possible acker cannot be asked, and the end of the lost primary's binlog is not known.",
            follows: "Nobody is promoted. It ends by itself when such a host is back, or after 30 s where `failover.maxDataLoss` allows what is known to be missing.",
            mend: "Bring back one of the hosts that it names; nobody is promoted while acknowledged rows may be only there. Where none comes back, commit `failover.maxDataLoss`: so much may then be lost, and is told."),
        NamedCondition(
            "FailoverManual", "failover is manual", .critical, .settled, "The primary is lost, and the manifest says that nobody takes over by itself.",
            evidence: "One of the causes above, and `failover: manual`.", follows: "The primary is waited for, until somebody lets another instance take over.",
            mend: "Bring the primary back, or let another instance take over: `evenkeel failover CLUSTER`."),
        NamedCondition(
            "FailoverBudgetSpent", "failover budget spent", .critical, .settled,
            "The primary is lost, and there were as many failovers as there may be.",
            evidence: "The failovers of the cluster, and the incidents of its zone and region, within the window of the server's `failovers`.",
            follows: "The primary is waited for until the moment that it names.",
            mend: "Find out why primaries are lost again and again; then bring the primary back, wait, or `evenkeel failover CLUSTER`."),
        NamedCondition(
            "MaintenanceHoldsFailover", "failover held by maintenance", .critical, .settled,
            "The primary is lost while it, its host or its zone is in maintenance.",
            evidence: "One of the causes above, and a maintenance in force.", follows: "The primary is waited for until the maintenance ends.",
            mend: "Bring the primary back, or remove the maintenance: then another member takes over."),
        NamedCondition(
            "PrimaryFlapping", "flapping", .critical, .settled, "The cluster lost its primary several times within the hour.",
            evidence: "Two failovers or more of the last hour, as the store has them.",
            follows: "Nothing by itself: the return to a preferred zone waits longer with every failover, and `failovers` limits how many there are.",
            mend: "Look for what the losses have in common: the hosts' disks and memory, the network, a statement that kills the server. It ends by itself."),
        NamedCondition(
            "Failover", "failover", .critical, .kept(.seconds(60)), "The primary is lost, and another instance takes over or took over.",
            evidence: "One of the causes above; the message begins with it.",
            follows: "Another member takes over, once it provably holds every acknowledged write. The lost primary comes back as a replica. The alert ends a minute after the failover.",
            mend: "Nothing for the writes: another member takes over; `evenkeel describe` shows how far it is. Look at what became of the lost primary's host."),
        NamedCondition(
            "DataAtRisk", "failover without proof", .critical, .settled,
            "A failover or a move of the lead had no proof, and commits that were seen are missing.",
            evidence: "The furthest position that anybody was seen to hold, against that of who took over (`maxDataLoss`, `promotion.acceptLoss`).",
            follows: "What the lost primary alone has is kept aside when it is back. It is told for an hour; after a move of the lead until the other side follows.",
            mend: "Bring the lost primary's host back: what it alone has is kept aside, and can be compared with the new primary."),
        NamedCondition(
            "FailoverAbandoned", "failover abandoned", .warning, .kept(.seconds(600)), "A failover was begun and given up; the old primary goes on.",
            evidence: "The old primary answered again before anything was done to it, or it alone holds every acknowledged write and can be started.",
            follows: "It is affirmed under a new epoch. Another try comes after a growing while, if it is lost still.",
            mend: "Nothing, if it does not come again: the old primary goes on. Else `evenkeel events` shows why each was given up."),
        NamedCondition(
            "SwitchoverAbandoned", "switchover abandoned", .warning, .kept(.seconds(600)), "A planned change of primary was begun and given up.",
            evidence: "A step of it failed or took too long; the message says which.",
            follows: "The old primary is open again under a new epoch. Another try comes after a growing while, if it is wanted still.",
            mend: "The old primary goes on; the message says why it was given up."),
    ]

    static let ofPrimaries: [NamedCondition] = [
        NamedCondition(
            "CommitsWaiting", "semi-sync waits", .critical, .settled, "Commits on the primary stand still until a replica acknowledges.",
            evidence: "The primary's own list of sessions: one has waited for an acknowledgement for 5 s.",
            follows: "A replica that is there is made to acknowledge. Where no possible acker reaches the primary over the network, failover (`SemiSyncBlocked`); where all are away, `durability.whenAlone` decides.",
            mend: "Bring a replica back that can acknowledge; `evenkeel describe` shows what each one lacks."),
        NamedCondition(
            "DiskStalled", "disk stalled", .critical, .settled, "An instance's disk takes no writes: nothing is committed on it.",
            evidence: "Its agent writes a little beside the data every second, and that does not end within 3 s.",
            follows: "At the primary: failover, where another member's disk takes writes; its agent kills it.", mend: "Mend the disk, or move the instance to another host."),
        NamedCondition(
            "DiskFull", "disk full", .critical, .settled, "An instance's disk is full: nothing is committed on it.",
            evidence: "Its agent writes a little beside the data every second, and finds no room.",
            follows: "At the primary: failover, where another member's disk takes writes; its agent kills it.", mend: "Make room on the host's disk."),
        NamedCondition(
            "WriterLost", "primary's directory gone", .critical, .atOnce, "The primary's directory is gone, and nobody may take over.",
            evidence: "Its own agent.", follows: "Nothing: its rows may be only there.", mend: "Bring the directory back, from the host's disk or a backup of it: no other copy is known to be whole."),
        NamedCondition(
            "WriterClosed", "primary read-only", .critical, .atOnce, "The primary is read-only.", evidence: "The primary's `read_only`.",
            follows: "It is opened as soon as that is safe: where writes wait for an acknowledgement, once somebody can give it.",
            mend: "It is opened again as soon as that is safe; find out who closed it."),
        NamedCondition(
            "FormerWriterOpen", "two writers", .critical, .atOnce, "A former primary is back and takes writes beside the new one.",
            evidence: "A member that a failover left behind is not read-only.",
            follows: "It is killed and comes back as a replica. No commit of it was acknowledged: whoever could do so follows the new primary.",
            mend: "Nothing: it is killed and comes back as a replica; what it took since was never acknowledged."),
        NamedCondition(
            "ReplicaWritable", "two writers", .critical, .atOnce, "A replica takes writes beside the primary.", evidence: "The replica's `read_only`.",
            follows: "It is made read-only. What was written to it is found as `ErrantGTID`.",
            mend: "It is made read-only again; look for writes that reached it, and for who opened it."),
        NamedCondition(
            "WrongSource", "wrong source", .critical, .atOnce, "The primary is set to replicate from somewhere.",
            evidence: "The primary's own replication status.", follows: "Its replication is stopped and its source forgotten.",
            mend: "It is stopped; look for rows that came from there, and for who set it."),
        NamedCondition(
            "Unprotected", "primary alone", .critical, .settled, "Commits are on the primary alone, or are not known to be with another one yet.",
            evidence: "It does not wait for acknowledgements (`whenAlone: continue`), or no possible acker has received all that it wrote meanwhile.",
            follows: "The first instance that is back and has caught up acknowledges.",
            mend: "Bring another instance back: a commit is on the primary alone until one acknowledges."),
        NamedCondition(
            "SemiSyncOff", "semi-sync off", .warning, .atOnce, "Semi-synchronous replication was turned off, at the primary or at a replica that acknowledged.",
            evidence: "The instance's own variables.", follows: "It is turned on again.",
            mend: "It is turned on again; until then a commit may be on one host only. Find out who turned it off."),
    ]
}

// What can be wrong with what is declared, and with those who carry it out.

extension NamedCondition {
    private static let healed = "It is put back as declared; if the change was meant, commit it."

    static let ofContent: [NamedCondition] = [
        NamedCondition(
            "ParameterDrift", "parameter drift", .warning, .atOnce, "A parameter has another value than the declared one.",
            evidence: "The running instance's variables.", follows: "It is set again, where that needs no restart.", mend: healed),
        NamedCondition(
            "ConfigurationDrift", "configuration drift", .warning, .atOnce, "An instance's configuration file is not what was written.",
            evidence: "The file's digest, as its agent reports it.", follows: "It is written again.", mend: healed),
        NamedCondition(
            "DatabaseDrift", "database drift", .warning, .atOnce, "A declared database is gone.", evidence: "The primary's list of databases.",
            follows: "It is made again, empty.", mend: "It is made again, and is empty; find out who dropped it, and restore its rows from a backup."),
        NamedCondition(
            "AccountDrift", "account drift", .warning, .atOnce, "An account is gone, or has another password or other grants than the declared ones.",
            evidence: "The primary's accounts and grants.", follows: "It is put back as declared.", mend: healed),
        NamedCondition(
            "SecretMissing", "secret missing", .warning, .settled, "The server has no secret of the name that the manifest gives.",
            evidence: "The provider that the server's configuration declares.", follows: "The account is not made or changed; the rest goes on.",
            mend: "Give the server the secret that the manifest names."),
        NamedCondition(
            "ParameterUnknown", "unknown parameter", .warning, .atOnce, "The database does not know a declared parameter.",
            evidence: "The version's own list of variables.", follows: "No configuration is touched until it is corrected.",
            mend: "Correct the parameter's name; until then no configuration is touched."),
        NamedCondition(
            "RolloutHalted", "rollout halted", .warning, .atOnce, "An instance did not start by what is declared, or was not back in service after its restart, and runs as before.",
            evidence: "Its agent: the start failed, and one by the former configuration and version did not; or 10 min after its restart the instance does not replicate, or has not caught up.", follows: "It is started by its former configuration and version, where its agent knows them, it is no primary, no galera member, and not the only one that acknowledges. No other instance is restarted.",
            mend: "Commit other values, or the old ones; no other instance is restarted until then."),
        NamedCondition(
            "UpgradeRefused", "upgrade refused", .warning, .atOnce, "The declared version is of another series than the cluster's.",
            evidence: "The recorded version.", follows: "Nothing is changed.", mend: "Declare a version of the same series; nothing was changed."),
        NamedCondition(
            "TopologyRefused", "topology refused", .warning, .shown, "A cluster that holds data is declared with another kind of topology.",
            evidence: "The recorded topology.", follows: "Nothing is done to the cluster.",
            mend: "Restore `topology`, or move the data to a new cluster; until then it is left as it is."),
        NamedCondition(
            "NotDeclared", "not declared any more", .warning, .shown, "No manifest declares a cluster that there is.", evidence: "The revision in force.",
            follows: "It is left as it is, and nothing keeps it up.", mend: "Declare it again, or stop it and remove it by hand."),
    ]

    static let ofManifests: [NamedCondition] = [
        NamedCondition(
            "TaskFailing", "task fails", .critical, .atOnce, "A task fails again and again.", evidence: "Five failed tries of it, and it is wanted still.",
            follows: "It is tried again, once a minute.", mend: "`evenkeel describe` shows the task and its error; it is tried again meanwhile."),
        NamedCondition(
            "PlanRefused", "plan refused", .critical, .atOnce, "What would have to be done would break a promise; nothing of it is done.",
            evidence: "The rehearsal of the plan against the invariants.", follows: "Nothing was changed.",
            mend: "`evenkeel plan` shows the reason; nothing was changed."),
        NamedCondition(
            "InvalidManifest", "invalid manifest", .warning, .atOnce, "A manifest cannot be read, or says what cannot be.",
            evidence: "The revision that was read; the message names file, line and column.", follows: "The last good manifest stays in force.",
            mend: "Correct the manifest; `evenkeel validate` shows the place. What runs stays as it was."),
        NamedCondition(
            "NoPlace", "no place", .warning, .atOnce, "There is no host for an instance.", evidence: "Hosts, their capacity, and what is on them.",
            follows: "The instance is not made; the others go on.", mend: "Declare another host in the zone, or ask for fewer instances."),
        NamedCondition(
            "SourceFailed", "repository unreadable", .warning, .atOnce, "The fleet repository cannot be read.", evidence: "git's own error.",
            follows: "What was accepted last stays in force; it is tried again at the source's interval.",
            mend: "`evenkeel describe source NAME` shows why; what runs stays as it was."),
        NamedCondition(
            "ApprovalNeeded", "approval needed", .warning, .atOnce, "A revision waits for somebody to approve it.", evidence: "The source's mode, and what the revision would change.",
            follows: "The revision before it stays in force.", mend: "Look at `evenkeel plan`, then `evenkeel approve` the revision or revert the commit."),
        NamedCondition(
            "ScriptUnknown", "unknown script", .warning, .atOnce, "An alert channel names a script that the server does not have.",
            evidence: "The server's configuration.", follows: "This channel tells nobody.",
            mend: "Declare the script in the server's configuration, or name one that is there; until then this channel tells nobody."),
    ]

    static let ofControlPlane: [NamedCondition] = [
        NamedCondition(
            "SecondAgent", "second agent", .warning, .settled, "A second agent wants to connect under a host's name, while the first one speaks still.",
            evidence: "Both streams.", follows: "It is refused.", mend: "Find the other process: a copied credential, or a host that was made twice. Stop one of the two."),
        NamedCondition(
            "AgentRefused", "agent refused", .warning, .settled, "A host's agent is turned away; the message says why.",
            evidence: "What it said when it connected: its store, its promise, its release.", follows: "Nothing is done on its host.",
            mend: "Mend what the message names; the agent tries again by itself."),
        NamedCondition(
            "LeftOut", "left out of the rebuild", .warning, .settled, "A host holds what no record knows, since it was left out when the store was rebuilt.",
            evidence: "Its report, against the store.", follows: "Nothing is done to that.", mend: "Another `evenkeel serve --rebuild` takes it in."),
        NamedCondition(
            "StoreRebuilding", "store is rebuilt", .warning, .shown, "The store is being made anew, and nothing is done until somebody approves it.",
            evidence: "The server was started with `--rebuild`.", follows: "Everything is only shown.",
            mend: "See `evenkeel rebuild`, and approve what it shows."),
        NamedCondition(
            "AgentSilent", "agent silent", .warning, .shown, "A host's agent was not heard, or is not heard any more.", evidence: "The age of its last report.",
            follows: "Nothing is done there; where the host holds instances `HostSilent` is told.",
            mend: "See that the host is up, its agent runs, and the server can be reached from it."),
        NamedCondition(
            "AlertDelayed", "alert delayed", .warning, .shown, "A channel could not be told; it is tried again.", evidence: "The receiver's answer, or the script's status.",
            follows: "It is tried again, up to 100 times or 24 h.", mend: "See that the receiver can be reached from the server; `evenkeel events` shows its answer."),
        NamedCondition(
            "AlertGivenUp", "alert given up", .warning, .shown, "A channel refused a message, or could not be told for a day.",
            evidence: "The receiver's answer, or the script's status.", follows: "The message is kept, and tried anew when the channel's target changes, or after its `repeatInterval`.",
            mend: "Mend the channel's target and commit it; other channels were told."),
        NamedCondition(
            "RevisionHeld", "revision held", .warning, .shown, "A revision is not accepted; the message says why.", evidence: "The source's mode, and the revision's history.",
            follows: "The revision before it stays in force.", mend: "Approve it (`evenkeel approve`), or mend what the message names by another commit."),
        NamedCondition(
            "HistoryRewritten", "history rewritten", .warning, .shown, "The revision that was in force is not in the branch's history any more.",
            evidence: "The branch's commits.", follows: "The new history counts.", mend: "Find out who rewrote the branch; forbid it where the repository is kept."),
    ]
}

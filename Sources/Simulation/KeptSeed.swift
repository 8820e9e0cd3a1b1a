import FleetModel

/// A seed that found a bug, of the product or of the model. What changes the model changes histories, so that most of these go
/// through another one today than then: they are worlds in which something was once wrong, no proof that it would be found again.
/// What a bug was is in the log, and in the unit test that came with it.
package struct KeptSeed: Sendable {
    package var scenario: Scenario
    package var seed: UInt64
    /// What was wrong.
    package var found: String

    package static let all: [KeptSeed] = demo + allFaults + alone + rolling + leading + galera

    private static func table(_ scenario: Scenario, _ rows: [(seed: UInt64, found: String)]) -> [KeptSeed] {
        rows.map { KeptSeed(scenario: scenario, seed: $0.seed, found: $0.found) }
    }

    private static let demo = table(Scenario(), [
        (88, "nobody to acknowledge for a closed writer"),
        (217, "an order of an epoch that was over, carried out by who had been away"),
        (233, "relay logs that counted and were not applied"),
        (295, "a replica that its agent would not let replicate on, after a promotion was refused"),
        (350, "nobody to acknowledge for a closed writer"),
        (403, "a dropped account that was back"),
        (469, "a writer lost before its founding was known"),
        (532, "an order of an epoch that was over, sent again"),
        (576, "a replica that its agent would not let replicate on, after an attachment failed"),
        (646, "who was not reached by a failover acknowledged for the new writer, outside the ack set"),
        (921, "an order of an epoch that was over, sent again"),
        (924, "a member that is to leave, made writable by hand, closed by nobody"),
        (1074, "a silent replica acknowledged for the candidate of a switchover, outside the ack set"),
        (1124, "an order of an epoch that was over, sent again"),
        (12880, "a primary whose promotion had ended halfway was to refuse somebody first, which it does not while it has a source"),
    ])

    private static let allFaults = table(Scenario(hasAllFaults: true), [
        (899, "a kill that no journal knew of, taken for proof: the agent, restarted, opened the old writer for who was not reached")
    ])

    private static let alone = table(Scenario(whenAlone: .continue), [
        (21, "a cluster that was never founded asked for its writer"),
        (266, "a candidate that took over and died, ordered to take over for ever"),
    ])

    private static let rolling = table(Scenario(.rolling), [
        (19, "an unknown version taken for another series"),
        (36, "one that was down counted as stopped by an upgrade"),
        (45, "a writer without any replication account, taken for an agent that does not tell of them"),
        (58, "a clone made by a version that starts nothing"),
        (73, "one that was down counted as stopped by an upgrade"),
        (109, "a writer without any replication account, taken for an agent that does not tell of them"),
        (162, "a clone that took the place of one that did not start, never started"),
        (253, "a closed writer waited for a lost host while a switchover was given up"),
        (254, "who acknowledged after a switchover was given up was not in the ack set: a lost row"),
        (723, "one that cannot be brought back by its version, not started by the declared one"),
        (734, "one that cannot be brought back by its version, not started by the declared one"),
    ])

    private static let leading = table(Scenario(.leading), [
        (36, "a lead taken by who ended with another row of the same number"),
        (81, "a head that its agent would not let replicate on"),
        (227, "who took the lead and was started again waited for a replica that waited for it"),
        (230, "one compared with a head that had not applied what it begins with"),
        (235, "a replica compared again after each comparison: a plan without an end"),
        (274, "a demotion taken back, and who acknowledged before it, not heard since, did so again"),
        (287, "a demotion that was heard of after a failover had begun ended the lead"),
        (353, "who takes the lead waited for accounts that it had received and not applied"),
        (390, "who takes the lead waited for a replica that has other rows"),
        (410, "a standby's head attached to nobody while nobody leads"),
        (533, "a standby's head attached to nobody while nobody leads"),
    ])

    private static let galera = table(Scenario(.galera), [
        (65, "one wanted again once it was retired stayed stopped"),
        (292, "a member in the component that its agent would not start again"),
        (516, "the model voted somebody out of a component of one"),
        (558, "the model counted a row that nobody had seen as settled"),
        (615, "the end state asked for more than a retired one that is kept"),
        (657, "a primary that is to leave not replaced, for want of budget"),
        (744, "the model counted a row that nobody had seen as settled"),
        (922, "the end state asked for more than a retired one that is kept"),
        (968, "the model let a woken member not notice its group"),
    ])
}

extension Scenario {
    /// As options of the command.
    package var options: String {
        let kind =
            switch story {
            case .demo: ""
            case .rolling: " --rolling"
            case .leading: " --leading"
            case .galera: " --galera"
            }
        return (hasAllCommits ? " --all-commits" : "") + (hasAllFaults ? " --all-faults" : "") + kind + (whenAlone == .wait ? "" : " --when-alone \(whenAlone.rawValue)")
    }
}

/// What a planted bug has to be found as.
package struct PlantedFinding: Sendable {
    /// The promise, as a table has it.
    package var promise: String
    /// A finding that has one of these is of that promise.
    package var words: [String]

    private init(_ promise: String, _ words: String...) { (self.promise, self.words) = (promise, words) }

    static let oneWriter = PlantedFinding("one writer", "take writes at once", "was opened without it")
    static let noneLost = PlantedFinding("no acknowledged write lost", "without the acknowledged", "was opened without it", "nobody who is left has it")
    static let copies = PlantedFinding("two copies of what is acknowledged", "with 1 copies")
    static let oneHistory = PlantedFinding("one history", "without the acknowledged", "the source has not what this replica has")
    static let oneDown = PlantedFinding("one interrupted at a time", "stopped by another task, is not up")
    static let kept = PlantedFinding("nothing in service is removed", "is removed")
    static let others = PlantedFinding("nothing of others is removed", "has lost an account that no manifest has")
    static let oneAttempt = PlantedFinding("one attempt on a participant", "work on")
    static let promised = PlantedFinding("terms and epochs never go back", "has forgotten that it promised")
    static let fenced = PlantedFinding("an old term changes nothing", "the store took a change of term")
    static let unattended = PlantedFinding("nothing stops for want of a server", "for want of a server")
    static let resumed = PlantedFinding("replicas come back without a server", "does not come back to acknowledging")
    static let caused = PlantedFinding("every task has a cause", "nothing says what caused it")
    static let checked = PlantedFinding("nothing is told that was not seen", "declared is")
    static let converges = PlantedFinding("it converges", "did not converge", "not settled")
    static let furthest = PlantedFinding("the furthest member begins", "begins a component at", "it is not read")
    static let component = PlantedFinding("a component has all that was acknowledged", "lacks the acknowledged")
    static let rejoined = PlantedFinding("members come back without a server", "does not come back to the component")
    static let inconsistent = PlantedFinding("who was voted out stays out", "with rows of its own")
    static let equal = PlantedFinding("members are equal", "with the same rows")
}

extension PlantedBug {
    /// What its finding has to say.
    package var finding: PlantedFinding {
        switch self {
        case .openStart, .briefDemotion, .openRestart: .oneWriter
        case .undrained, .relayPurge, .unrevoked, .weakRefusal, .earlyPromotion, .semiSyncOff, .ownRows, .unsyncedBinlog, .eagerAcknowledgement: .noneLost
        case .earlyAcknowledgement: .copies
        case .uncheckedRejoin: .oneHistory
        case .hastyRestart: .oneDown
        case .eagerPurge: .kept
        case .greedyDrop: .others
        case .survivingWork: .oneAttempt
        case .forgetfulAgent: .promised
        case .lenientStore: .fenced
        case .dependentAgent: .unattended
        case .idleAgent: .resumed
        case .causeless: .caused
        case .rosyReport: .checked
        case .wallClock, .lastingLock: .converges
        case .recoverSecond, .recoverUnread, .componentTooSmall: .furthest
        case .smallView: .component
        case .plainStart: .rejoined
        case .forgetsInconsistent: .inconsistent
        case .cloneUnseeded: .equal
        }
    }

    /// Whether a failure is of what was planted.
    package func isNamed(by failure: String?) -> Bool { failure.map { failure in finding.words.contains { failure.contains($0) } } ?? false }

    /// A seed that found it when that was last looked for: begun with, so that a search is short.
    package var firstSeed: UInt64 {
        switch self {
        case .recoverSecond: 1
        case .unsyncedBinlog, .forgetfulAgent: 2
        case .openRestart, .lastingLock: 3
        case .componentTooSmall, .ownRows: 4
        case .semiSyncOff: 6
        case .lenientStore: 9
        case .survivingWork: 10
        case .recoverUnread: 20
        case .rosyReport: 24
        case .forgetsInconsistent: 38
        case .smallView: 87
        case .greedyDrop: 104
        case .uncheckedRejoin: 159
        case .eagerAcknowledgement: 178
        case .relayPurge: 181
        case .earlyPromotion: 196
        case .unrevoked: 256
        case .weakRefusal: 270
        case .undrained: 597
        case .wallClock: 634
        default: 0
        }
    }
}

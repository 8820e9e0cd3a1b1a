import FleetModel

// What an instance of a galera cluster has beside what each instance has. Its binlog is what it has applied, all of it on
// disk (`innodb_flush_log_at_trx_commit=1`), and its place in that list is a write set's sequence.

/// The one order of write sets of a component and of those that follow from it: what is in it was received by all.
final class ModelOrder {
    let stateUUID: String
    var transactions: [Transaction]

    init(_ stateUUID: String, _ transactions: [Transaction]) {
        self.stateUUID = stateUUID
        self.transactions = transactions
    }

    var count: Int { transactions.count }

    /// Whether what an instance holds is the beginning of this order. Two lists that once differ have no transaction in
    /// common from there on.
    func begins(with held: [Transaction]) -> Bool {
        guard let last = held.last else { return true }
        return held.count <= count && transactions[held.count - 1] === last
    }
}

/// A write set that is on its way to all.
final class ModelWriteSet {
    let transaction: Transaction
    let origin: ModelInstance
    /// Of the process that waits for it.
    let process: UInt64
    var received: Set<InstanceID> = []
    /// Nil while it is on its way.
    var hasSucceeded: Bool?

    init(_ transaction: Transaction, _ origin: ModelInstance, _ process: UInt64) {
        self.transaction = transaction
        self.origin = origin
        self.process = process
    }
}

/// What its members agree on: who is in it. Primary, or a minority.
final class ModelView {
    let number: Int64
    let maker: String
    /// By the names of their processes.
    let members: [String: ModelInstance]
    /// Nil outside of a primary component.
    let order: ModelOrder?
    /// Sent, and not known to be with all.
    var pending: [ModelWriteSet] = []
    /// Names of those who left in good order.
    var left: Set<String> = []

    init(_ number: Int64, _ maker: String, _ members: [String: ModelInstance], _ order: ModelOrder?) {
        self.number = number
        self.maker = maker
        self.members = members
        self.order = order
    }

    var isPrimary: Bool { order != nil }
}

/// A process's part in its group.
struct ModelSeat {
    /// Another one with each start, unless a view file gives back the one before.
    let name: String
    var view: ModelView?
    var state = GaleraState.outside
    /// How much of the order it was given. What of it is not applied goes with the process.
    var delivered: Int
    /// At what it was started; nil: nobody told it.
    let given: RecoveredPosition?
    /// A client can connect: from its first primary component on.
    var isListening = false
    /// When it heard the others last, by their names.
    var heard: [String: Instant] = [:]
    /// What of the order it has to apply before it is a member like others.
    var joinsAt = 0
    /// It does not find the others of its last view by itself, for a reason that nobody has found.
    var isStuck = false
    /// Woken, it does not notice until then that the others went on.
    var sleepsUntil = Instant(milliseconds: 0)
    /// So long, in milliseconds, that may take.
    static let noticeMax = 3000
    /// Write sets of its own that wait, and those that it has to apply.
    var own: [ObjectIdentifier: ModelWriteSet] = [:]

    init(name: String, delivered: Int, given: RecoveredPosition?) {
        self.name = name
        self.delivered = delivered
        self.given = given
    }

    var isReady: Bool { view?.isPrimary == true && (state == .synced || state == .donor) }
}

final class ModelMember {
    // MARK: On disk

    /// Of the history that its data belong to; empty: none.
    var stateUUID = ""
    /// `gvwstate.dat`.
    var file: ComponentView?
    /// It was stopped in good order, and not started since.
    var leftInOrder = false
    /// Its log says that it was voted out.
    var wasVotedOut = false
    /// The agent's mark of that.
    var isInconsistent = false
    /// Rows that it has alone.
    var hasOwnRows = false
    /// The founder's mark.
    var isFounding = false
    /// What was read since its process died.
    var recovered: RecoveredPosition?
    /// The first write set that it can still give to others.
    var cachedFrom = 1
    /// How far its GTIDs are off from its sequence.
    var shift: Int64 = 0
    /// How its last process ended by itself.
    var refusal: JoinRefusal?

    /// Why a joiner ends.
    enum JoinRefusal {
        case wholeState, reversing
    }

    // MARK: The process

    var seat: ModelSeat?

    /// So much is kept for those who come back.
    static let historyMax = 200
}

extension ModelInstance {
    /// Answers queries as a part of a primary component.
    var isInComponent: Bool { process != nil && member?.seat?.isReady == true }

    /// How many its configuration names, itself among them.
    var groupSize: Int {
        guard let line = ordered?.split(separator: "\n").first(where: { $0.hasPrefix("wsrep_cluster_address=") }) else { return 0 }
        return line.split(separator: ",").count
    }

    /// By its binlog, which was seeded with its donor's numbers.
    func memberPosition(_ member: ModelMember) -> GTIDSet {
        var position = GTIDSet()
        if let last = binlog.last {
            position.domains[gtidDomain] = GTIDSet.Last(serverID: last.serverID, sequence: Int64(binlog.count) + member.shift)
        }
        return position
    }

    func galeraReport(_ member: ModelMember) -> GaleraReport {
        let seat = member.seat
        let isPrimary = seat?.view?.isPrimary == true && seat?.state != .joining
        var report = GaleraReport(
            isReady: seat?.isReady == true, isPrimaryComponent: isPrimary, state: seat?.state ?? .outside,
            stateUUID: seat?.view?.order?.stateUUID ?? member.stateUUID, size: isPrimary ? seat?.view?.members.count ?? 0 : 0,
            viewNumber: isPrimary ? seat?.view?.number ?? -1 : -1, lastCommitted: Int64(binlog.count), cachedDownTo: Int64(member.cachedFrom),
            receiveQueue: Int64(max((seat?.delivered ?? 0) - binlog.count, 0)))
        if report.isReady { report.members = (seat?.view?.members.values.map(\.id.ordinal) ?? []).sorted() }
        return report
    }

    /// What its data hold, with the process dead.
    func readRecovered(_ member: ModelMember, _ planted: PlantedBug?) -> RecoveredPosition {
        if member.wasVotedOut, planted != .forgetsInconsistent { member.isInconsistent = true }
        return RecoveredPosition(
            stateUUID: member.stateUUID, sequence: Int64(binlog.count), view: member.file, leftInOrder: member.leftInOrder,
            wasInconsistent: member.isInconsistent)
    }
}

extension ModelInstance {
    /// A copy goes on where its donor was, and has nothing to give to others.
    func seed(_ history: (stateUUID: String, shift: Int64), _ planted: PlantedBug?) {
        member?.stateUUID = history.stateUUID
        member?.shift = planted == .cloneUnseeded ? -Int64(binlog.count) : history.shift
        member?.cachedFrom = binlog.count + 1
    }
}

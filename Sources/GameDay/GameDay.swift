package import FleetModel
import Synchronization

/// What a game day needs of the server.
package protocol GameDayServer: Sendable {
    /// The members in service; nil while no instance of the cluster takes writes.
    func members() async throws -> Members?
    /// All active members, whoever is the primary, and its name.
    func active() async throws -> (all: [Member], primary: String)
    /// Begins a game day that is over after so long. Returns its name.
    func begin(for: Duration) async throws -> String
    func end(_ run: String) async throws
    func inject(_ order: FaultOrder, on ordinal: Int, run: String) async throws -> FaultAnswer
    func switchOver() async throws
    /// Whether the cluster has converged and all of its instances serve; else what is missing.
    func unsettled() async throws -> String?
}

/// Why a game day cannot go on.
package struct GameDayError: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String
    package var help: String

    package init(_ description: String, help: String = "") {
        self.description = description
        self.help = help
    }
}

/// Runs one fault under a recorded load, and looks for every write afterwards.
package struct GameDay: Sendable {
    private let server: any GameDayServer
    private let account: LoadAccount
    /// Clients of each sort.
    private let clients: Int

    package init(server: any GameDayServer, account: LoadAccount, clients: Int) {
        self.server = server
        self.account = account
        self.clients = clients
    }

    /// So often each sort has written before the fault begins.
    private static let writesBefore = 50
    private static let warmUpMax: Duration = .seconds(20)
    private static let poll: Duration = .milliseconds(20)
    private static let settlePoll: Duration = .milliseconds(500)
    /// From when all has healed.
    private static let settleMax: Duration = .seconds(180)
    /// Sabotage may leave what only a rebuild mends.
    private static let settleSabotagedMax: Duration = .seconds(40)
    /// After the cluster has converged each sort has to write so often again, within this time: a server that waited for
    /// space on its disk looks again once a minute only.
    private static let writesAfter = 50
    private static let backMax: Duration = .seconds(90)
    /// Replicas apply what is there: until none of them has applied any more of it for so long,
    private static let rowsIdleMax: Duration = .seconds(20)
    /// and no longer than this.
    private static let rowsMax: Duration = .seconds(90)
    private static let strayFor: Duration = .seconds(1)
    /// A step that meets whoever takes over waits for so long.
    private static let promotedMax: Duration = .seconds(60)

    /// Waits until the cluster is whole, as it has to be when a fault begins. Throws `GameDayError` where it does not become so.
    package func rest() async throws {
        if let missing = await settle(within: Self.settleMax) { throw GameDayError("the cluster is not whole: \(missing)") }
    }

    /// `round`: which run of the fault it is, where there are several. Each write of it is handed to `journal` at the end.
    /// Throws where the load cannot even begin.
    package func run(_ fault: Fault, round: Int? = nil, journal: (FaultReport, [Write]) throws -> Void) async throws -> FaultReport {
        var report = FaultReport(fault, round: round)
        guard let members = try await server.members() else { throw GameDayError("the cluster has no primary that takes writes") }
        let run = try await server.begin(for: fault.duration + Self.settleMax + Self.warmUpMax + Self.backMax + Self.rowsMax)
        do {
            try await carryOut(fault, members, run, &report, journal)
        } catch {
            // What failed counts; the game day ends by itself if not now.
            try? await server.end(run)
            throw error
        }
        try await server.end(run)
        return report
    }

    private func carryOut(
        _ fault: Fault, _ members: Members, _ run: String, _ report: inout FaultReport,
        _ journal: (FaultReport, [Write]) throws -> Void
    ) async throws {
        let rows = Rows(account: account, run: run)
        let first = Place(address: members.primary.address, port: members.primary.port)
        do { try await rows.make(at: first) } catch {
            throw GameDayError(
                "the table \(account.database).\(LoadAccount.table) cannot be made on \(members.primary.name): \(error)",
                help: "declare the database and an account with CREATE, INSERT and SELECT on it; name them with --database and --user")
        }
        report.primaryBefore = members.primary.name
        report.run = run
        let ledger = Ledger()
        let state = LoadState()
        state.move(to: first)
        let outcome = await withTaskGroup(of: Void.self) { group in
            for number in 0..<(2 * clients) {
                let client = LoadClient(
                    sort: number < clients ? .pooled : .reconnecting, number: Int64(number + 1), run: run, account: account,
                    state: state, ledger: ledger)
                group.addTask { await client.work() }
            }
            group.addTask { [server] in await GameDay.follow(server, state) }
            let outcome = await strike(fault, members, run, ledger, state)
            state.end()
            await group.waitForAll()
            return outcome
        }
        report.behind = outcome.behind
        if let refusal = outcome.refusal {
            report.verdict = Verdict.refused(refusal).text
            try journal(report, ledger.writes)
            return
        }
        try await conclude(fault, outcome, ledger, rows, &report)
        try journal(report, ledger.writes)
    }

    /// Follows the primary as an application would: by asking.
    private static func follow(_ server: any GameDayServer, _ state: LoadState) async {
        while !state.isOver, !Task.isCancelled {
            if let members = try? await server.members() {
                state.move(to: Place(address: members.primary.address, port: members.primary.port))
            }
            try? await Task.sleep(for: poll)
        }
    }

    struct Strike: Sendable {
        var refusal: String?
        /// What was to follow and did not, such as that the cluster settled.
        var unsettled: String?
        var behind: [String: Int64] = [:]
        /// The ledger's time just before the fault.
        var began = Duration.zero
        var settled: Duration?
        var ended = Duration.zero
    }

    private func strike(_ fault: Fault, _ members: Members, _ run: String, _ ledger: Ledger, _ state: LoadState) async -> Strike {
        var strike = Strike()
        var unmet: String?
        guard await isWriting(ledger, Self.writesBefore, within: Self.warmUpMax) else {
            strike.refusal = "the clients of \(account.user) did not get \(Self.writesBefore) writes done: look at the account and its address"
            return strike
        }
        do {
            for replica in members.replicas {
                var order = FaultOrder()
                order.kind = .measure
                let answer = try await server.inject(order, on: replica.ordinal, run: run)
                if let refusal = answer.refusal { throw GameDayError(refusal) }
                strike.behind[replica.name] = answer.behind
            }
            strike.began = ledger.now
            unmet = try await act(fault, members, run, ledger, state)
        } catch {
            strike.refusal = (error as? GameDayError)?.description ?? "\(error)"
            strike.ended = ledger.now
            return strike
        }
        await waitUntil(ledger, strike.began + fault.duration)
        strike.unsettled = await settle(within: fault.isSabotage ? Self.settleSabotagedMax : Self.settleMax)
        if strike.unsettled == nil {
            strike.settled = ledger.now
            strike.unsettled = await isWriting(ledger, Self.writesAfter, within: Self.backMax)
                ? unmet : "it converged, and writes did not come back within \(Self.backMax.components.seconds) s"
        }
        strike.ended = ledger.now
        return strike
    }

    /// Whether from now on both sorts get so many writes done in time.
    private func isWriting(_ ledger: Ledger, _ count: Int, within bound: Duration) async -> Bool {
        let sorts = [ClientSort.pooled, .reconnecting]
        let before = sorts.map(ledger.acknowledged)
        let deadline = ledger.now + bound
        while ledger.now < deadline, !Task.isCancelled {
            if zip(sorts, before).allSatisfy({ ledger.acknowledged($0) - $1 >= count }) { return true }
            try? await Task.sleep(for: Self.poll)
        }
        return false
    }

    /// Steps of one moment are begun at once. Says which step met nobody; nil: each met whom it means.
    private func act(_ fault: Fault, _ members: Members, _ run: String, _ ledger: Ledger, _ state: LoadState) async throws -> String? {
        let began = ledger.now
        for moment in Set(fault.steps.map(\.at)).sorted() {
            await waitUntil(ledger, began + moment)
            var members = members
            if fault.steps.contains(where: { $0.at == moment && $0.waitsForPromotion }) {
                guard let now = await successors(of: members, ledger) else {
                    return "nobody took over within \(Self.promotedMax.components.seconds) s who could be hurt"
                }
                members = now
            }
            try await withThrowingTaskGroup(of: Void.self) { [members] group in
                for step in fault.steps where step.at == moment {
                    switch step.act {
                    case .switchover: group.addTask { [server] in try await server.switchOver() }
                    case .strayWrites:
                        guard let replica = members.replicas.first else { break }
                        group.addTask { await write(astray: replica, run, ledger, state) }
                    case .order(let order, let target, let peers):
                        for (member, order) in members.orders(order, target, peers) {
                            group.addTask { [server] in
                                let answer = try await server.inject(order, on: member.ordinal, run: run)
                                if let refusal = answer.refusal { throw GameDayError(refusal) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        return nil
    }

    /// The members once another of them than before takes writes; nil where none does in time.
    private func successors(of before: Members, _ ledger: Ledger) async -> Members? {
        let deadline = ledger.now + Self.promotedMax
        while ledger.now < deadline, !Task.isCancelled {
            // A server that does not answer is asked again.
            if let now = try? await server.members(), now.primary.ordinal != before.primary.ordinal { return now }
            try? await Task.sleep(for: Self.poll)
        }
        return nil
    }

    private func write(astray replica: Member, _ run: String, _ ledger: Ledger, _ state: LoadState) async {
        let own = LoadState()
        let client = LoadClient(
            sort: .stray, number: Int64(2 * clients + 1), run: run, account: account, state: own, ledger: ledger,
            fixed: Place(address: replica.address, port: replica.port))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await client.work() }
            await waitUntil(ledger, ledger.now + Self.strayFor)
            own.end()
        }
    }

    private func waitUntil(_ ledger: Ledger, _ moment: Duration) async {
        while ledger.now < moment, !Task.isCancelled { try? await Task.sleep(for: min(Self.poll, moment - ledger.now)) }
    }

    /// Why it did not come to rest; nil: it did.
    private func settle(within bound: Duration) async -> String? {
        let deadline = ContinuousClock.now + bound
        var reason = ""
        while !Task.isCancelled {
            do {
                guard let missing = try await server.unsettled() else { return nil }
                reason = missing
            } catch {
                reason = "\(error)"
            }
            guard ContinuousClock.now < deadline else { break }
            try? await Task.sleep(for: Self.settlePoll)
        }
        return "not converged within \(bound.components.seconds) s: \(reason)"
    }

    // MARK: Afterwards

    private func conclude(
        _ fault: Fault, _ strike: Strike, _ ledger: Ledger, _ rows: Rows, _ report: inout FaultReport
    ) async throws {
        let (instances, primary) = try await server.active()
        let writes = ledger.writes
        let (held, unread) = await look(for: Set(writes.lazy.filter { $0.outcome == .acknowledged }.map(\.id)), instances, rows)
        let findings = Findings(writes, rows: held, primary: primary, window: strike.began...max(strike.began, strike.ended))
        report.take(findings, fault.aim)
        report.primaryAfter = primary
        report.settledMilliseconds = strike.settled.map { ($0 - strike.began).milliseconds }
        let verdict = Verdict.of(
            fault, findings, from: report.primaryBefore, to: primary, unsettled: strike.unsettled, unread: unread)
        report.isOK = verdict.isOK
        report.verdict = verdict.text
    }

    /// Looks on every instance until it has all, or applies no more. Also names those that did not answer.
    private func look(for wanted: Set<Int64>, _ instances: [Member], _ rows: Rows) async -> ([String: Set<Int64>], [String]) {
        let began = ContinuousClock.now
        // What a busy replica is still applying is not missing on it.
        var applied = began
        var held: [String: Set<Int64>] = [:]
        while true {
            for instance in instances {
                guard let ids = try? await rows.ids(at: Place(address: instance.address, port: instance.port)) else { continue }
                if ids.count > held[instance.name]?.count ?? 0 { applied = ContinuousClock.now }
                held[instance.name] = ids
            }
            let isComplete = held.count == instances.count && held.values.allSatisfy { wanted.isSubset(of: $0) }
                && Set(held.values).count <= 1
            let now = ContinuousClock.now
            if isComplete || now - applied >= Self.rowsIdleMax || now - began >= Self.rowsMax || Task.isCancelled { break }
            try? await Task.sleep(for: Self.settlePoll)
        }
        return (held, instances.map(\.name).filter { held[$0] == nil })
    }
}

import MySQLClient
import Synchronization

/// Where writes go now.
struct Place: Sendable, Hashable {
    var address: String
    var port: Int
}

/// The account that writes, and where its table is.
package struct LoadAccount: Sendable {
    package var user: String
    package var password: String
    package var database: String

    package init(user: String, password: String, database: String) {
        self.user = user
        self.password = password
        self.database = database
    }

    static let table = "evenkeel_gameday"
}

/// What clients share: where the primary is, and whether to go on.
final class LoadState: Sendable {
    private struct Call {
        var place: Place
        var leave: @Sendable () -> Void
    }

    private struct State {
        var primary: Place?
        var isOver = false
        /// What clients wait for, by their numbers.
        var calls: [Int64: Call] = [:]
    }

    private let state = Mutex(State())

    var primary: Place? { state.withLock { $0.primary } }

    /// Who waits for an answer from elsewhere waits no more.
    func move(to primary: Place) {
        let left: [Call] = state.withLock { state in
            guard state.primary != primary else { return [] }
            state.primary = primary
            return state.calls.values.filter { $0.place != primary }
        }
        for call in left { call.leave() }
    }

    /// A client's call of a place, cancelled as soon as the primary is elsewhere. Nil, and nothing was begun, where it
    /// already is.
    func calling<Answer: Sendable>(_ place: Place, _ client: Int64, _ body: @escaping @Sendable () async -> Answer) async -> Answer? {
        let begun: Task<Answer, Never>? = state.withLock { state in
            guard state.primary == place else { return nil }
            let task = Task { await body() }
            state.calls[client] = Call(place: place) { task.cancel() }
            return task
        }
        guard let task = begun else { return nil }
        defer { state.withLock { $0.calls[client] = nil } }
        return await withTaskCancellationHandler { await task.value } onCancel: { task.cancel() }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    func end() { state.withLock { $0.isOver = true } }
}

/// One client: inserts one row after another, each with an id of its own, and writes down what became of it.
struct LoadClient: Sendable {
    var sort: ClientSort
    /// Unique in its load; its ids begin with it.
    var number: Int64
    var run: String
    var account: LoadAccount
    var state: LoadState
    var ledger: Ledger
    /// Where it writes whoever is the primary: sabotage.
    var fixed: Place?

    /// An application's patience: what is cut off never answers. Behind a proxy it would be told sooner that the primary is
    /// elsewhere, and so it is here.
    static let answerMax: Duration = .seconds(1)
    static let connectMax: Duration = .seconds(1)
    /// Between two writes, and after an error.
    static let pause: Duration = .milliseconds(3)
    static let errorPause: Duration = .milliseconds(10)
    private static let idsEach: Int64 = 10_000_000

    /// Until the load is over, the ledger is full, or its task is cancelled.
    func work() async {
        var next = number * LoadClient.idsEach
        var connection: (MySQLConnection, to: Place)?
        while !state.isOver, !ledger.isFull, !Task.isCancelled {
            if connection == nil { connection = await connect() }
            guard let (current, place) = connection else {
                try? await Task.sleep(for: LoadClient.errorPause)
                continue
            }
            next += 1
            let id = next
            let isWell = await calling(place) { await write(id, current) } ?? false
            if !isWell || sort == .reconnecting {
                await current.close()
                connection = nil
            }
            try? await Task.sleep(for: isWell ? LoadClient.pause : LoadClient.errorPause)
        }
        await connection?.0.close()
    }

    private func calling<Answer: Sendable>(_ place: Place, _ body: @escaping @Sendable () async -> Answer) async -> Answer? {
        fixed == nil ? await state.calling(place, number, body) : await body()
    }

    private func connect() async -> (MySQLConnection, to: Place)? {
        guard let place = fixed ?? state.primary else { return nil }
        let made = await calling(place) {
            try? await MySQLConnection.connect(
                to: .tcp(host: place.address, port: place.port), user: account.user, password: account.password,
                within: LoadClient.connectMax)
        }
        return made.flatMap(\.self).map { ($0, place) }
    }

    private func write(_ id: Int64, _ connection: MySQLConnection) async -> Bool {
        let sent = ledger.now
        let outcome: WriteOutcome
        do {
            try await connection.query(
                "INSERT INTO \(identifier: account.database).\(identifier: LoadAccount.table) (run, id) VALUES (\(run), \(id))",
                within: LoadClient.answerMax)
            outcome = .acknowledged
        } catch let error as MySQLError where LoadClient.isRefusal(error) {
            outcome = .refused
        } catch {
            outcome = .unknown
        }
        ledger.note(Write(id: id, sort: sort, sent: sent, ended: ledger.now, outcome: outcome))
        return outcome == .acknowledged
    }

    /// Errors after which the row is certainly not there: read-only (1290, 1836), lock wait (1205), deadlock (1213),
    /// disk full (1021, 1114), no privilege (1142), no such table (1146). Of one that was killed (1317, 1927) nobody
    /// knows.
    static func isRefusal(_ error: MySQLError) -> Bool {
        error.kind == .server && [1021, 1044, 1114, 1142, 1146, 1205, 1213, 1290, 1836].contains(error.code)
    }
}

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
    private struct State {
        var primary: Place?
        var isOver = false
    }

    private let state = Mutex(State())

    var primary: Place? {
        get { state.withLock { $0.primary } }
        set { state.withLock { $0.primary = newValue } }
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

    /// An application's patience: what is cut off never answers.
    static let answerMax: Duration = .seconds(1)
    static let connectMax: Duration = .seconds(1)
    /// Between two writes, and after an error.
    static let pause: Duration = .milliseconds(3)
    static let errorPause: Duration = .milliseconds(10)
    private static let idsEach: Int64 = 10_000_000

    /// Until the load is over, the ledger is full, or its task is cancelled.
    func work() async {
        var next = number * LoadClient.idsEach
        var connection: MySQLConnection?
        while !state.isOver, !ledger.isFull, !Task.isCancelled {
            if connection == nil { connection = await connect() }
            guard let current = connection else {
                try? await Task.sleep(for: LoadClient.errorPause)
                continue
            }
            next += 1
            let isWell = await write(next, current)
            if !isWell || sort == .reconnecting {
                await current.close()
                connection = nil
            }
            try? await Task.sleep(for: isWell ? LoadClient.pause : LoadClient.errorPause)
        }
        await connection?.close()
    }

    private func connect() async -> MySQLConnection? {
        guard let place = fixed ?? state.primary else { return nil }
        return try? await MySQLConnection.connect(
            to: .tcp(host: place.address, port: place.port), user: account.user, password: account.password,
            within: LoadClient.connectMax)
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

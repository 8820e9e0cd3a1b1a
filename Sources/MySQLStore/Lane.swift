import MetadataStore
import MySQLClient

/// One connection to the store's database, for one call after another; made anew when it is lost.
actor Lane {
    enum Isolation: String { case readCommitted = "READ COMMITTED", repeatableRead = "REPEATABLE READ" }

    private let place: MySQLStorePlace
    private let password: String
    private let isolation: Isolation
    private var connection: MySQLConnection?
    private var lastUsed: ContinuousClock.Instant = .now
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ place: MySQLStorePlace, password: String, isolation: Isolation) {
        self.place = place
        self.password = password
        self.isolation = isolation
    }

    /// Runs `body` with the connection for itself, from when those before have ended. One that fails otherwise than by the
    /// server's refusal is not used again.
    func run<Answer: Sendable>(
        within bound: Duration, _ body: @Sendable (Session) async throws -> Answer
    ) async throws -> Answer {
        try await take()
        defer { give() }
        let deadline = ContinuousClock.now + bound
        let session = Session(connection: try await connected(), deadline: deadline)
        do {
            let answer = try await body(session)
            lastUsed = .now
            return answer
        } catch let error as StoreError {
            // A refusal of ours, which leaves nothing behind.
            lastUsed = .now
            throw error
        } catch {
            // Whatever a call left behind (an open transaction, a server that takes no writes any more) ends with it.
            await drop()
            throw error
        }
    }

    func close() async { await drop() }

    private func drop() async {
        let old = connection
        connection = nil
        await old?.close()
    }

    private func connected() async throws -> MySQLConnection {
        if let connection, await connection.isUsable, lastUsed + StoreLimits.idleMax > .now { return connection }
        await drop()
        let made = try await MySQLConnection.connect(
            to: place.address, user: place.user, password: password, authority: place.authority, within: StoreLimits.connectMax)
        do {
            try await prepare(made)
        } catch {
            await made.close()
            throw error
        }
        connection = made
        return made
    }

    /// A session does not depend on the server's own settings.
    private func prepare(_ connection: MySQLConnection) async throws {
        let statements: [SQL] = [
            """
            SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, time_zone = '+00:00', \
            innodb_lock_wait_timeout = \(StoreLimits.lockWait), wait_timeout = \(StoreLimits.silenceMax)
            """,
            "SET SESSION TRANSACTION ISOLATION LEVEL \(verbatim: isolation.rawValue)",
            "USE \(identifier: place.database)",
        ]
        for statement in statements { try await connection.query(statement, within: StoreLimits.statementMax) }
    }

    // MARK: One after another

    private func take() async throws {
        guard isTaken else {
            isTaken = true
            return
        }
        guard waiting.count < StoreLimits.waitingMax else {
            throw StoreError.unavailable("\(StoreLimits.waitingMax) calls wait for the store \(place) already. Look at how busy its database is.")
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func give() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}

import MetadataStore
import MySQLClient

/// All that is written, one transaction after another. Each carries a number that is written with it, so that the outcome of
/// one whose answer was lost can be read.
actor Writer {
    private let place: MySQLStorePlace
    private let lane: Lane
    /// Our row in `writers`.
    private var row: Int64?
    private var last: Int64 = 0

    init(_ place: MySQLStorePlace, lane: Lane) {
        self.place = place
        self.lane = lane
    }

    /// One transaction, under the lock of the store's row. What the database broke off is done again; every other error
    /// leaves nothing made. Throws `uncertain` where the answer to the commit was lost and its outcome could not be read.
    func write<Answer: Sendable>(_ body: @escaping @Sendable (Session, LeaseRow) async throws -> Answer) async throws -> Answer {
        let end = ContinuousClock.now + StoreLimits.callMax
        for number in 1... {
            do {
                return try await tryOnce(until: end, body)
            } catch let error as MySQLError where StoreFailure.isTransient(error) && number < StoreLimits.triesMax {
                try await Task.sleep(for: StoreLimits.pauseFirst * number)
            }
        }
        throw StoreError.unavailable("The store \(place) failed.")
    }

    private func tryOnce<Answer: Sendable>(
        until end: ContinuousClock.Instant, _ body: @escaping @Sendable (Session, LeaseRow) async throws -> Answer
    ) async throws -> Answer {
        let row = try await registered(until: end)
        last += 1
        let number = last
        let outcome = try await lane.run(within: ContinuousClock.now.duration(to: end)) { session in
            try await Writer.transaction(session, row, number, body)
        }
        switch outcome {
        case .committed(let answer): return answer
        case .unregistered:
            self.row = nil
            throw MySQLError(.server, code: 1213, message: "this writer was forgotten")
        case .unknown(let answer, let reason):
            if try await isCommitted(row, number, reason) { return answer }
            throw MySQLError(.server, code: 1213, message: reason)
        }
    }

    private enum Outcome<Answer: Sendable>: Sendable {
        case committed(Answer)
        case unknown(Answer, String)
        case unregistered
    }

    private static func transaction<Answer: Sendable>(
        _ session: Session, _ row: Int64, _ number: Int64, _ body: @Sendable (Session, LeaseRow) async throws -> Answer
    ) async throws -> Outcome<Answer> {
        try await session.query("START TRANSACTION")
        let answer: Answer
        do {
            let lease = try await LeaseRow.lock(session)
            answer = try await body(session, lease)
            // The row that everybody locks is written too: a database that finds conflicts only at the commit (Galera)
            // finds every one.
            try await session.query("UPDATE store SET writes = writes + 1")
            let noted = try await session.query("UPDATE writers SET last_write = \(number) WHERE seq = \(row)")
            guard noted.affected == 1 else {
                try await session.query("ROLLBACK")
                return .unregistered
            }
        } catch {
            // An error of the connection has ended the transaction with it.
            if await session.connection.isUsable { try await session.query("ROLLBACK") }
            throw error
        }
        do {
            try await session.query("COMMIT")
            return .committed(answer)
        } catch let error as MySQLError where StoreFailure.isTransient(error) {
            throw error
        } catch let error as MySQLError {
            await session.connection.close()
            return .unknown(answer, "\(error)")
        }
    }

    // MARK: Lost answers

    /// Reads whether the transaction of this number was made. The lock waits until the database is done with it.
    private func isCommitted(_ row: Int64, _ number: Int64, _ reason: String) async throws -> Bool {
        let end = ContinuousClock.now + StoreLimits.settlingMax
        while ContinuousClock.now < end {
            do {
                let found = try await lane.run(within: StoreLimits.callMax) { session in
                    try await session.query("SELECT last_write FROM store, writers WHERE seq = \(row) FOR UPDATE").first
                }
                // Forgotten rows are a thousand starts of servers old; nothing is known of them.
                guard let found else { break }
                return Int64(found) == number
            } catch is MySQLError {
                try await Task.sleep(for: StoreLimits.settlingPause)
            }
        }
        throw StoreError.uncertain("The answer of the store \(place) to a commit was lost (\(reason)), and it could not be read whether it was made.")
    }

    private func registered(until end: ContinuousClock.Instant) async throws -> Int64 {
        if let row { return row }
        let made = try await lane.run(within: ContinuousClock.now.duration(to: end)) { session in
            try await session.query("INSERT INTO writers (last_write) VALUES (0)")
            let number = try await session.query("SELECT LAST_INSERT_ID()").first.flatMap { Int64($0) } ?? 0
            try await session.query("DELETE FROM writers WHERE seq <= \(number - Int64(StoreLimits.writersKept))")
            return number
        }
        row = made
        last = 0
        return made
    }
}

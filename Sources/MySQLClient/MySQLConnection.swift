import BlockingWork

/// Where a server listens.
package enum MySQLAddress: Sendable, Hashable {
    /// The path of a unix socket.
    case socket(String)
    case tcp(host: String, port: Int)

    var parts: (host: String?, port: UInt32, socket: String?) {
        switch self {
        case .socket(let path): (nil, 0, path)
        case .tcp(let host, let port): (host, UInt32(clamping: port), nil)
        }
    }
}

/// A place in a server's binary log: all before it is meant.
package struct BinlogPlace: Sendable, Hashable {
    package var file: String
    package var position: UInt32

    package init(file: String, position: UInt32) {
        self.file = file
        self.position = position
    }
}

/// One connection to a MySQL-compatible server, with a thread of its own while it waits. Statements run one after
/// another; each has a bound, and cancelling the calling task interrupts it. After a bound has passed, a cancellation or
/// a lost connection it is unusable: make another.
package actor MySQLConnection {
    private let executor = QueueExecutor(label: "evenkeel.mysql")
    private let wake: WakeUp
    private let handle: MySQLHandle

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private init() throws {
        guard let wake = WakeUp() else {
            throw MySQLError(.connection, message: "no file descriptor is left for a database connection; raise the agent's open files limit")
        }
        self.wake = wake
        handle = try MySQLHandle(wake: wake)
    }

    /// Connects as `user`. `authority`: the PEM file of who signed the server's certificate; the connection is by TLS then,
    /// or fails. Throws `MySQLError` (`connection`, `timedOut`, or `server` where the server refuses), or
    /// `CancellationError`.
    package static func connect(
        to address: MySQLAddress, user: String, password: String = "", authority: String? = nil, within bound: Duration
    ) async throws -> MySQLConnection {
        let connection = try MySQLConnection()
        try await connection.open(address, user, password, authority, ContinuousClock.now + bound)
        return connection
    }

    private func open(
        _ address: MySQLAddress, _ user: String, _ password: String, _ authority: String?, _ deadline: ContinuousClock.Instant
    ) async throws {
        try await interruptible { handle in
            if let authority { try handle.requireTLS(authority: authority) }
            try handle.connect(to: address, user: user, password: password, deadline: deadline)
        }
    }

    /// Runs one statement and gives its whole answer. `bound` is how long this side waits; past it the server may still
    /// carry the statement out. Throws `MySQLError`, or `CancellationError`.
    @discardableResult
    package func query(_ statement: SQL, within bound: Duration) async throws -> MySQLRows {
        let deadline = ContinuousClock.now + bound
        return try await interruptible { handle in try handle.query(statement, deadline: deadline) }
    }

    /// Tells the server, as a semi-synchronous replica does that connects at a place of its binary log, that all before
    /// the place is received. What follows it is not read: the connection is unusable afterwards. The user needs
    /// `REPLICATION SLAVE`. Throws as `query` does.
    package func acknowledge(upTo place: BinlogPlace, within bound: Duration) async throws {
        let deadline = ContinuousClock.now + bound
        try await interruptible { handle in
            _ = try handle.query(
                "SET @rpl_semi_sync_slave = 1, @mariadb_slave_capability = 4, @master_binlog_checksum = @@GLOBAL.binlog_checksum",
                deadline: deadline)
            try handle.requestBinlog(from: place, deadline: deadline)
        }
    }

    /// False after a bound has passed, a cancellation, a lost connection or `close`.
    package var isUsable: Bool { handle.isOpen }

    /// Says goodbye to the server and frees the handle. Safe to repeat.
    package func close() { handle.close(politely: true) }

    /// Runs `body`, which blocks, so that a cancellation of the task ends it at once.
    private func interruptible<Answer: Sendable>(_ body: (MySQLHandle) throws -> Answer) async throws -> Answer {
        wake.clear()
        try Task.checkCancellation()
        let wake = wake
        return try await withTaskCancellationHandler {
            try body(handle)
        } onCancel: {
            wake.signal()
        }
    }
}

import CMariaDB
import Glibc

/// The one owner of a `MYSQL` handle of Connector/C, driven through its non-blocking calls: this side waits in `poll`,
/// so that each statement has a bound in milliseconds and can be interrupted, connecting included.
///
/// Not safe between threads; its connection's executor is the only one to touch it.
final class MySQLHandle {
    private let handle: UnsafeMutablePointer<MYSQL>
    private let wake: WakeUp
    private(set) var isOpen = false
    private var isClosed = false

    /// `CR_CONNECTION_ERROR`.
    private static let cannotConnect = 2002
    /// Bounds on one answer.
    static let rowsMax = 1_000_000
    static let bytesMax = 256 << 20
    /// `BINLOG_DUMP_NON_BLOCK`.
    private static let toTheEndOnly: UInt8 = 1

    init(wake: WakeUp) throws(MySQLError) {
        guard let made = mysql_init(nil) else {
            throw MySQLError(.connection, message: "out of memory for a database connection")
        }
        handle = made
        self.wake = wake
        try option(MYSQL_OPT_NONBLOCK, nil)
        try option(MYSQL_SET_CHARSET_NAME, "utf8mb4")
        var off: UInt32 = 0
        guard mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &off) == 0 else { throw lastError() }
    }

    deinit { close(politely: false) }

    private func option(_ name: mysql_option, _ value: String?) throws(MySQLError) {
        let status = value.map { text in text.withCString { mysql_options(handle, name, $0) } } ?? mysql_options(handle, name, nil)
        guard status == 0 else { throw lastError() }
    }

    /// Only with a server whose certificate this authority (a PEM file) signed for the name that is connected to.
    func requireTLS(authority: String) throws(MySQLError) {
        try option(MYSQL_OPT_SSL_CA, authority)
        var on: CChar = 1
        guard mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &on) == 0,
            mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on) == 0
        else { throw lastError() }
    }

    /// Connects. `deadline` covers name resolution's end to the end of the handshake.
    func connect(
        to address: MySQLAddress, user: String, password: String, deadline: ContinuousClock.Instant
    ) throws {
        let (host, port, socket) = address.parts
        if let socket, UnixListeners.isListening(on: socket) == false {
            throw MySQLError(
                .connection, code: Self.cannotConnect, message: "Can't connect to local server through socket '\(socket)': nobody listens")
        }
        var made: UnsafeMutablePointer<MYSQL>?
        try withOptionalCString(host) { host in
            try withOptionalCString(socket) { socket in
                try user.withCString { user in
                    try password.withCString { password in
                        try drive(
                            deadline,
                            start: { mysql_real_connect_start(&made, handle, host, user, password, nil, port, socket, 0) },
                            proceed: { mysql_real_connect_cont(&made, handle, $0) })
                    }
                }
            }
        }
        guard made != nil else { throw lastError() }
        isOpen = true
    }

    /// Runs one statement and reads its whole answer.
    func query(_ statement: SQL, deadline: ContinuousClock.Instant) throws -> MySQLRows {
        guard isOpen else { throw MySQLError(.connection, message: "the database connection is closed") }
        let text = statement.rendered(escape: escape)
        var status: Int32 = 0
        try text.utf8CString.withUnsafeBufferPointer { bytes in
            try drive(
                deadline,
                start: { mysql_real_query_start(&status, handle, bytes.baseAddress, UInt(bytes.count - 1)) },
                proceed: { mysql_real_query_cont(&status, handle, $0) })
        }
        guard status == 0 else { throw lastError(statement) }
        return try readAnswer(statement, deadline)
    }

    /// `COM_BINLOG_DUMP`, to the end of the log only, under no server id, so that no replica's thread is taken for an
    /// older one of the same. Waits until the server has begun to answer, and cuts the connection.
    func requestBinlog(from place: BinlogPlace, deadline: ContinuousClock.Instant) throws {
        guard isOpen else { throw MySQLError(.connection, message: "the database connection is closed") }
        var request = (0..<4).map { UInt8(truncatingIfNeeded: place.position >> (8 * $0)) }
        request += [Self.toTheEndOnly, 0] + [0, 0, 0, 0] + Array(place.file.utf8)
        let status = request.withUnsafeBytes { bytes in
            handle.pointee.methods.pointee.db_command(
                handle, COM_BINLOG_DUMP, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count, 1, nil)
        }
        guard status == 0 else { throw lastError() }
        let answer = wait(for: Int32(MYSQL_WAIT_READ), until: deadline)
        abandon()
        switch answer {
        case .ready: return
        case .timedOut: throw MySQLError(.timedOut, message: "the database server did not answer in time")
        case .interrupted: throw CancellationError()
        }
    }

    private func readAnswer(_ statement: SQL, _ deadline: ContinuousClock.Instant) throws -> MySQLRows {
        guard let result = mysql_use_result(handle) else {
            guard mysql_field_count(handle) == 0 else { throw lastError(statement) }
            return MySQLRows(affected: mysql_affected_rows(handle))
        }
        defer { mysql_free_result(result) }
        let width = Int(mysql_num_fields(result))
        guard let fields = mysql_fetch_fields(result) else { throw lastError(statement) }
        var answer = MySQLRows(columns: (0..<width).map { String(cString: fields[$0].name) })
        var bytes = 0
        while let row = try nextRow(of: result, width, statement, deadline, &bytes) {
            answer.rows.append(row)
            guard answer.rows.count <= Self.rowsMax, bytes <= Self.bytesMax else {
                abandon()
                throw MySQLError(.tooLarge, message: "the answer has more than \(Self.rowsMax) rows or \(Self.bytesMax) bytes")
            }
        }
        return answer
    }

    private func nextRow(
        of result: UnsafeMutablePointer<MYSQL_RES>, _ width: Int, _ statement: SQL,
        _ deadline: ContinuousClock.Instant, _ bytes: inout Int
    ) throws -> [String?]? {
        var row: MYSQL_ROW?
        try drive(
            deadline, start: { mysql_fetch_row_start(&row, result) }, proceed: { mysql_fetch_row_cont(&row, result, $0) })
        guard let row else {
            if mysql_errno(handle) != 0 { throw lastError(statement) }
            return nil
        }
        guard let lengths = mysql_fetch_lengths(result) else { throw lastError(statement) }
        return (0..<width).map { index in
            guard let value = row[index] else { return nil }
            bytes += Int(lengths[index])
            return UnsafeRawPointer(value).withMemoryRebound(to: UInt8.self, capacity: Int(lengths[index])) {
                String(decoding: UnsafeBufferPointer(start: $0, count: Int(lengths[index])), as: UTF8.self)
            }
        }
    }

    private func escape(_ text: String) -> String {
        let bytes = Array(text.utf8)
        return String(unsafeUninitializedCapacity: bytes.count * 2 + 1) { room in
            bytes.withUnsafeBytes { source in
                Int(mysql_real_escape_string(
                    handle, UnsafeMutableRawPointer(room.baseAddress)?.assumingMemoryBound(to: CChar.self),
                    source.baseAddress?.assumingMemoryBound(to: CChar.self), UInt(bytes.count)))
            }
        }
    }

    /// Carries one non-blocking call to its end. On the deadline and on a wake-up the socket is shut down first, so
    /// that the library's own unwinding meets an error at once; the handle is unusable then.
    private func drive(
        _ deadline: ContinuousClock.Instant, start: () -> Int32, proceed: (Int32) -> Int32
    ) throws {
        var waitsFor = start()
        while waitsFor != 0 {
            switch wait(for: waitsFor, until: deadline) {
            case .ready(let events):
                waitsFor = proceed(events)
            case .timedOut:
                abandon()
                while waitsFor != 0 { waitsFor = proceed(Int32(MYSQL_WAIT_TIMEOUT)) }
                throw MySQLError(.timedOut, message: "the database server did not answer in time")
            case .interrupted:
                abandon()
                while waitsFor != 0 { waitsFor = proceed(Int32(MYSQL_WAIT_TIMEOUT)) }
                throw CancellationError()
            }
        }
    }

    private enum Wait { case ready(Int32), timedOut, interrupted }

    private func wait(for events: Int32, until deadline: ContinuousClock.Instant) -> Wait {
        var socket = pollfd(fd: mysql_get_socket(handle), events: 0, revents: 0)
        if events & MYSQL_WAIT_READ != 0 { socket.events |= Int16(POLLIN) }
        if events & MYSQL_WAIT_WRITE != 0 { socket.events |= Int16(POLLOUT) }
        if events & MYSQL_WAIT_EXCEPT != 0 { socket.events |= Int16(POLLPRI) }
        var both = [socket, pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)]
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return .timedOut }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            let count = poll(&both, 2, Int32(clamping: milliseconds + 1))
            if both[1].revents != 0 { return .interrupted }
            if count > 0 { return .ready(ready(both[0].revents, wanted: events)) }
            if count < 0, errno != EINTR { return .timedOut }
        }
    }

    /// A hang-up or an error is told as all that was waited for: the library then sees it itself.
    private func ready(_ found: Int16, wanted: Int32) -> Int32 {
        var events: Int32 = 0
        if found & Int16(POLLIN) != 0 { events |= MYSQL_WAIT_READ }
        if found & Int16(POLLOUT) != 0 { events |= MYSQL_WAIT_WRITE }
        if found & Int16(POLLPRI) != 0 { events |= MYSQL_WAIT_EXCEPT }
        return events == 0 ? wanted & ~Int32(MYSQL_WAIT_TIMEOUT) : events
    }

    /// Cuts the socket, in the middle of a call or while connected: nothing is sent or awaited any more. Not after a call
    /// that failed to connect or lost the connection: the library has closed and freed its socket then, and what it would
    /// answer is not to be relied on.
    private func abandon() {
        isOpen = false
        let socket = mysql_get_socket(handle)
        if socket >= 0 { _ = shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// Whether the library holds a socket between two calls.
    private var isConnected: Bool { handle.pointee.net.pvio != nil }

    /// Frees the handle, once. `politely` tells the server before, so that it logs no aborted connection.
    func close(politely: Bool) {
        guard !isClosed else { return }
        isClosed = true
        if isConnected, !politely || !isOpen { abandon() }
        isOpen = false
        mysql_close(handle)
    }

    /// The library's error of the call just made. One that is the connection's ends it.
    private func lastError(_ statement: SQL? = nil) -> MySQLError {
        let code = Int(mysql_errno(handle))
        let said = String(cString: mysql_error(handle))
        let isConnection = (2000..<3000).contains(code) || !isOpen || code == 1053
        if isConnection {
            isOpen = false
            if isConnected { abandon() }
        }
        return MySQLError(
            isConnection ? .connection : .server, code: code, sqlState: String(cString: mysql_sqlstate(handle)),
            message: statement?.redacted(said) ?? said)
    }
}

/// `body` with a C string that lives as long as it runs, or with nil.
private func withOptionalCString<Result>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) throws -> Result
) rethrows -> Result {
    guard let text else { return try body(nil) }
    return try text.withCString { try body($0) }
}

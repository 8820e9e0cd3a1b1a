import Foundation
import Glibc
import Synchronization

/// Stands between a client and the database server, and cuts the connection at a commit: before the server has heard it, or
/// when it has answered.
final class Relay: Sendable {
    enum Cut: Sendable { case nowhere, beforeCommit, afterCommit }

    private struct State {
        var cut = Cut.nowhere
        var isAway = false
        var cuts = 0
    }

    let port: Int
    private let target: Int
    private let listener: Int32
    private let state = Mutex(State())
    private let staysAway = Atomic(false)

    init(to target: Int) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Relay.address(0)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard listener >= 0, isBound == 0, listen(listener, 16) == 0 else { throw TestServer.Trouble(description: "no relay") }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        self.target = target
        self.listener = listener
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { self.serve() }
    }

    /// How often it cut.
    var cuts: Int { state.withLock { $0.cuts } }

    /// Cuts the next commit; `andStays`: nobody gets through afterwards, until `comeBack`.
    func cut(_ where: Cut, andStays: Bool = false) {
        state.withLock { state in
            state.cut = `where`
            staysAway.store(andStays, ordering: .sequentiallyConsistent)
        }
    }

    func comeBack() { state.withLock { $0.isAway = false } }

    private func serve() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            if state.withLock({ $0.isAway }) {
                close(client)
                continue
            }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Relay.address(target)
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            Thread.detachNewThread { self.forward(client, server) }
            Thread.detachNewThread { self.copy(server, client) }
        }
    }

    /// What the client says; a commit may be as far as it comes.
    private func forward(_ client: Int32, _ server: Int32) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(client, &buffer, buffer.count)
            guard count > 0 else { break }
            let isCommit = buffer[..<count].suffix(6).elementsEqual("COMMIT".utf8)
            let cut = isCommit ? take() : .nowhere
            if cut == .beforeCommit { break }
            if cut == .afterCommit {
                // The other direction reads no more: the answer is waited for here, and kept.
                shutdown(client, Int32(SHUT_WR))
                _ = write(server, buffer, count)
                usleep(300_000)
                break
            }
            guard write(server, buffer, count) == count else { break }
        }
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
    }

    private func take() -> Cut {
        state.withLock { state in
            defer { state.cut = .nowhere }
            if state.cut != .nowhere {
                state.cuts += 1
                state.isAway = staysAway.load(ordering: .sequentiallyConsistent)
            }
            return state.cut
        }
    }

    private func copy(_ from: Int32, _ to: Int32) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(from, &buffer, buffer.count), count > 0 {
            // MSG_NOSIGNAL: the client may be cut off by now.
            guard send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
        shutdown(to, Int32(SHUT_RDWR))
        shutdown(from, Int32(SHUT_RDWR))
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }
}

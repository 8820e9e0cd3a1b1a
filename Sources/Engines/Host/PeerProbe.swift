import BlockingWork
import FleetModel
import Glibc

/// Asks whether the hosts of other database servers can be reached, by their database ports.
///
/// A greeting is an answer. So is a refusal: it came from there, and who does not listen is not the writer. A name that
/// cannot be looked up is taken for an answer too: nothing is known then. Nobody logs in, so that nothing is counted
/// or logged as a failed login.
actor PeerProbe {
    private let executor = QueueExecutor(label: "evenkeel.peers")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Whether any answers within the bound; all are asked at once.
    func answers(anyOf peers: [Peer], until deadline: ContinuousClock.Instant) -> Bool {
        var open: [Int32] = []
        defer { for socket in open { close(socket) } }
        for peer in peers.prefix(Self.peersMax) {
            switch begin(peer) {
            case .answered: return true
            case .waiting(let socket): open.append(socket)
            case .unreachable: break
            }
        }
        while !open.isEmpty {
            guard ContinuousClock.now < deadline else { return false }
            let left = deadline.left
            // For the greeting, or for an end: poll tells of either.
            var waiting = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let count = poll(&waiting, nfds_t(waiting.count), Int32((left / .milliseconds(1)).rounded(.up)))
            if count < 0, errno != EINTR { return false }
            for one in waiting where one.revents != 0 {
                if hasAnswered(one) { return true }
                close(one.fd)
                open.removeAll { $0 == one.fd }
            }
        }
        return false
    }

    /// More are not asked at once.
    private static let peersMax = 64

    private enum Beginning { case waiting(Int32), answered, unreachable }

    private func begin(_ peer: Peer) -> Beginning {
        var hints = addrinfo()
        (hints.ai_socktype, hints.ai_flags) = (Int32(SOCK_STREAM.rawValue), AI_NUMERICSERV)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(peer.address, String(peer.port), &hints, &found) == 0, let first = found else { return .answered }
        defer { freeaddrinfo(first) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(first.pointee.ai_family, type, 0)
        // It is this process that has no socket left.
        guard socket >= 0 else { return .answered }
        if connect(socket, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 || errno == EINPROGRESS { return .waiting(socket) }
        let wasRefused = errno == ECONNREFUSED
        close(socket)
        return wasRefused ? .answered : .unreachable
    }

    private func hasAnswered(_ one: pollfd) -> Bool {
        var byte: UInt8 = 0
        let count = recv(one.fd, &byte, 1, Int32(MSG_DONTWAIT))
        return count >= 0 || errno == ECONNREFUSED || errno == ECONNRESET
    }
}

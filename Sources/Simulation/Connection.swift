import ControlAPI
import FleetModel

/// One agent's two streams to one server: in order each way, late, and stalled while the host is cut off. Where that is among
/// a world's faults, what is an order or the answer to one comes twice now and then, and what one end had sent before it left
/// arrives, as far as the other end has not left too: also when both have another connection by then.
final class Connection {
    let number: UInt64
    let agent: SimulatedAgent
    private let server: SimulatedServer
    private unowned let world: World
    private(set) var isOpen = true
    /// One end has left, and what it had sent is on its way.
    private var isDraining = false
    private var repeats: Bool { world.rareFaults.contains(.repeats) }
    private var upward: [AgentMessage] = []
    private var downward: [ServerMessage?] = []
    private var isMovingUp = false
    private var isMovingDown = false

    init(_ agent: SimulatedAgent, _ server: SimulatedServer, _ world: World) {
        self.agent = agent
        self.server = server
        self.world = world
        world.connectionsMade += 1
        number = world.connectionsMade
    }

    func toServer(_ message: AgentMessage) {
        guard isOpen else { return }
        upward.append(message)
        moveUp()
    }

    func toAgent(_ message: ServerMessage) {
        guard isOpen else { return }
        downward.append(message)
        moveDown()
    }

    /// The server ends it once what was sent before has arrived.
    func closeAfterAll() {
        downward.append(nil)
        moveDown()
    }

    /// The agent's end: the server learns of it unless the host is cut off.
    func close() {
        guard isOpen else { return }
        isOpen = false
        if repeats, !upward.isEmpty, !world.isLost(agent.host) {
            isDraining = true
            return moveUp()
        }
        world.after(world.milliseconds(1...5)) { if self.world.isHeardByServer(self.agent.host) <= self.world.now { self.server.lost(self) } }
    }

    /// The server's end, which is killed.
    func serverEnds() {
        guard isOpen, repeats, !downward.isEmpty else { return drop() }
        isOpen = false
        isDraining = true
        moveDown()
    }

    /// It breaks: both ends learn of it.
    func drop() {
        guard isOpen else { return }
        isOpen = false
        world.after(world.milliseconds(1...20)) { self.agent.lose("the connection broke", self) }
        world.after(world.milliseconds(1...20)) { self.server.lost(self) }
    }

    /// From when on what is said arrives.
    private func delay(from moment: Instant) -> Duration { max(moment - world.now, .zero) + world.milliseconds(1...8) }

    private func moveUp() {
        guard !isMovingUp, !upward.isEmpty else { return }
        isMovingUp = true
        world.after(delay(from: world.isHeardByServer(agent.host))) {
            self.isMovingUp = false
            guard self.isOpen || self.isDraining, !self.upward.isEmpty else { return }
            if self.world.isHeardByServer(self.agent.host) <= self.world.now {
                let message = self.upward.removeFirst()
                self.server.received(message, self)
                if self.repeats, message.concernsOrder { self.again { self.upward.append(message); self.moveUp() } }
            }
            if self.isDraining, self.upward.isEmpty { return self.server.lost(self) }
            self.moveUp()
        }
    }

    private func moveDown() {
        guard !isMovingDown, !downward.isEmpty else { return }
        isMovingDown = true
        world.after(delay(from: world.hearsServer(agent.host))) {
            self.isMovingDown = false
            guard self.isOpen || self.isDraining, !self.downward.isEmpty else { return }
            if self.world.hearsServer(self.agent.host) <= self.world.now {
                guard let message = self.downward.removeFirst() else { return self.isOpen ? self.drop() : self.agent.lose("the server is gone", self) }
                self.agent.received(message, self)
                if self.repeats, message.concernsOrder { self.again { self.downward.append(message); self.moveDown() } }
            }
            if self.isDraining, self.downward.isEmpty { return self.agent.lose("the server is gone", self) }
            self.moveDown()
        }
    }

    /// Now and then, and on this connection: what comes on another one is offered anew there.
    private func again(_ action: @escaping () -> Void) {
        guard world.chance(Connection.again) else { return }
        world.after(world.milliseconds(1...8000)) { if self.isOpen { action() } }
    }

    private static let again = 0.1
}

extension ServerMessage {
    fileprivate var concernsOrder: Bool {
        switch self {
        case .offer, .cancel, .settled, .sendCopy, .copySent: true
        default: false
        }
    }
}

extension AgentMessage {
    fileprivate var concernsOrder: Bool {
        switch self {
        case .attempt, .copyReady, .copySent: true
        default: false
        }
    }
}

import ControlAPI
import FleetModel

/// One agent's two streams to one server: in order each way, late, and stalled while the host is cut off.
final class Connection {
    let number: UInt64
    let agent: SimulatedAgent
    private let server: SimulatedServer
    private unowned let world: World
    private(set) var isOpen = true
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
        world.after(world.milliseconds(1...5)) { if !self.world.isCut(self.agent.host) { self.server.lost(self) } }
    }

    /// It breaks: both ends learn of it.
    func drop() {
        guard isOpen else { return }
        isOpen = false
        world.after(world.milliseconds(1...20)) { self.agent.lose("the connection broke", self) }
        world.after(world.milliseconds(1...20)) { self.server.lost(self) }
    }

    private var delay: Duration {
        let latency = world.milliseconds(1...8)
        return world.isCut(agent.host) ? max(agent.host.cutUntil, agent.host.serverCutUntil) - world.now + latency : latency
    }

    private func moveUp() {
        guard !isMovingUp, !upward.isEmpty else { return }
        isMovingUp = true
        world.after(delay) {
            self.isMovingUp = false
            guard self.isOpen, !self.upward.isEmpty else { return }
            if !self.world.isCut(self.agent.host) { self.server.received(self.upward.removeFirst(), self) }
            self.moveUp()
        }
    }

    private func moveDown() {
        guard !isMovingDown, !downward.isEmpty else { return }
        isMovingDown = true
        world.after(delay) {
            self.isMovingDown = false
            guard self.isOpen, !self.downward.isEmpty else { return }
            if !self.world.isCut(self.agent.host) {
                guard let message = self.downward.removeFirst() else { return self.drop() }
                self.agent.received(message, self)
            }
            self.moveDown()
        }
    }
}

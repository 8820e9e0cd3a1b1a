import ControlAPI
import FleetModel
import GameDay
import JSONStream

/// What a game day asks of the server, over its API.
struct GameDayClient: GameDayServer {
    let client: Client
    let unit: UnitID

    private func document() async throws -> UnitDocument {
        let fleet: FleetDocument = try await client.get(Route.fleet)
        guard let document = fleet.units(ofKind: "Cluster", named: unit.name).first, document.cluster != nil else {
            throw GameDayError("there is no cluster \"\(unit.name)\"", help: "see `evenkeel get clusters`")
        }
        return document
    }

    private func member(_ instance: InstanceDocument) -> Member {
        Member(name: instance.name, ordinal: instance.ordinal, zone: instance.zone, address: instance.address, port: instance.port)
    }

    func members() async throws -> Members? {
        guard let cluster = try await document().cluster else { return nil }
        guard let primary = EndpointView(name: unit.name, cluster: cluster, healthPort: 0).primary else { return nil }
        let others = cluster.instances.filter { $0.phase == "active" && $0.ordinal != primary.ordinal }
        return Members(primary: member(primary), replicas: others.map(member))
    }

    func active() async throws -> (all: [Member], primary: String) {
        let cluster = try await document().cluster ?? ClusterDocument()
        return (cluster.instances.filter { $0.phase == "active" }.map(member), cluster.primary)
    }

    func begin(for duration: Duration) async throws -> String {
        let command = GameDayBegin(unit: unit.description, seconds: Int(duration.components.seconds) + 1)
        return try GameDayDocument(json: try await client.post(Route.gameDayBegin, body: command.jsonBytes).body).run
    }

    func end(_ run: String) async throws {
        _ = try await client.post(Route.gameDayEnd, body: GameDayDocument(run: run).jsonBytes)
    }

    func inject(_ order: FaultOrder, on ordinal: Int, run: String) async throws -> FaultAnswer {
        let command = GameDayFault(run: run, instance: ordinal, order: order)
        do {
            return try FaultAnswer(json: try await client.post(Route.gameDayFault, body: command.jsonBytes).body)
        } catch let error as CommandError {
            throw GameDayError(error.message, help: error.help)
        }
    }

    func switchOver() async throws {
        do {
            _ = try await client.post(Route.switchover, body: SwitchoverCommand(unit: unit.description, to: nil).jsonBytes)
        } catch let error as CommandError {
            throw GameDayError(error.message, help: error.help)
        }
    }

    func unsettled() async throws -> String? {
        let settled: SettleDocument = try await client.get(Route.settled, query: [("unit", unit.description)])
        guard settled.result == "converged" else {
            return settled.units.values.joined().first ?? settled.result
        }
        let cluster = try await document().cluster ?? ClusterDocument()
        let active = cluster.instances.filter { $0.phase == "active" }
        if active.count != cluster.wanted { return "\(active.count) of \(cluster.wanted) instances are there" }
        return active.first { !$0.isServing }.map { "\($0.name) does not serve" }
    }
}

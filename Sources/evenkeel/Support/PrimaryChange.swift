import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

/// For commands that change the primary.
struct WaitOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Wait until it is over.")
    var wait = true
    @Option(help: "At most so many seconds.")
    var timeout = 120

    /// Nil: nobody waits.
    var seconds: Int? { wait ? timeout : nil }
}

/// Who is the primary once a change of it that was asked for is over, or its time.
struct PrimaryChange {
    let unit: UnitID
    /// `orders-2`; empty where it is not known.
    let primary: String
    /// Whether it is as wanted, and serves.
    let isReached: Bool
    let settled: SettleDocument
    /// The unit's last events, newest first.
    let events: [Event]

    /// So many of the unit's last events are looked through for why it was given up.
    private static let eventsMax = 50
    private static let stepSeconds = 1

    /// Waits until a primary that is as wanted serves, or nothing more comes, `seconds` at most; nil where nobody wants to wait.
    static func awaited(
        of unit: UnitID, seconds: Int?, _ client: Client, _ isWanted: (String) -> Bool
    ) async throws -> PrimaryChange? {
        guard let seconds else { return nil }
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            // In short steps: what else the cluster waits for, as for a host that is lost, is not this command's matter.
            let step = UnitCommand(unit: unit.description, waitSeconds: min(seconds, stepSeconds))
            let settled = try SettleDocument(json: try await client.post(Route.reconcile, body: step.jsonBytes).body)
            let fleet: FleetDocument = try await client.get(Route.fleet)
            let cluster = fleet.units.first { $0.name == unit.name && $0.cluster != nil }?.cluster
            let primary = cluster?.primary ?? ""
            let isServing = cluster?.instances.first { $0.name == primary }?.isServing ?? false
            if isServing && isWanted(primary) || settled.result != "waiting" || ContinuousClock.now >= deadline {
                let events: [Event] = try await client.get(Route.events, query: listQuery(unit, limit: eventsMax))
                return PrimaryChange(
                    unit: unit, primary: primary, isReached: isServing && isWanted(primary), settled: settled, events: events)
            }
        }
    }

    /// Says that it did not come about, and why: what the unit waits for, or the last event of that reason.
    func fail(_ what: String, after reason: String) throws -> Never {
        Terminal.standardOutput.write("\(what); the primary is \(primary.isEmpty ? "not known" : primary). `evenkeel events \(unit)` tells more.\n")
        for sentence in settled.units[unit.description] ?? events.first(where: { $0.reason == reason }).map({ [$0.message] }) ?? [] {
            Terminal.standardOutput.write("  \(sentence)\n")
        }
        throw settled.result == "waiting" ? ExitStatus.didNotConverge : ExitStatus.error
    }
}

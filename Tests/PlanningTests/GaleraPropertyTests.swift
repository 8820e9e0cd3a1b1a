import FleetModel
import Testing

@testable import Planning

/// Random damage to the members of a galera cluster, several at once: no plan is refused, nobody begins a component again who
/// lacks what another one holds, and what can be read comes back whole.
struct GaleraPropertyTests {
    private enum Damage: CaseIterable {
        case none, dead, read, missing, inconsistent, outside, starting, foreign, unresponsive, silent, open
    }

    static let seeds: ClosedRange<UInt64> = 1...60

    @Test(arguments: seeds)
    func `whatever befalls the members, who can be read comes back, and nothing is lost unasked`(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var fleet = TestFleet(GaleraTests.orders(seed % 4 == 0 ? [1, 2, 2] : [1, 1, 1]))
        let count = seed % 4 == 0 ? 5 : 3
        fleet.converge()
        for round in 0..<4 {
            let place = "seed \(seed) round \(round)"
            var positions: [Int: Int64] = [:]
            for ordinal in ordinals(fleet) { positions[ordinal] = 1_000 * Int64(round + 1) + Int64.random(in: 0...30, using: &random) }
            fleet.tellGroup(at: 1_000 * Int64(round + 1))
            var silent: [Int] = []
            var damages: [Damage] = []
            /// The furthest that a member has on disk whose data can be read, sooner or later.
            var held: Int64 = 0
            for (ordinal, position) in positions.sorted(by: { $0.key < $1.key }) {
                let damage = Damage.allCases.randomElement(using: &random) ?? .none
                damages.append(damage)
                if damage == .silent { silent.append(ordinal) }
                let isReadable: Set<Damage> = [.dead, .read, .starting]
                if isReadable.contains(damage) { held = max(held, position) }
                strike(&fleet, ordinal, damage, position)
            }
            fleet.pass(.seconds(15), except: silent)
            tellViews(&fleet)
            let first = fleet.converge()
            #expect(first.refusal == nil, "\(place): \(damages) \(first.outline)")
            mendWorld(&fleet)
            let second = fleet.converge()
            #expect(second.refusal == nil, "\(place): \(damages) \(second.outline)")
            let isHeld = inside(fleet).isEmpty
            if isHeld {
                // Somebody's position says nothing; it is given up, where anybody is left.
                let findings = Planner.step(fleet.situation()).findings
                #expect(findings.contains { $0.reason == "RecoveryHeld" }, "\(place): \(damages) \(second.waits) \(findings)")
                let epoch = fleet.orders?.epoch
                fleet.edit { $0.recoveryAcceptLoss = epoch }
                let accepted = fleet.converge()
                #expect(accepted.refusal == nil, "\(place): \(damages) \(accepted.outline)")
                // All of them were: only people can help.
                if inside(fleet).isEmpty { break }
            }
            let last = fleet.converge()
            #expect(last.outline == "" && last.waits.isEmpty, "\(place): \(damages) \(last.outline) \(last.waits)")
            #expect(inside(fleet).count == count, "\(place): \(damages) \(last.findings)")
            #expect(open(fleet) == [fleet.orders?.primary ?? 0], "\(place): \(damages)")
            #expect(fleet.orders?.galera?.component == ordinals(fleet) && fleet.orders?.leftBehind == [], "\(place): \(damages)")
            // The next round begins with a whole one.
            guard inside(fleet).count == count, last.waits.isEmpty else { break }
            guard !isHeld else { continue }
            let begun = [first, second].contains { $0.outline.contains("recoverComponent") }
            if begun { #expect(furthest(fleet) >= held, "\(place): \(damages) \(positions)") }
        }
    }

    private func strike(_ fleet: inout TestFleet, _ ordinal: Int, _ damage: Damage, _ position: Int64) {
        let uuid = fleet.orders?.galera?.stateUUID ?? ""
        switch damage {
        case .none, .silent: break
        case .dead, .read:
            fleet.change(ordinal) { report in
                report.process = .stopped
                report.database?.galera?.lastCommitted = position
                if damage == .read { report.recovered = RecoveredPosition(stateUUID: uuid, sequence: position) }
            }
        case .missing:
            guard let member = fleet.orders?.member(ordinal) else { return }
            fleet.observed[member.host]?.report.instances.removeAll { $0.id.ordinal == ordinal }
        case .inconsistent:
            fleet.change(ordinal) { report in
                report.isInconsistent = true
                report.database?.galera?.state = .inconsistent
                report.database?.galera?.isReady = false
            }
        case .outside: fleet.leaveGroup(ordinal)
        case .starting:
            fleet.change(ordinal) { report in
                report.process = .starting
                report.database?.galera?.lastCommitted = position
            }
        case .foreign: fleet.change(ordinal) { $0.database?.galera?.stateUUID = "another" }
        case .unresponsive: fleet.change(ordinal) { $0.process = .unresponsive }
        case .open: fleet.change(ordinal) { $0.database?.readOnly = false }
        }
    }

    /// What comes about without us: hosts are heard, processes answer, and who waits finds the component where there is one.
    private func mendWorld(_ fleet: inout TestFleet) {
        fleet.pass(.seconds(1))
        let group = inside(fleet).first
        for ordinal in ordinals(fleet) {
            fleet.change(ordinal) { report in
                let isWaiting = report.process == .starting || report.process == .unresponsive
                    || report.process == .running && report.database?.galera?.isPrimaryComponent == false && !report.isInconsistent
                guard isWaiting else { return }
                if let group, report.database?.galera?.stateUUID == group.stateUUID {
                    report.process = .running
                    report.database?.galera = group
                } else {
                    report.process = .stopped
                }
            }
        }
    }

    /// Those who run see who does.
    private func tellViews(_ fleet: inout TestFleet) {
        let uuid = fleet.orders?.galera?.stateUUID ?? ""
        let present = reports(fleet).filter { $0.database?.galera?.isInComponent(of: uuid) == true }.map(\.id.ordinal)
        for ordinal in present {
            fleet.change(ordinal) { report in
                report.database?.galera?.members = present
                report.database?.galera?.size = present.count
            }
        }
    }

    private func ordinals(_ fleet: TestFleet) -> [Int] { (fleet.orders?.members ?? []).filter { $0.phase == .active }.map(\.ordinal) }

    private func reports(_ fleet: TestFleet) -> [InstanceReport] {
        fleet.observed.values.flatMap(\.report.instances).filter { $0.process == .running }.sorted { $0.id < $1.id }
    }

    private func inside(_ fleet: TestFleet) -> [GaleraReport] {
        let uuid = fleet.orders?.galera?.stateUUID ?? ""
        return reports(fleet).compactMap { report in
            guard let group = report.database?.galera, group.isInComponent(of: uuid), !report.isInconsistent else { return nil }
            return fleet.orders?.leftBehind.contains(report.id.ordinal) == true ? nil : group
        }
    }

    private func open(_ fleet: TestFleet) -> [Int] { reports(fleet).filter { $0.database?.readOnly == false }.map(\.id.ordinal) }

    private func furthest(_ fleet: TestFleet) -> Int64 { inside(fleet).map(\.lastCommitted).max() ?? 0 }
}

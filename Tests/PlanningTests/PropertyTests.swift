import FleetModel
import Planning
import Testing

/// A generator with a seed, so that a failure can be repeated (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Random commits and random damage, over and over: nothing bad happens, and something good does.
struct PropertyTests {
    static let seeds: ClosedRange<UInt64> = 1...60
    static let roundsPerSeed = 12

    @Test(arguments: seeds)
    func `every rehearsal ends, breaks no invariant, and a second one is empty`(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var fleet = TestFleet()
        fleet.converge()
        for round in 0..<Self.roundsPerSeed {
            let before = describe(fleet)
            if Bool.random(using: &random) { commit(&fleet, &random) } else { damage(&fleet, &random) }
            let plan = fleet.converge()
            #expect(plan.refusal == nil, "seed \(seed) round \(round): \(before) -> \(plan.outline)")
            let again = fleet.converge()
            #expect(again.outline == "", "seed \(seed) round \(round): not idempotent: \(again.outline)")
            #expect(again.waits.allSatisfy(isRetention), "seed \(seed) round \(round): \(again.waits)")
            #expect(ClusterMeasure(fleet.situation()).writable == [fleet.orders?.primary ?? 0], "seed \(seed) round \(round)")
        }
    }

    @Test(arguments: seeds)
    func `the same situation gives the same plan`(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var fleet = TestFleet()
        fleet.converge()
        commit(&fleet, &random)
        damage(&fleet, &random)
        _ = fleet.allocate()
        #expect(Planner.rehearse(fleet.situation()).waves.map(\.tasks) == Planner.rehearse(fleet.situation()).waves.map(\.tasks))
    }

    /// What a rehearsal keeps from step to step never changes what is decided: each step alone, everything looked at
    /// anew, comes to the same.
    @Test(arguments: seeds)
    func `a rehearsal is the steps that each look anew`(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var fleet = TestFleet()
        var compared = 0
        for _ in 0..<Self.roundsPerSeed {
            _ = fleet.allocate()
            let whole = Planner.rehearse(fleet.situation())
            var world = fleet.situation()
            let bound = world.policy.rehearsalStepsMax
            world.policy.rehearsalStepsMax = 1
            var waves: [[PlannedTask]] = []
            var last = Rehearsal(unit: whole.unit)
            for _ in 0..<bound {
                (last, world) = Planner.rehearseToEnd(world)
                waves += last.waves.map(\.tasks)
                guard last.refusal == "the plan did not end within 1 steps" else { break }
            }
            #expect(waves == whole.waves.map(\.tasks), "seed \(seed)")
            #expect(last.refusal == whole.refusal && last.waits == whole.waits && last.conditions == whole.conditions, "seed \(seed)")
            compared += waves.count
            fleet.converge()
            if Bool.random(using: &random) { commit(&fleet, &random) } else { damage(&fleet, &random) }
        }
        #expect(compared > 5)
    }

    private func isRetention(_ wait: Wait) -> Bool {
        if case .retention = wait.reason { return true }
        return false
    }

    private func describe(_ fleet: TestFleet) -> String {
        "\(fleet.fleet.clusters["orders"]?.value.placement.map { "\($0.zone)=\($0.replicas)" } ?? [])"
    }

    private func commit(_ fleet: inout TestFleet, _ random: inout SeededGenerator) {
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            let counts = [Int.random(in: 0...1, using: &random), Int.random(in: 0...2, using: &random), Int.random(in: 0...2, using: &random)]
            guard counts.reduce(0, +) > 0 else { return }
            let placement = TestFleet.orders(counts).placement
            fleet.edit { $0.placement = placement }
        case 1:
            let value = String(Int.random(in: 100...110, using: &random))
            fleet.edit { $0.parameters["max_connections"] = value }
        case 2:
            let value = String(Int.random(in: 100...110, using: &random))
            fleet.edit { $0.parameters["back_log"] = value }
        case 3:
            let zone = ["zone-a", "zone-b", "zone-c"].randomElement(using: &random) ?? "zone-a"
            fleet.edit { $0.preferredZones = [zone] }
        case 4: fleet.edit { $0.durability = $0.durability == .async ? .semiSync : .async }
        default: fleet.edit { $0.accounts = $0.accounts.isEmpty ? TestFleet.orders().accounts : [] }
        }
    }

    private func damage(_ fleet: inout TestFleet, _ random: inout SeededGenerator) {
        let ordinals = fleet.orders?.members.filter { $0.phase == .active }.map(\.ordinal) ?? []
        guard let ordinal = ordinals.randomElement(using: &random) else { return }
        let isPrimary = ordinal == fleet.orders?.primary
        switch Int.random(in: 0..<6, using: &random) {
        case 0: fleet.change(ordinal) { $0.process = .stopped }
        case 1: fleet.change(ordinal) { $0.configDigest = nil }
        case 2: fleet.change(ordinal) { $0.database?.variables["max_connections"] = "3" }
        case 3: fleet.change(ordinal) { $0.database?.readOnly = isPrimary }
        case 4: fleet.change(ordinal) { if !isPrimary { $0.database?.replication = nil } }
        default: fleet.change(ordinal) { if isPrimary { $0.database?.accounts = [] } else { $0.database?.semiSyncReplica = false } }
        }
    }
}

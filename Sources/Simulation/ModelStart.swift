import FleetModel

// By what an instance is started: its version and its configuration; and back to what it was started by before, where
// that keeps it from starting.

/// What a start is by.
struct ModelSetting: Equatable {
    var version: String
    var configuration: String

    /// A version, and a value, by which nothing starts.
    static let brokenVersion = "10.11.17"
    static let brokenBacklog = "99999999"

    var startsNothing: Bool {
        version == ModelSetting.brokenVersion || ModelConfiguration.declared(configuration)["back_log"] == ModelSetting.brokenBacklog
    }
}

extension ModelInstance {
    /// By what is ordered; what was refused is tried again by who `insists`. Nil where it cannot be started at all.
    func chooseSetting(insists: Bool) -> ModelSetting? {
        let wanted = ModelSetting(version: version, configuration: configuration ?? "")
        let digest = SHA256.hex(wanted.configuration)
        if !insists, let proven, refused?.configDigest == digest { return proven }
        guard wanted.startsNothing else {
            refused = nil
            return wanted
        }
        guard let proven, proven != wanted, !proven.startsNothing else { return nil }
        refused = RefusedStart(configDigest: digest, engineVersion: wanted.version, message: "it does not start so")
        return proven
    }
}

extension DriverSteps {
    static func restart() -> [DriverStep] { stop { _ in } + startInsisting() }

    static func upgrade(_ version: String) -> [DriverStep] {
        guard ModelHost.engineVersions.contains(version) else {
            return [DriverStep(5...30) { _ in .end(.failed("MariaDB \(version) is not on this host")) }]
        }
        return stop { $0.version = version } + startInsisting()
    }

    static func takeBack(_ reason: String) -> [DriverStep] {
        let known = DriverStep(1...5) { context in
            context.instance?.former == nil ? .end(.failed("what it ran by before is not known")) : .next
        }
        let back = stop { instance in
            guard let former = instance.former else { return }
            instance.refused = RefusedStart(configDigest: instance.configDigest ?? "", engineVersion: instance.version, message: reason)
            (instance.proven, instance.version, instance.former) = (former, former.version, nil)
        }
        return [known] + back + start()
    }

    private static func stop(_ change: @escaping (ModelInstance) -> Void) -> [DriverStep] {
        [
            DriverStep(20...200) { context in
                guard let instance = context.instance, instance.directory == .ready else {
                    return .end(.refused("there is no instance"))
                }
                instance.stopReplicating()
                return .next
            },
            DriverStep(50...300) { context in
                guard let instance = context.instance else { return .next }
                // One that is down already is started by something else.
                if instance.process != nil {
                    context.world.oracle.interrupting(instance, context.world)
                    context.end(instance)
                    instance.isInterrupted = true
                }
                change(instance)
                return .next
            },
        ]
    }

    private static func startInsisting() -> [DriverStep] {
        let early = DriverStep(1...1) { context in
            guard context.world.planted == .hastyRestart else { return .next }
            return context.pretendToHaveStarted()
        }
        return [early] + start(insists: true) { instance in
            instance.refused.map { .failed("\($0.message): it was started as it was before") }
        }
    }
}

extension StepContext {
    /// It counts as started, and takes its time.
    fileprivate func pretendToHaveStarted() -> StepResult {
        guard let instance, instance.process == nil else { return .next }
        instance.pretend()
        world.after(.seconds(20)) {
            instance.endPretence()
            if instance.directory == .ready, instance.process == nil { instance.start() }
        }
        return .end(.succeeded(TaskResult(readBack: instance.reported?.variables ?? [:])))
    }
}

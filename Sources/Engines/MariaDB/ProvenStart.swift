import FleetModel
import JSONStream
import MySQLClient

/// What an instance is started by: the binaries' exact version, and the configuration as the server reads it.
struct StartSetting: Sendable, Hashable {
    var version: String
    var configuration: String

    init(version: String, configuration: String) {
        self.version = version
        self.configuration = configuration
    }
}

// What it started by last, kept beside it, so that a configuration or a version with which it does not start takes
// nothing down for longer than that takes to see, also while no server is there.

extension InstanceLayout {
    /// The setting that the instance last started and answered by: the version in the first line, then the configuration.
    private var provenFile: String { directory + "/started-last" }
    /// The setting that it ran by before that one.
    private var formerFile: String { directory + "/started-before" }
    /// Why it did not start by what is ordered: the version, the configuration's digest, what its log said.
    private var refusedFile: String { directory + "/start-refused" }

    var proven: StartSetting? { setting(in: provenFile) }

    /// Nil where it was changed by an earlier release of the agent, or taken back already.
    var former: StartSetting? { setting(in: formerFile) }

    private func setting(in file: String) -> StartSetting? {
        guard let text = (try? Files.text(file)).flatMap({ $0 }), let end = text.firstIndex(of: "\n"),
            text.hasPrefix(Self.versionMark)
        else { return nil }
        return StartSetting(
            version: String(text[..<end].dropFirst(Self.versionMark.count)), configuration: String(text[text.index(after: end)...]))
    }

    private static let versionMark = "# version "

    func keepProven(_ setting: StartSetting) throws(EngineError) {
        guard proven != setting else { return }
        try write(setting, to: provenFile)
    }

    func keepFormer(_ setting: StartSetting) throws(EngineError) { try write(setting, to: formerFile) }

    func forgetFormer() throws(EngineError) { try Files.remove(formerFile) }

    private func write(_ setting: StartSetting, to file: String) throws(EngineError) {
        try Files.write(file, Self.versionMark + setting.version + "\n" + setting.configuration)
    }

    /// Nil where it started by what is ordered, or was not started since it was.
    var refusedStart: RefusedStart? {
        guard let text = (try? Files.text(refusedFile)).flatMap({ $0 }) else { return nil }
        let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3 else { return nil }
        return RefusedStart(configDigest: String(lines[1]), engineVersion: String(lines[0]), message: String(lines[2]))
    }

    func keepRefused(_ refused: RefusedStart) throws(EngineError) {
        try Files.write(refusedFile, [refused.engineVersion, refused.configDigest, refused.message].joined(separator: "\n"))
    }

    /// True where there was one.
    @discardableResult
    func forgetRefused() throws(EngineError) -> Bool {
        guard Files.exists(refusedFile) else { return false }
        try Files.remove(refusedFile)
        return true
    }
}

extension InstanceWorker {
    /// Starts by what is ordered; where the server ends at once by that, by what it last started by, and that is kept as
    /// refused. A refused configuration is not tried again but by who `insists`.
    func startProven(_ arguments: [String], insists: Bool, _ galera: GaleraStart, _ bars: Int) async throws {
        guard let configuration = try Files.text(layout.configuration) else {
            throw EngineError(.refused, "the configuration file \(layout.configuration) is missing: configure the instance first")
        }
        let wanted = StartSetting(version: try identity().engineVersion, configuration: configuration)
        guard let proven = layout.proven, proven != wanted else {
            try await start(by: wanted, arguments, galera, bars)
            // A version that was refused stays so while the one before runs in its place.
            if layout.refusedStart?.engineVersion == wanted.version { try layout.forgetRefused() }
            return
        }
        let digest = try layout.configurationDigest() ?? ""
        if !insists, let refused = layout.refusedStart, refused.configDigest == digest {
            return try await start(by: proven, arguments, galera, bars)
        }
        do {
            try await startTwice(by: wanted, arguments, galera, bars)
            try layout.forgetRefused()
            try layout.keepFormer(proven)
        } catch let error as EngineError where error.kind == .permanent {
            try layout.keepRefused(RefusedStart(configDigest: digest, engineVersion: wanted.version, message: error.message))
            do {
                try await start(by: proven, arguments, galera, bars)
            } catch {
                // It is not what it was started by.
                try layout.forgetRefused()
                throw error
            }
        }
    }

    /// A process that was killed while it started says nothing of it: that is no word against what it was started by.
    private func startTwice(by setting: StartSetting, _ arguments: [String], _ galera: GaleraStart, _ bars: Int) async throws {
        let logged = Files.size(layout.errorLog)
        do {
            try await start(by: setting, arguments, galera, bars)
        } catch let error as EngineError where error.kind == .permanent {
            guard errorLog(since: logged).errors.isEmpty else { throw error }
            try await start(by: setting, arguments, galera, bars)
        }
    }

    private func start(by setting: StartSetting, _ arguments: [String], _ galera: GaleraStart, _ bars: Int) async throws {
        let binaries = try await finder.forInstance(madeWith: setting.version)
        let user = try host.processUser()
        try Files.remove(layout.startedValues)
        try Files.write(layout.started, setting.configuration)
        try setVersion(setting.version)
        let logged = Files.size(layout.errorLog)
        if ConfigurationFile(setting.configuration).isGalera {
            try await startMember(galera, by: setting, binaries, as: user, arguments, bars)
        } else {
            try await startAlone(binaries, as: user, arguments, bars, logged)
        }
        process.expectEnd(false)
        guard process.living() != nil else { throw startFailure(from: logged) }
        // A package that was upgraded has replaced the binaries of its version.
        try setVersion(binaries.version)
        try layout.keepProven(StartSetting(version: binaries.version, configuration: setting.configuration))
    }

    private func startAlone(
        _ binaries: MariaDBBinaries, as user: HostUser?, _ arguments: [String], _ bars: Int, _ logged: Int64
    ) async throws {
        try await launch(binaries, as: user, arguments, bars)
        do {
            try await waitUntilReady(from: logged)
        } catch let error as EngineError {
            guard isCopyOfPrepared(since: logged) else { throw error }
            try await rollBackPrepared(binaries, as: user, bars)
            try await launch(binaries, as: user, arguments, bars)
            try await waitUntilReady(from: Files.size(layout.errorLog))
        }
    }

    /// By which version the instance is started from now on.
    func setVersion(_ version: String) throws {
        var identity = try identity()
        guard identity.engineVersion != version else { return }
        identity.engineVersion = version
        try Files.write(layout.identity, identity.jsonText + "\n")
    }

    /// What runs now did start by what it was started with: kept before it is stopped, for instances that were started by
    /// an earlier release of the agent.
    func keepRunningAsProven(_ session: AdminSession) async throws {
        guard let configuration = try Files.text(layout.started) else { return }
        try layout.keepProven(StartSetting(version: try await session.version(), configuration: configuration))
    }

    /// Throws where the last start went back to what was before.
    func requireStartedAsOrdered() throws {
        guard let refused = layout.refusedStart else { return }
        throw EngineError(.permanent, "\(refused.message); it was started again as it was before")
    }
}

extension AdminSession {
    /// Exact: `10.11.19`.
    func version() async throws -> String {
        let version = try await value("SELECT @@version")
        return BinaryFinder.number(version) ?? version
    }
}

import FleetModel
import Glibc
import JSONStream

// Making an instance from nothing.

extension InstanceWorker {
    static let installBound: Duration = .seconds(300)

    /// Makes directory, identity, configuration and an empty data directory. Until it is done the directory carries a
    /// mark, and holds nothing of value.
    func install(_ blueprint: InstanceBlueprint, _ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        if let done = try alreadyMade(blueprint) { return done }
        let binaries = try await finder.matching(blueprint.engineVersion)
        let user = try await beginDirectory(blueprint, binaries)
        report(EngineProgress(phase: "installing"))
        try await filling {
            try await bootstrap(binaries, user)
            try Files.syncDisk(of: layout.data)
        }
        try finishDirectory()
        return TaskResult(engineVersion: binaries.version)
    }

    /// The result where a complete directory of this blueprint is there; throws where it is another instance's.
    func alreadyMade(_ blueprint: InstanceBlueprint) throws -> TaskResult? {
        guard layout.state == .ready || layout.state == .retired else { return nil }
        let identity = try identity()
        guard layout.state == .ready, identity.serverID == blueprint.serverID, identity.port == blueprint.port else {
            throw EngineError(.refused, "\(layout.directory) already holds an instance; it is not made again over it")
        }
        return TaskResult(acted: false, engineVersion: identity.engineVersion)
    }

    /// Makes the directory anew, marked as half made, with identity, configuration and the empty directories that
    /// belong to `processUser`. What a broken attempt left is removed, its processes first.
    func beginDirectory(_ blueprint: InstanceBlueprint, _ binaries: MariaDBBinaries) async throws -> HostUser? {
        let user = try host.processUser()
        try Files.makeDirectory(host.instancesDirectory)
        if let user, let obstacle = user.obstacle(to: host.instancesDirectory) {
            throw EngineError(
                .permanent,
                "the databases' user \(user.name) may not pass through \(obstacle): `chmod o+x \(obstacle)`, or keep the agent's data elsewhere")
        }
        if Files.exists(layout.directory) { try await clearHalfMade() }
        try requireSpace(blueprint.storageBytes)
        try Files.makeDirectory(layout.directory)
        try Files.write(layout.halfMadeMark, "install or clone has not finished: nothing here is of value\n")
        let identity = InstanceIdentity(layout.id, blueprint, engineVersion: binaries.version)
        try Files.write(layout.identity, identity.jsonText + "\n")
        for (directory, mode) in [(layout.data, 0o700), (layout.temporary, 0o700), (layout.log, 0o750), (layout.run, 0o755)] as [(String, mode_t)] {
            try Files.makeDirectory(directory, mode: mode)
            if let user { try Files.give(directory, to: user) }
        }
        _ = try layout.writeConfiguration(blueprint.configuration)
        return user
    }

    private func requireSpace(_ bytes: Int64) throws {
        let free = Files.freeBytes(host.instancesDirectory)
        guard free >= bytes else {
            throw EngineError(
                .permanent,
                "\(host.instancesDirectory) has \(free >> 20) MiB free and the instance may need \(bytes >> 20) MiB: free some space, lower resources.storage, or place it on another host")
        }
    }

    /// Runs what fills a half-made instance. Where that fails or is cancelled, what it stored is removed at once: other
    /// instances need the room on the disk. Mark and logs stay, to say what happened.
    func filling(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            // The reason of the failure counts more than what cannot be removed now: the next attempt removes it or says so.
            for directory in [layout.data, layout.temporary] { try? Files.removeTree(directory) }
            throw error
        }
    }

    /// Removes what an attempt that did not finish left; throws where it is anything else.
    func clearHalfMade() async throws {
        let isNothing = Files.names(in: layout.directory).allSatisfy { $0 == Files.name(layout.halfMadeMark) + ".new" }
        guard layout.isHalfMade || isNothing else {
            throw EngineError(.permanent, "\(layout.directory) is there and was not made by us: move it away")
        }
        try await endProcesses()
        try removeDirectory()
    }

    /// Removes the whole directory: what is large first, then the identity, the marks last, so that what a crash leaves
    /// is known as ours and as of no value.
    func removeDirectory() throws(EngineError) {
        let last = [layout.identity, layout.halfMadeMark, layout.retiredMark]
        for name in Files.names(in: layout.directory) where !last.contains(layout.directory + "/" + name) {
            try Files.removeTree(layout.directory + "/" + name)
        }
        for path in last { try Files.remove(path) }
        try Files.removeTree(layout.directory)
    }

    /// Programs that only we start in an instance's directory.
    private static let ourTools: Set<String> = ["mariadbd", "mysqld", "mariadb-backup", "mbstream", "mariadb-install-db"]

    /// Kills what works in this directory (a broken attempt's tools) and waits until it is gone.
    func endProcesses() async throws {
        let inside = layout.directory + "/"
        process.expectEnd(true)
        let isOver = try await wait(within: .seconds(10)) {
            let left = ProcessIdentity.all { words in
                words.contains { $0.contains(inside) } && words.contains { Self.ourTools.contains(Files.name(String($0))) }
            }
            for process in left { process.send(SIGKILL) }
            return left.isEmpty
        }
        guard isOver else { throw EngineError(.transient, "processes that work in \(layout.directory) do not end") }
    }

    private func bootstrap(_ binaries: MariaDBBinaries, _ user: HostUser?) async throws {
        var arguments = [
            "--defaults-file=" + layout.configuration, "--skip-test-db", "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=" + host.administrator, "--datadir=" + layout.data, "--skip-name-resolve", "--force",
        ]
        if let user { arguments.append("--user=" + user.name) }
        if binaries.base != "/usr" { arguments.append("--basedir=" + binaries.base) }
        let timeZones = layout.temporary + "/timezones.sql"
        if try await writeTimeZones(to: timeZones, binaries) { arguments.append("--extra-file=" + timeZones) }
        let outcome = try await Tool.run(try binaries.tool("mariadb-install-db"), arguments, within: Self.installBound)
        try Files.remove(timeZones)
        guard outcome.status != 0 else { return }
        let log = (try? Files.text(layout.errorLog)).flatMap { $0 } ?? ""
        let said = ErrorLog(log + outcome.errors + String(decoding: outcome.output, as: UTF8.self))
        if said.isDiskFull || Files.freeBytes(layout.data) < 1 << 20 { throw EngineError.diskFull(at: layout.data) }
        let why = said.errors.prefix(ErrorLog.linesMax).map { String($0.prefix(ErrorLog.lineMax)) }.joined(separator: "; ")
        throw EngineError(.permanent, "mariadb-install-db failed with status \(outcome.status): \(why)")
    }

    /// Takes the mark away: from here on the directory is an instance.
    func finishDirectory() throws {
        try Files.remove(layout.halfMadeMark)
        try Files.syncDirectory(of: layout.halfMadeMark)
    }
}

import FleetModel

// Another version's binaries for an instance that is there.

extension InstanceWorker {
    /// Bringing system tables up to another series reads every table of theirs.
    static let systemTablesBound: Duration = .seconds(600)
    /// Tools that an instance's life needs beside the server.
    private static let tools = ["mariadb", "mariadb-check", "mariadb-upgrade", "mariadb-backup", "mbstream", "mariadb-binlog"]

    /// Stops in good order, as a restart does, and starts closed by the binaries of `version`. Where it does not start so,
    /// or its system tables cannot be brought up to it, it is started as it was.
    func upgrade(to version: String, isPrimary: Bool, _ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        try requireReady()
        let binaries = try await finder.exactly(version)
        for tool in Self.tools { _ = try binaries.tool(tool) }
        if process.living(thorough: true) != nil {
            let running = try await withSession { try await $0.version() }
            guard running.versionSeries == version.versionSeries else {
                throw EngineError(.permanent, "\(layout.id) runs \(running): only a version of \(running.versionSeries) can take its data over in place, not \(version)")
            }
            if running == version, try Files.text(layout.started) == Files.text(layout.configuration) {
                try setVersion(version)
                try layout.forgetRefused()
                return TaskResult(acted: false, readBack: try await readBack(), engineVersion: version)
            }
            try await stopInOrder(isPrimary: isPrimary, report)
        }
        let before = layout.proven
        try setVersion(version)
        report(EngineProgress(phase: "starting by \(version)"))
        _ = try await startClosed(insists: true)
        try requireStartedAsOrdered()
        do {
            try await bringSystemTablesUp(binaries, report)
        } catch let error as EngineError {
            try await goBack(to: before, for: error)
        }
        return TaskResult(readBack: try await readBack(), engineVersion: version)
    }

    private func goBack(to before: StartSetting?, for error: EngineError) async throws -> Never {
        guard let before else { throw error }
        let refused = try refusal(for: error.message)
        _ = try await stop()
        try await start(back: before, refused)
        throw EngineError(.permanent, "\(error.message); it was started again as it was before")
    }

    /// Back to what it ran by before its last change; what it was started by since counts as refused.
    func takeBack(for reason: String, _ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        try requireReady()
        guard let former = layout.former else {
            throw EngineError(.permanent, "what \(layout.id) ran by before is not known: it was taken back already, or changed by an earlier release")
        }
        // A try that was broken off has kept already what it went back from.
        let begun = layout.proven == former ? layout.refusedStart : nil
        let refused = try begun ?? refusal(for: reason)
        report(EngineProgress(phase: "stopping"))
        // What it has received and cannot apply now is kept for its next start.
        _ = try await stop()
        report(EngineProgress(phase: "starting by what it ran by before"))
        try await start(back: former, refused)
        try layout.forgetFormer()
        return TaskResult(readBack: try await readBack(), engineVersion: former.version)
    }

    private func refusal(for reason: String) throws -> RefusedStart {
        RefusedStart(configDigest: try layout.configurationDigest() ?? "", engineVersion: try identity().engineVersion, message: reason)
    }

    private func start(back setting: StartSetting, _ refused: RefusedStart) async throws {
        try layout.keepRefused(refused)
        try layout.keepProven(setting)
        try setVersion(setting.version)
        _ = try await startClosed()
    }

    /// Within a series they are the same; the server's own mark of who made them is what `mariadb-upgrade` goes by too.
    private func bringSystemTablesUp(_ binaries: MariaDBBinaries, _ report: @Sendable (EngineProgress) -> Void) async throws {
        let marks = ["mariadb_upgrade_info", "mysql_upgrade_info"].compactMap { (try? Files.text(layout.data + "/" + $0)).flatMap { $0 } }
        // A copy has no mark, and is of a server of its own series.
        guard let made = marks.first.flatMap({ BinaryFinder.number($0.trimmedSpaces) }), made.versionSeries != binaries.version.versionSeries
        else { return }
        report(EngineProgress(phase: "bringing system tables from \(made) up to \(binaries.version)"))
        // Outside the writer a row of ours would be errant.
        let outcome = try await Tool.run(
            try binaries.tool("mariadb-upgrade"),
            ["--no-defaults", "--silent", "--skip-write-binlog", "--upgrade-system-tables", "--socket=" + layout.socket, "--user=" + host.administrator],
            within: Self.systemTablesBound)
        guard outcome.status == 0 else {
            throw EngineError(.permanent, "mariadb-upgrade failed with status \(outcome.status): \(outcome.errors.prefix(ErrorLog.lineMax))")
        }
    }
}

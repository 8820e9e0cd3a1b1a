import CLinux
import FleetModel
import Glibc

// The receiver's side: making an instance as a copy of another.

extension InstanceWorker {
    static let prepareBound: Duration = .seconds(3600)

    /// Makes the instance as a copy. Until it is done the directory carries its mark and holds nothing of value. One that was
    /// taken out of service is moved aside first, and kept: it is wanted again.
    func clone(
        _ blueprint: InstanceBlueprint, _ work: EngineWork, over transport: any CopyTransport,
        _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        if layout.state == .retired { _ = try moveAside("it was taken out of service, and is wanted again", nil, report) }
        if let done = try alreadyMade(blueprint) { return done }
        let binaries = try await finder.matching(blueprint.engineVersion)
        let user = try await beginDirectory(blueprint, binaries)
        let receiver = CopyReceiver(
            layout: layout, address: blueprint.address, ports: host.copyPorts, extract: try binaries.tool("mbstream"),
            announce: work.copyReady, report: report)
        try await filling {
            let told = try await receiver.receive(over: transport, donorEnded: work.copyEnded)
            report(EngineProgress(phase: "preparing"))
            let configuration = ConfigurationFile(blueprint.configuration)
            try await prepare(binaries, configuration)
            if configuration.isGalera { try seedBinlog(told) } else { try recordPosition() }
            try clearBackupFiles()
            if let user { try Files.giveTree(layout.data, to: user) }
            try Files.syncDisk(of: layout.data)
        }
        try finishDirectory()
        return TaskResult(engineVersion: binaries.version)
    }

    /// A member counts its transactions itself: its numbers are the others' if it begins where the copy ends.
    private func seedBinlog(_ position: GTIDSet?) throws {
        guard let position else { throw EngineError(.transient, "the donor did not say where its binary log stood: it is no member of a galera cluster, or its agent is of an earlier release") }
        guard !position.isEmpty else { return }
        let lines = position.domains.sorted { $0.key < $1.key }.map { "\($0.key)-\($0.value.serverID)-\($0.value.sequence)\n" }
        try Files.write(layout.data + "/binlog.state", lines.joined(), mode: 0o640)
    }

    /// Applies what changed at the donor while the copy was made.
    private func prepare(_ binaries: MariaDBBinaries, _ configuration: ConfigurationFile) async throws {
        let pool = configuration.value("innodb_buffer_pool_size").flatMap(VariableKind.quantity) ?? "134217728"
        let arguments = ["--no-defaults", "--prepare", "--target-dir=" + layout.data, "--use-memory=" + pool]
        let outcome = try await Tool.run(try binaries.tool("mariadb-backup"), arguments, within: Self.prepareBound)
        try? Files.write(layout.log + "/prepare.log", outcome.errors)
        guard outcome.status != 0 else { return }
        if ErrorLog(outcome.errors).isDiskFull { throw EngineError.diskFull(at: layout.data) }
        let said = outcome.errors.split(separator: "\n").suffix(ErrorLog.linesMax).joined(separator: "; ")
        throw EngineError(.transient, "the copy could not be prepared: \(said)")
    }

    /// Keeps the copy's GTID position beside the data until replication begins from it.
    private func recordPosition() throws {
        let names = ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"]
        var position = ""
        for name in names {
            guard let text = try Files.text(layout.data + "/" + name) else { continue }
            let fields = text.split(separator: "\n").first?.split(separator: "\t", omittingEmptySubsequences: false) ?? []
            position = fields.count > 2 ? String(fields[2].trimmedSpaces) : ""
            break
        }
        guard GTIDSet(position) != nil else { throw EngineError(.transient, "the copy carries no GTID position: \(position)") }
        try Files.write(layout.copiedPosition, position + "\n")
    }

    /// What the backup left.
    private func clearBackupFiles() throws {
        for name in Files.names(in: layout.data)
        where name.hasPrefix("xtrabackup_") || name.hasPrefix("mariadb_backup_") || name == "backup-my.cnf" {
            try Files.remove(layout.data + "/" + name)
        }
    }
}

extension Files {
    /// Makes all that was written to a path's disk durable.
    static func syncDisk(of path: String) throws(EngineError) {
        let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw .system("open", path) }
        defer { close(file) }
        guard syncfs(file) == 0 else { throw .system("sync", path) }
    }

    static func randomHex(bytes count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return SHA256.hex((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}

import BlockingWork
import FleetModel
import MySQLClient

/// Looks at one instance, over a connection that it keeps. A look ends within its bound whatever the server does.
actor InstanceLook {
    private let layout: InstanceLayout
    private let process: ServerProcess
    private let administrator: String
    private let disk: DiskProbe
    private var session: AdminSession?
    /// The server's number of a connection that asked about replication and got no answer: each such question holds a
    /// thread of the server, so that no other is asked while it hangs.
    private var hanging: String?
    private var used: (bytes: Int64, at: ContinuousClock.Instant)?

    private let executor = QueueExecutor(label: "evenkeel.look")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ layout: InstanceLayout, administrator: String, process: ServerProcess, stalled: @escaping @Sendable () -> Void) {
        self.layout = layout
        self.administrator = administrator
        self.process = process
        disk = DiskProbe(layout.diskProbe, stalled: stalled)
    }

    static let bound: Duration = .seconds(2)
    /// Adding up a directory's files reads every one of their inodes: not at every look.
    static let usedBytesAge: Duration = .seconds(60)

    /// What is there now; nil where the directory is no instance of ours.
    func look(fingerprintKey: String?) async -> InstanceReport? {
        let deadline = ContinuousClock.now + Self.bound
        guard let state = layout.state, let identity = InstanceIdentity(at: layout) else { return nil }
        var report = InstanceReport(id: layout.id, clusterName: identity.clusterName, port: identity.port, directory: state)
        report.origin = InstanceOrigin(
            address: identity.address, serverID: identity.serverID, gtidDomain: identity.gtidDomain,
            engineVersion: identity.engineVersion)
        report.configDigest = (try? layout.configurationDigest()).flatMap { $0 }
        report.orderedDigest = (try? Files.text(layout.template)).flatMap { $0 }.map { SHA256.hex($0) }
        report.usedBytes = usedBytes()
        report.refusedStart = layout.refusedStart
        let files = GaleraFiles(layout)
        report.isInconsistent = files.isInconsistent
        report.groupCertificate = files.groupCertificate
        guard process.living() != nil else {
            await drop()
            report.recovered = files.recovered
            return report
        }
        report.disk = disk.ask()
        let started = ConfigurationFile((try? Files.text(layout.started)).flatMap { $0 } ?? "")
        report.startedParameters = started.declared
        let values = (try? Files.text(layout.startedValues)).flatMap { $0 } ?? ""
        report.startedValues = ConfigurationFile(ConfigurationFile.declaredLine + "\n" + values).declared
        do {
            let names = ConfigurationFile((try? Files.text(layout.configuration)).flatMap { $0 } ?? started.text).names
            report.database = try await database(names.union(started.names), isGalera: started.isGalera, fingerprintKey, deadline)
            report.process = .running
            if report.database?.galera?.state == .inconsistent {
                try files.markInconsistent("voted out of its component")
                report.isInconsistent = true
            }
        } catch {
            await drop()
            report.process = Self.process(after: error)
        }
        return report
    }

    /// Nobody listens on the socket yet: it starts. Anything else is a server that does not answer as it should.
    private static func process(after error: any Error) -> InstanceProcess {
        guard let error = error as? MySQLError else { return .unresponsive }
        return error.kind == .connection && error.code == 2002 ? .starting : .unresponsive
    }

    private func drop() async {
        await session?.close()
        session = nil
    }

    private func usedBytes() -> Int64 {
        if let used, ContinuousClock.now - used.at < Self.usedBytesAge { return used.bytes }
        let bytes = Files.usedBytes(layout.directory)
        used = (bytes, ContinuousClock.now)
        return bytes
    }

    private func database(
        _ names: Set<String>, isGalera: Bool, _ fingerprintKey: String?, _ deadline: ContinuousClock.Instant
    ) async throws -> DatabaseReport {
        do {
            return try await ask(names, isGalera, fingerprintKey, deadline)
        } catch let error as MySQLError where error.kind == .connection && session != nil {
            // The kept connection is of a process that has ended since: once more with a new one.
            await drop()
            return try await ask(names, isGalera, fingerprintKey, deadline)
        }
    }

    private func ask(
        _ names: Set<String>, _ isGalera: Bool, _ fingerprintKey: String?, _ deadline: ContinuousClock.Instant
    ) async throws -> DatabaseReport {
        if session == nil { session = try await AdminSession.open(layout, as: administrator, within: deadline.left) }
        guard let session else { throw MySQLError(.connection, message: "no connection") }
        var questions = LookQuestions(id: layout.id, session: session, deadline: deadline, administrator: administrator)
        questions.fingerprintKey = fingerprintKey
        if isGalera { return try await questions.member(variables: names) }
        var report = try await questions.database(variables: names)
        if let hanging, try await questions.isThere(connection: hanging) {
            throw MySQLError(.timedOut, message: "an earlier question about replication still hangs")
        }
        hanging = try await questions.connectionNumber()
        report.replication = try await questions.replication()
        hanging = nil
        // What is there is told whether or not that succeeds; it is tried again at the next look.
        for number in questions.hungSenders { _ = try? await session.run("KILL \(number)", within: deadline.left) }
        return report
    }

    /// What the server says of its variables; nil where it does not answer.
    func catalog() async -> VariableCatalog? {
        guard let session else { return nil }
        return try? await LookQuestions(id: layout.id, session: session, deadline: .now + Self.bound, administrator: administrator).catalog()
    }
}

extension ContinuousClock.Instant {
    /// What is left until this moment; at least a millisecond.
    var left: Duration { max(.milliseconds(1), ContinuousClock.now.duration(to: self)) }
}

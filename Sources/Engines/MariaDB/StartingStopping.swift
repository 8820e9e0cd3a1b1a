import FleetModel
import Glibc
import MySQLClient

// Starting an instance, always closed, and ending its process.

extension InstanceWorker {
    /// A start may take long where InnoDB recovers: it is waited for while the error log grows.
    static let startQuietMax: Duration = .seconds(60)
    static let startMax: Duration = .seconds(600)
    /// A server that was asked to stop writes its pages out first.
    static let stopMax: Duration = .seconds(120)
    /// How many sets of relay logs are kept aside.
    static let relayAsideMax = 2
    /// Longer relay logs than can be read by then are kept without a look.
    static let relayReadBound: Duration = .seconds(5)

    /// Starts the process closed: read-only, replication threads down, events off: one that root defined would write
    /// through read-only. Returns false where it runs already.
    ///
    /// `cutsTail`: what InnoDB had not committed durably when the server died is taken out of its binary log (semi-sync's
    /// own recovery) instead of being committed.
    ///
    /// Where it does not start by its configuration and version it is started by what it last started by; `insists`: also
    /// a configuration that was refused before is tried. `galera`: what it is started to do, where it is of a galera cluster.
    func startClosed(cutsTail: Bool = false, insists: Bool = false, galera: GaleraStart = .joining(of: nil)) async throws -> Bool {
        let bars = process.bars
        try requireReady()
        if process.living(thorough: true) != nil {
            try await waitUntilReady(from: Files.size(layout.errorLog))
            return false
        }
        try restoreConfiguration()
        try keepRelayLogsAside()
        try prepareSocketDirectory(for: try host.processUser())
        try await startProven(cutsTail ? ["--init-rpl-role=SLAVE"] : [], insists: insists, galera, bars)
        let values = try await readBack().filter { !$0.value.contains("\n") }.sorted { $0.key < $1.key }
        try Files.write(layout.startedValues, values.map { $0.key + "=" + $0.value + "\n" }.joined())
        return true
    }

    /// A copy may hold a transaction that its donor had prepared and not committed; without the donor's binary log the
    /// server does not know what to do with it, and ends.
    func isCopyOfPrepared(since logged: Int64) -> Bool {
        Files.exists(layout.copiedPosition) && errorLog(since: logged).text.contains("prepared transactions!")
    }

    /// It is in no position that the copy has, and so comes again by replication. The server ends by itself afterwards.
    func rollBackPrepared(_ binaries: MariaDBBinaries, as user: HostUser?, _ bars: Int) async throws {
        process.expectEnd(true)
        try await launch(binaries, as: user, ["--tc-heuristic-recover=ROLLBACK"], bars)
        let hasEnded = try await wait(within: Self.startMax) { process.living() == nil }
        guard hasEnded else {
            throw EngineError(.transient, "\(layout.id) has not ended after rolling back what its donor had prepared; its log is \(layout.errorLog)")
        }
    }

    /// A deleted `my.cnf` is made again from what was ordered last, so that no server is needed to bring a database
    /// back.
    private func restoreConfiguration() throws {
        guard !Files.exists(layout.configuration), let ordered = try Files.text(layout.template) else { return }
        try Files.write(layout.configuration, layout.substituted(ordered))
    }

    func launch(
        _ binaries: MariaDBBinaries, as user: HostUser?, _ more: [String], _ bars: Int, environment: [String] = Spawn.environmentDefault
    ) async throws {
        try makeErrorLog(for: user)
        var arguments = ["--defaults-file=" + layout.started, "--read-only=1", "--skip-slave-start", "--event-scheduler=OFF"] + more
        if let user, !host.launcher.setsUser { arguments.append("--user=" + user.name) }
        if binaries.base != "/usr" { arguments.append("--basedir=" + binaries.base) }
        var order = LaunchOrder(
            name: "\(try identity().clusterName)-\(layout.id.ordinal)", executable: binaries.server, arguments: arguments,
            user: user, log: layout.errorLog, environment: environment)
        // A member that nobody has the history for ends itself by SIGABRT, as it should.
        order.dumpsCore = !layout.isGalera
        try requireNotBarred(since: bars)
        guard let process = try await host.launcher.launch(order) else { return }
        self.process.adopt(process)
        do {
            try requireNotBarred(since: bars)
        } catch {
            process.send(SIGKILL)
            throw error
        }
        try Files.write(layout.processRecord, process.description)
    }

    private func requireNotBarred(since bars: Int) throws {
        guard process.bars == bars else { throw EngineError(.refused, "\(layout.id) was isolated while it was being started: it stays down") }
    }

    /// There before the server writes to it, as its user's own.
    private func makeErrorLog(for user: HostUser?) throws {
        let log = Glibc.open(layout.errorLog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard log >= 0 else { throw EngineError.system("open", layout.errorLog) }
        close(log)
        if let user { try Files.give(layout.errorLog, to: user) }
    }

    /// Waits until the server answers; throws with what its log says where it ends before, or where it neither answers
    /// nor writes to its log for long.
    func waitUntilReady(from logged: Int64) async throws {
        let began = ContinuousClock.now
        var (size, grown) = (logged, began)
        while true {
            if let session = try await sessionIfReady() {
                await session.close()
                return
            }
            guard process.living() != nil else { throw startFailure(from: logged) }
            let now = ContinuousClock.now
            let sizeNow = Files.size(layout.errorLog)
            if sizeNow != size { (size, grown) = (sizeNow, now) }
            guard now - grown < Self.startQuietMax, now - began < Self.startMax else {
                throw EngineError(.transient, "\(layout.id) was started and does not answer yet; its log is \(layout.errorLog)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func sessionIfReady() async throws -> AdminSession? {
        do {
            return try await AdminSession.open(layout, as: host.administrator)
        } catch let error as MySQLError where error.kind == .server && [1045, 1698].contains(error.code) {
            throw EngineError(
                .permanent,
                "\(layout.id) has no administrator '\(host.administrator)'@'localhost' that logs in by its socket: run the agent as the user that made it (error \(error.code))")
        } catch is MySQLError {
            return nil
        }
    }

    func startFailure(from logged: Int64) -> EngineError { errorLog(since: logged).startFailure(of: layout) }

    /// What the server wrote to its error log since that was so long; empty where it cannot be read.
    func errorLog(since logged: Int64) -> ErrorLog {
        let log = (try? Files.bytes(layout.errorLog, from: logged)).flatMap { $0 } ?? []
        return ErrorLog(String(decoding: log, as: UTF8.self))
    }

    /// Before a start purges them: what this replica received and has not applied may be nowhere else.
    func keepRelayLogsAside() throws {
        let names = Files.names(in: layout.data).filter { $0.hasPrefix("relay-bin.") || $0 == "relay-log.info" || $0 == "master.info" }
        let logs = names.filter { $0.hasPrefix("relay-bin.0") }
        guard !logs.isEmpty else { return }
        let kept = RelayLogsAside(layout).sets
        if let last = kept.last, logs.allSatisfy({ Files.isSame(layout.data + "/" + $0, layout.relayAside + "/\(last)/" + $0) }) {
            return
        }
        if holdsNoMoreThanAside() { return }
        let next = (kept.last ?? 0) + 1
        let directory = layout.relayAside + "/\(next)"
        try Files.makeDirectory(directory, mode: 0o700)
        for name in names { try Files.link(layout.data + "/" + name, directory + "/" + name) }
        for old in kept.dropLast(Self.relayAsideMax - 1) { try Files.removeTree(layout.relayAside + "/\(old)") }
    }

    /// A replica that is started again and again without its source has empty relay logs: they may not push out those of
    /// its first start. What cannot be read is kept.
    private func holdsNoMoreThanAside() -> Bool {
        let (positions, deadline) = (BinlogPositions(layout: layout), ContinuousClock.now + Self.relayReadBound)
        guard !RelayLogsAside(layout).counted.isEmpty, let aside = try? positions.keptAside(until: deadline),
            let now = try? positions.complete(in: layout.data, until: deadline)
        else { return false }
        return aside.contains(now)
    }

    /// The socket's directory, checked where it is in the world-writable `/tmp`.
    func prepareSocketDirectory(for user: HostUser?) throws {
        let directory = layout.socketDirectory
        guard directory != layout.run else { return }
        let owner = user ?? HostUser.current()
        if mkdir(directory, 0o755) == 0 { return try Files.give(directory, to: owner) }
        var facts = stat()
        guard errno == EEXIST, lstat(directory, &facts) == 0 else { throw EngineError.system("make", directory) }
        guard facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == owner.id, facts.st_mode & 0o022 == 0 else {
            throw EngineError(.permanent, "\(directory) is there and is not \(owner.name)'s own: remove it")
        }
    }

    /// Asks the server to stop and waits until its process has ended. It is never killed here: a writer's clients would
    /// lose what it still acknowledges.
    func stop() async throws -> Bool {
        guard let running = process.living(thorough: true) else { return false }
        process.expectEnd(true)
        running.send(SIGTERM)
        let isOver = try await wait(within: Self.stopMax) { !running.isAlive }
        guard isOver else {
            process.expectEnd(false)
            throw EngineError(.transient, "\(layout.id) was asked to stop and has not ended within \(Self.stopMax.components.seconds) s; its log is \(layout.errorLog)")
        }
        return true
    }
}

extension Files {
    static func link(_ from: String, _ to: String) throws(EngineError) {
        guard Glibc.link(from, to) == 0 || errno == EEXIST else { throw .system("link", from) }
    }

    /// Whether both names are of one file.
    static func isSame(_ left: String, _ right: String) -> Bool {
        var (first, second) = (stat(), stat())
        return lstat(left, &first) == 0 && lstat(right, &second) == 0 && first.st_ino == second.st_ino
            && first.st_dev == second.st_dev
    }
}

package import FleetModel
import Glibc
import MySQLClient

/// Hurts MariaDB instances and their host on purpose, for game days on test clusters.
package struct MariaDBFaults: Sendable {
    private let host: MariaDBHost
    /// `address:port` of the servers.
    private let servers: [String]
    private let exits = ExitWatch()
    private let held = HeldAppliers()

    package init(_ host: MariaDBHost, servers: [String]) {
        self.host = host
        self.servers = servers
    }

    private var scripts: String { host.dataDirectory + "/gameday" }

    /// Checks, then starts a process of its own that strikes in a moment, and heals. What is a statement to a database is
    /// done at once, and is sabotage: nothing heals it but what the product does. Throws `EngineError`.
    package func inject(_ order: FaultOrder) async throws -> FaultAnswer {
        guard let instance = order.instance else { throw EngineError(.refused, "the order names no instance") }
        let layout = InstanceLayout(instance, in: host)
        guard layout.state == .ready else { throw EngineError(.refused, "there is no instance \(instance) in service here") }
        guard (0...FaultOrder.millisecondsMax).contains(order.milliseconds) else {
            throw EngineError(.refused, "a fault lasts at most \(FaultOrder.millisecondsMax / 1000) s")
        }
        switch order.kind {
        case .measure: return FaultAnswer(id: order.id, behind: try await behind(layout))
        case .semiSyncOff: try await run(layout, ["SET GLOBAL rpl_semi_sync_master_enabled = OFF"])
        case .stopApplier: try await run(layout, ["STOP SLAVE SQL_THREAD"])
        case .holdApplier: try await hold(layout, for: .milliseconds(order.milliseconds))
        case .openForWriting:
            try await run(layout, ["SET GLOBAL rpl_semi_sync_master_enabled = OFF", "SET GLOBAL read_only = 0"])
        case .repointUndrained: try await repoint(layout)
        default:
            if order.dropsPackets { try await requirePacketFilter() }
            try launch(order, try script(order, layout))
        }
        return FaultAnswer(id: order.id)
    }

    // MARK: Statements

    private static let statementBound: Duration = .seconds(4)

    /// The session is kept, and ends with the hold.
    private func hold(_ layout: InstanceLayout, for bound: Duration) async throws {
        try await opening(layout) { session in
            try await held.hold(layout.id, session, for: bound, Self.statementBound)
        }
    }

    private func withSession<Answer: Sendable>(
        _ layout: InstanceLayout, _ body: (AdminSession) async throws -> Answer
    ) async throws -> Answer {
        try await opening(layout) { session in
            let answer = try await body(session)
            await session.close()
            return answer
        }
    }

    /// A session that is closed only where `body` fails.
    private func opening<Answer: Sendable>(
        _ layout: InstanceLayout, _ body: (AdminSession) async throws -> Answer
    ) async throws -> Answer {
        do {
            let session = try await AdminSession.open(layout, as: host.administrator)
            do {
                return try await body(session)
            } catch {
                await session.close()
                throw error
            }
        } catch let error as MySQLError {
            throw EngineError(error, doing: "\(layout.id) did not do it")
        }
    }

    private func run(_ layout: InstanceLayout, _ statements: [SQL]) async throws {
        try await withSession(layout) { session in
            for statement in statements { try await session.run(statement, within: Self.statementBound) }
        }
    }

    /// Transactions received and not applied; nil on whoever replicates from nobody.
    private func behind(_ layout: InstanceLayout) async throws -> Int64? {
        try await withSession(layout) { session in
            guard let status = try await session.replicaStatus(within: Self.statementBound) else { return nil }
            let applied = GTIDSet(try await session.value("SELECT @@GLOBAL.gtid_slave_pos", within: Self.statementBound)) ?? GTIDSet()
            return status.received.domains.reduce(0) { sum, entry in
                sum + max(0, entry.value.sequence - (applied.domains[entry.key]?.sequence ?? 0))
            }
        }
    }

    /// What every tool does that does not know better: the relay logs go with what was not applied.
    private func repoint(_ layout: InstanceLayout) async throws {
        try await withSession(layout) { session in
            guard let status = try await session.replicaStatus(within: Self.statementBound) else {
                throw EngineError(.refused, "\(layout.id) replicates from nobody")
            }
            try await session.run("STOP SLAVE IO_THREAD", within: Self.statementBound)
            // One that is held ends only when it is let go, and is to have been told to end by then.
            let stopping = Task { try await run(layout, ["STOP SLAVE SQL_THREAD"]) }
            try await awaitStop(session)
            await held.letGo(layout.id)
            try await stopping.value
            try await session.run("CHANGE MASTER TO MASTER_HOST = \(status.host), MASTER_PORT = \(status.port)", within: Self.statementBound)
            try await session.run("START SLAVE", within: Self.statementBound)
        }
    }

    /// Until somebody's `STOP SLAVE SQL_THREAD` is under way, or over.
    private func awaitStop(_ session: AdminSession) async throws {
        let deadline = ContinuousClock.now + Self.statementBound
        while ContinuousClock.now < deadline {
            let isOver = try await session.replicaStatus(within: Self.statementBound)?.isApplying == false
            let threads = try await session.run("SHOW PROCESSLIST", within: Self.statementBound).records
            if isOver || threads.contains(where: { $0["Info"] == "STOP SLAVE SQL_THREAD" }) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw EngineError(.transient, "STOP SLAVE SQL_THREAD did not begin")
    }

    // MARK: Scripts

    private func script(_ order: FaultOrder, _ layout: InstanceLayout) throws -> FaultScript {
        var script = FaultScript(strike: [], heal: [], milliseconds: order.milliseconds)
        let agent = getpid()
        switch order.kind {
        case .killDatabase: script.strike = [killing(layout, order)]
        case .freezeDatabase:
            let process = try process(layout)
            script.strike = ["kill -STOP \(process.id)"]
            script.heal = [going(process)]
        case .freezeAgent:
            script.strike = ["kill -STOP \(agent)"]
            script.heal = ["kill -CONT \(agent)"]
        case .cut:
            let loss = try loss(order)
            script.strike = [loss.strike]
            script.heal = [loss.heal]
        case .loseHost:
            let loss = try loss(order)
            script.strike = [loss.strike, "kill -STOP \(agent)", "kill -KILL \(try process(layout).id)"]
            script.heal = [loss.heal, "kill -CONT \(agent)"]
        case .fillDisk:
            let file = FaultScript.quoted(try ownFileSystem(layout) + "/gameday-fill")
            script.strike = ["dd if=/dev/zero of=\(file) bs=1M 2>/dev/null"]
            script.heal = ["rm -f \(file)"]
        case .stallDisk:
            let folder = FaultScript.quoted(try ownFileSystem(layout))
            let freeze = try rootsProgram("fsfreeze", of: "util-linux", "stall a file system")
            script.strike = ["\(freeze) --freeze \(folder)"]
            script.heal = ["\(freeze) --unfreeze \(folder)"]
        case .purgeRelay:
            let files = FaultScript.quoted(layout.data) + "/relay-bin.*"
            script.strike = ["kill -KILL \(try process(layout).id)", "rm -f \(files) \(FaultScript.quoted(layout.data))/relay-log.info"]
        case .plainRestart: try restartPlainly(order, layout, &script)
        case .measure, .semiSyncOff, .stopApplier, .holdApplier, .repointUndrained, .openForWriting: break
        }
        return script
    }

    /// `times` kills of whatever process the agent started last; a kill that found none does not count.
    private func killing(_ layout: InstanceLayout, _ order: FaultOrder) -> String {
        let record = FaultScript.quoted(layout.processRecord)
        let tries = Int(order.milliseconds / 100) + 10
        return """
            killed=0 tries=0
            while [ $killed -lt \(max(1, order.times)) ] && [ $tries -lt \(tries) ]; do
                tries=$((tries + 1))
                if kill -KILL "$(cut -d' ' -f1 \(record))" 2>/dev/null; then
                    killed=$((killed + 1))
                    [ $killed -eq \(max(1, order.times)) ] || sleep \(FaultScript.seconds(order.everyMilliseconds))
                else
                    sleep 0.1
                fi
            done
            """
    }

    /// Nobody else gets the signal, should the number be another's by then.
    private func going(_ process: ProcessIdentity) -> String {
        "[ \"$(cut -d' ' -f22 /proc/\(process.id)/stat 2>/dev/null)\" = \(process.started) ] && kill -CONT \(process.id)"
    }

    /// Killed, and started again by hand while its agent looks away and its replicas are cut off, as one does who wants
    /// it back quickly: open, and semi-sync off as it is after any start. Then the host is lost with what it took.
    private func restartPlainly(_ order: FaultOrder, _ layout: InstanceLayout, _ script: inout FaultScript) throws {
        let process = try process(layout)
        let words = (try Files.text("/proc/\(process.id)/cmdline") ?? "").split(separator: "\0").map(String.init)
        let unwanted = ["--read-only=1"]
        let command = words.filter { !unwanted.contains($0) } + ["--read-only=0"]
        let agent = getpid()
        var cut = try loss(order)
        let early = cut.strike
        cut.table += "all"
        cut.peers = []
        let start = command.map(FaultScript.quoted).joined(separator: " ")
        script.strike = [
            early, "kill -STOP \(agent)", "kill -KILL \(process.id)", "sleep 0.3",
            "\(start) >>\(FaultScript.quoted(layout.errorLog)) 2>&1 &", "plain=$!",
            "sleep \(FaultScript.seconds(order.everyMilliseconds))", cut.strike, "kill -KILL $plain",
        ]
        script.heal = [try loss(order).heal, cut.heal, "kill -CONT \(agent)"]
    }

    private func process(_ layout: InstanceLayout) throws -> ProcessIdentity {
        let found = ProcessIdentity.all { words in
            guard let program = words.first, ["mariadbd", "mysqld"].contains(Files.name(String(program))) else { return false }
            return words.contains { $0 == "--defaults-file=" + layout.started }
        }
        guard let process = found.first else { throw EngineError(.refused, "\(layout.id) does not run") }
        return process
    }

    // MARK: What a host has to have

    private func requirePacketFilter() async throws {
        let nft = try rootsProgram("nft", of: "nftables", "drop packets")
        let tried = try await Tool.run(nft, ["list", "tables"], within: Self.statementBound)
        guard tried.status == 0 else {
            throw EngineError(.refused, "packets cannot be dropped here: nft says \(tried.errors.trimmedSpaces)")
        }
    }

    /// Where a program is with which only root can do something.
    private func rootsProgram(_ name: String, of package: String, _ purpose: String) throws -> String {
        guard geteuid() == 0 else {
            throw EngineError(.refused, "only root can \(purpose): run the agent as root")
        }
        guard let program = Spawn.found(name) else {
            throw EngineError(.refused, "there is no \(name) to \(purpose) with: apt-get install \(package)")
        }
        return program
    }

    private func loss(_ order: FaultOrder) throws -> PacketLoss {
        guard !order.address.hasPrefix("127."), order.address != "::1" else {
            throw EngineError(
                .refused,
                "\(order.address) is a loopback address, which all hosts of this machine share: give each a network of its own, as examples/game-day does")
        }
        let wanted = order.peers.flatMap { $0 == "servers" ? servers : [$0] }
        let peers = wanted.compactMap { NetworkPeer($0) }
        guard peers.count == wanted.count else {
            throw EngineError(.refused, "packets are dropped by IP address, and one of \(wanted.joined(separator: ", ")) is none")
        }
        let table = "evenkeel_" + order.id.filter { $0.isLetter || $0.isNumber }
        return PacketLoss(table: table, peers: peers, direction: order.direction, percent: min(max(order.percent, 1), 100))
    }

    /// Bytes of the largest file system that is filled.
    private static let fillMax: UInt64 = 4 << 30

    /// The instance's data directory, where it is a small file system of its own.
    private func ownFileSystem(_ layout: InstanceLayout) throws -> String {
        var here = stat(), root = stat(), system = statvfs()
        guard stat(layout.data, &here) == 0, stat("/", &root) == 0, statvfs(layout.data, &system) == 0 else {
            throw EngineError.system("look at", layout.data)
        }
        guard here.st_dev != root.st_dev else {
            throw EngineError(
                .refused, "\(layout.data) is on the host's root file system, which nobody should fill: give the agent's --data a small one of its own")
        }
        guard UInt64(system.f_blocks) * UInt64(system.f_frsize) <= Self.fillMax else {
            throw EngineError(
                .refused, "the file system of \(layout.data) is larger than \(Self.fillMax >> 30) GiB: give the agent's --data a small one of its own")
        }
        return layout.data
    }

    private func launch(_ order: FaultOrder, _ script: FaultScript) throws {
        try Files.makeDirectory(scripts)
        let path = scripts + "/" + order.id.filter { $0.isLetter || $0.isNumber || $0 == "-" }
        var script = script
        // What went wrong stays.
        script.heal.append("rm -f \(FaultScript.quoted(path)).sh; [ -s \(FaultScript.quoted(path)).log ] || rm -f \(FaultScript.quoted(path)).log")
        try Files.write(path + ".sh", script.text)
        let log = Glibc.open(path + ".log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard log >= 0 else { throw EngineError.system("open", path + ".log") }
        defer { close(log) }
        let child = try Spawn(executable: "/bin/sh", arguments: [path + ".sh"], output: log, error: log).start()
        if let process = ProcessIdentity.living(child) { exits.watch(process) {} }
    }
}

extension FaultOrder {
    fileprivate var dropsPackets: Bool { [.cut, .loseHost, .plainRestart].contains(kind) }
}

extension Spawn {
    /// A program in the directories that what we start is given.
    static func found(_ name: String) -> String? {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
    }
}

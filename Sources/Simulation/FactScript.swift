import FleetModel

/// What MariaDB and Galera do that the promises stand on, as short scripts, played on the model's databases. The same lists
/// are played on mariadbd (`facts.txt` and `galera-facts.txt` in Tests/EndToEnd), and both have to give the answers that
/// stand there.
package struct FactScript: Sendable {
    package var name: String
    /// Of members of a galera cluster.
    package var isGalera: Bool
    /// Why the model does not have it; nil: it has.
    package var unmodelled: String?
    private var steps: [(line: Int, words: [String], answer: String?)] = []

    /// `fact NAME`, then a line for each step: `verb instance …`, or `question instance = answer`.
    package static func list(_ text: String, isGalera: Bool = false) -> [FactScript] {
        var scripts: [FactScript] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            if line.hasPrefix("fact ") {
                scripts.append(FactScript(name: String(line.dropFirst(5)), isGalera: isGalera))
            } else if var script = scripts.popLast() {
                script.add(String(line), index + 1)
                scripts.append(script)
            }
        }
        return scripts
    }

    private init(name: String, isGalera: Bool) {
        self.name = name
        self.isGalera = isGalera
    }

    private mutating func add(_ line: String, _ number: Int) {
        if line.hasPrefix("unmodelled ") { return unmodelled = String(line.dropFirst(11)) }
        let words = line.split(separator: " ").map(String.init)
        guard let mark = words.firstIndex(of: "=") else { return steps.append((number, words, nil)) }
        steps.append((number, Array(words[..<mark]), words[(mark + 1)...].joined(separator: " ")))
    }

    /// What was answered otherwise; nil: nothing.
    package func problem() -> String? {
        let trio: any FactModel = isGalera ? ModelTrioOfMembers() : ModelTrio()
        for step in steps {
            guard let expected = step.answer else {
                if !trio.perform(step.words) { return "line \(step.line): the model knows no \(step.words.joined(separator: " "))" }
                continue
            }
            guard let said = trio.settled(step.words, expected) else { return "line \(step.line): the model knows no \(step.words[0])" }
            if said != expected { return "line \(step.line): \(step.words.joined(separator: " ")) = \(said), expected \(expected)" }
        }
        return nil
    }
}

/// On what a script is played.
protocol FactModel {
    /// False: there is no such verb.
    func perform(_ words: [String]) -> Bool
    /// The answer that it comes to and that stays; nil: there is no such question.
    func settled(_ words: [String], _ expected: String) -> String?
}

/// Three instances of the model, closed and empty, and nothing that acts by itself but replication.
private final class ModelTrio: FactModel {
    private let world = World(seed: 1, script: .brief)
    private var instances: [String: (host: ModelHost, instance: ModelInstance)] = [:]
    private var sent: [Int] = []
    private var refused: [Int] = []

    private static let domain: Int64 = 7
    private static let port = 3306
    private static let forEver: Duration = .seconds(1_000_000)
    private static let answerMax: Duration = .seconds(10)
    private static let holds: Duration = .seconds(1)

    init() {
        world.oracle.isPatient = true
        for (index, name) in ["a", "b", "c"].enumerated() {
            let (host, made) = (world.hosts[index], ModelInstance(id: ModelTrio.id(index + 1)))
            (made.serverID, made.gtidDomain, made.address, made.port) = (Int64(index + 1), ModelTrio.domain, host.address, ModelTrio.port)
            (made.directory, made.configuration) = (.ready, "")
            made.content.replicationAccounts = Set((1...3).map(ModelTrio.id))
            made.start()
            host.instances[made.id] = made
            instances[name] = (host, made)
        }
        world.replicate()
    }

    private static func id(_ ordinal: Int) -> InstanceID { InstanceID(clusterUID: "facts", ordinal: ordinal) }

    func settled(_ words: [String], _ expected: String) -> String? {
        _ = world.run(for: ModelTrio.answerMax) { self.answer(words) == expected }
        _ = world.run(for: ModelTrio.holds)
        return answer(words)
    }

    // MARK: What is done

    func perform(_ words: [String]) -> Bool {
        guard words.count > 1, let (host, one) = instances[words[1]] else { return false }
        let rest = words.count > 2 ? words[2] : ""
        let other = instances[rest]?.instance
        switch words[0] {
        case "kill": world.endProcess(one, on: host)
        case "stop": world.stopInOrder(one, on: host)
        case "start": one.start()
        case "start-cutting": one.start(cutting: true)
        case "keep": break
        case "rescue": one.applyRelayFiles()
        case "replay":
            for transaction in one.binlog.dropFirst(other?.binlog.count ?? 0) { other?.append(received: transaction) }
        case "freeze": one.process?.hungUntil = world.now + ModelTrio.forEver
        case "thaw": one.process?.hungUntil = world.now
        case "disconnect": other?.process?.isConnected = false
        case "refuse": if let other { one.lockedAccounts.insert(other.id) }
        case "admit": if let other { one.lockedAccounts.remove(other.id) }
        case "point":
            one.purgeRelayLogs()
            one.source = other.map { ($0.address, $0.port) }
        default: return change(one, words[0], rest)
        }
        return true
    }

    private func change(_ one: ModelInstance, _ verb: String, _ rest: String) -> Bool {
        switch verb {
        case "open": one.process?.readOnly = false
        case "close": one.close()
        case "write", "write-bounded": send(.write(Int(rest) ?? 0), Int(rest) ?? 0, to: one)
        case "write-privileged": world.write(.write(Int(rest) ?? 0), on: one)
        case "create": send(.database(DatabaseSpec(name: rest)), Int(rest) ?? 0, to: one)
        case "kill-clients": one.process?.unacknowledged = []
        case "kill-queries": world.answerWaiting(on: one)
        case "semi-sync":
            one.process?.semiSyncPrimary = rest == "on"
            if rest == "off" { world.answerWaiting(on: one) }
        case "acks": one.process?.semiSyncReplica = rest == "on"
        case "number": one.process?.goesBy = Int64(rest)
        case "start-io", "start-both":
            one.startReceiving()
            one.process?.heard = world.now
            if verb == "start-both" { one.startApplying() }
        case "stop-io": one.stopReceiving()
        case "start-applier": one.startApplying()
        case "stop-applier": one.process?.sqlRunning = false
        default: return false
        }
        return true
    }

    private func send(_ content: Transaction.Content, _ row: Int, to one: ModelInstance) {
        guard one.isWritable else { return refused.append(row) }
        sent.append(row)
        world.write(content, on: one)
    }

    // MARK: What is asked

    private func answer(_ words: [String]) -> String? {
        let text: String? =
            switch words[0] {
            case "acknowledged": list(world.oracle.told)
            case "refused": list(refused)
            case "reached": instances[words.last ?? ""].flatMap { reached(words[1], $0.instance) }
            default: instances[words.last ?? ""].flatMap { answer(words[0], $0.instance, $0.host) }
            }
        return text.map { $0.isEmpty ? "none" : $0 }
    }

    private func answer(_ question: String, _ one: ModelInstance, _ host: ModelHost) -> String? {
        switch question {
        case "waits": list((one.process?.unacknowledged ?? []).compactMap { number(one.binlog[$0].content) })
        case "rows": list(seen(one).compactMap { if case .write(let row) = $0.content { row } else { nil } })
        case "databases": list(seen(one).compactMap { if case .database(let spec) = $0.content { Int(spec.name) } else { nil } })
        case "received": one.ioPosition.description
        case "relay": one.relay.last?.position.description ?? ""
        case "applied", "binlog": one.position.description
        case "runs": one.process == nil ? "no" : "yes"
        case "writable": one.isWritable ? "yes" : "no"
        case "threads": threads(one)
        case "error": error(one, host)
        case "clients": String(clients(of: one, on: host))
        default: nil
        }
    }

    /// As the server answers who waits for a position.
    private func reached(_ position: String, _ one: ModelInstance) -> String? {
        GTIDSet(position).map { one.position.contains($0) ? "0" : "-1" }
    }

    /// What waits is in no table yet.
    private func seen(_ one: ModelInstance) -> [Transaction] {
        one.binlog.enumerated().filter { one.process?.unacknowledged.contains($0.offset) != true }.map(\.element)
    }

    private func number(_ content: Transaction.Content) -> Int? {
        switch content {
        case .write(let row): row
        case .database(let spec): Int(spec.name)
        default: nil
        }
    }

    private func threads(_ one: ModelInstance) -> String {
        let io = one.process?.ioRunning == true && one.process?.isConnected == true
        return [io ? "io" : nil, one.process?.sqlRunning == true ? "applier" : nil].compactMap(\.self).joined(separator: " ")
    }

    private func error(_ one: ModelInstance, _ host: ModelHost) -> String {
        if one.process?.ioError.isEmpty == false { return "1236" }
        guard one.process?.ioRunning == true, let source = one.source, case .open(let other) = world.link(from: host, to: source) else { return "" }
        return other.admits(one) ? "" : "4151"
    }

    /// As the primary counts them: those too that it does not hear any more.
    private func clients(of one: ModelInstance, on host: ModelHost) -> Int {
        world.connectedReplicas(of: one, on: host).count { ordinal in
            instances.values.contains { $0.instance.id.ordinal == ordinal && $0.instance.process?.isAcking == true }
        }
    }

    private func list(_ rows: some Sequence<Int>) -> String { rows.sorted().map(String.init).joined(separator: " ") }
}

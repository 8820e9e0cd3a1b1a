import FleetModel
import Glibc
import MySQLClient

// Starting a galera instance: always at the position that its data have.
//
// A start without one is the worst of all: it may found a new history over the data that are there, or form a component that
// knows none. A full state transfer would empty the directory without a question; the method that we give refuses it.

/// What a galera instance is started to do.
enum GaleraStart: Sendable, Hashable {
    /// Joins the component that is there, or waits for those of its last view. `of`: the cluster's history, where known.
    case joining(of: String?)
    /// Makes the cluster's history, on an instance that was installed.
    case founding
    /// Is the first of the next component, if its position is just this one.
    case recovering(stateUUID: String, position: Int64)
}

/// What a launch is given beside what every server is.
struct GaleraLaunch: Sendable {
    var arguments: [String] = []
    var environment: [String]
}

extension InstanceWorker {
    /// A start that a full transfer was demanded of is tried once more: rarely the first answer is wrong.
    private static let joinTriesMax = 2
    private static let componentInterval: Duration = .milliseconds(20)

    // MARK: Tasks

    /// On the founder, installed and never started: makes the cluster's one history.
    func foundComponent(secrets: [String: String]) async throws -> TaskResult {
        try requireGalera()
        try keepGroupCertificate(secrets)
        if process.living(thorough: true) != nil {
            guard Files.exists(layout.foundingMark) else { throw EngineError(.refused, "\(layout.id) runs already: it is no founder") }
            return try await inComponent(acted: false)
        }
        return try await inComponent(acted: try await startClosed(insists: true, galera: .founding))
    }

    /// Starts it as a member of the component that is there.
    func joinComponent(of stateUUID: String, secrets: [String: String]) async throws -> TaskResult {
        try requireGalera()
        try keepGroupCertificate(secrets)
        let acted = try await startClosed(insists: true, galera: .joining(of: stateUUID))
        let result = try await inComponent(acted: acted)
        guard result.recovered?.stateUUID == stateUUID else {
            throw EngineError(.permanent, "\(layout.id) is in a component with the history \(result.recovered?.stateUUID ?? "of nobody"), and the cluster's is \(stateUUID)")
        }
        return result
    }

    /// Starts it as the first of the next component.
    func recoverComponent(of stateUUID: String, at position: Int64, secrets: [String: String]) async throws -> TaskResult {
        try requireGalera()
        try keepGroupCertificate(secrets)
        return try await inComponent(acted: try await startClosed(galera: .recovering(stateUUID: stateUUID, position: position)))
    }

    /// Whether it is a member of a galera cluster, by what it was ordered to be.
    var isMember: Bool { layout.isGalera }

    func requireGalera() throws(EngineError) {
        try requireReady()
        try GaleraProvider.require()
        guard layout.isGalera else { throw EngineError(.refused, "the configuration of \(layout.id) is none of a galera cluster's") }
    }

    /// What it is in now, once it is.
    private func inComponent(acted: Bool) async throws -> TaskResult {
        let galera = try await waitUntilInComponent(from: Files.size(layout.errorLog))
        let here = RecoveredPosition(stateUUID: galera.stateUUID, sequence: galera.lastCommitted)
        return TaskResult(acted: acted, readBack: try await readBack(), engineVersion: try identity().engineVersion, recovered: here)
    }

    // MARK: The start

    /// Starts the server by `setting` and waits until it is in the component; what a joiner lacks and nobody has any more ends
    /// in `refused`, its data as they were.
    func startMember(
        _ start: GaleraStart, by setting: StartSetting, _ binaries: MariaDBBinaries, as user: HostUser?, _ arguments: [String], _ bars: Int
    ) async throws {
        for attempt in 1...Self.joinTriesMax {
            let logged = Files.size(layout.errorLog)
            let launch = try await prepare(start, by: setting, user)
            try GaleraFiles(layout).forgetRecovered()
            try Files.write(layout.startedLog, "\(logged)\n")
            try await self.launch(binaries, as: user, arguments + launch.arguments, bars, environment: launch.environment)
            do {
                try await waitUntilReady(from: logged)
                _ = try await waitUntilInComponent(from: logged)
                return
            } catch let error as EngineError {
                guard process.living() == nil else { throw error }
                let log = errorLog(since: logged)
                if log.demandedWholeState, attempt < Self.joinTriesMax { continue }
                guard let refusal = log.joinRefusal(of: layout.id) else { throw error }
                // For the server, which has it cloned.
                _ = try await readPosition()
                throw refusal
            }
        }
    }

    /// Reads the position and writes it where Galera takes it from.
    private func prepare(_ start: GaleraStart, by setting: StartSetting, _ user: HostUser?) async throws -> GaleraLaunch {
        try GaleraProvider.require()
        let files = GaleraFiles(layout)
        if case .founding = start, try await position(by: setting) == nil {
            try requireGroupCertificate(setting.configuration)
            // From here on the history that its data come to belong to is its own.
            try Files.write(layout.foundingMark, "its component has not been opened yet\n")
            try files.write(GaleraFiles.SavedState(stateUUID: GaleraFiles.noHistory, sequence: -1, isSafeToBootstrap: true), for: user)
            return try launch(at: nil, isFirst: true)
        }
        let found = try await recoveredPosition(by: setting)
        guard !found.wasInconsistent else {
            throw EngineError(.refused, "\(layout.id) was voted out of its component: its rows differ, and it is moved aside and cloned")
        }
        try requireGroupCertificate(setting.configuration)
        var isFirst = false
        switch start {
        case .joining(let stateUUID):
            guard stateUUID ?? found.stateUUID == found.stateUUID else {
                throw EngineError(.refused, "the data of \(layout.id) belong to the history \(found.stateUUID), and the cluster's is \(stateUUID ?? ""): it is moved aside and cloned")
            }
            // Whoever had left before this view may have applied more than those who stayed, who would be a component without it.
            if let view = found.view, view.members.count < ConfigurationFile(setting.configuration).groupSize { try files.forgetView() }
        case .founding:
            guard Files.exists(layout.foundingMark) else {
                throw EngineError(.refused, "the data of \(layout.id) belong to the history \(found.stateUUID) already: it joins, or is recovered, and founds nothing")
            }
            isFirst = true
        case .recovering(let stateUUID, let position):
            guard found.stateUUID == stateUUID, found.sequence == position else {
                throw EngineError(.refused, "\(layout.id) is at \(found.stateUUID):\(found.sequence), and was to be at \(stateUUID):\(position): all are read again")
            }
            isFirst = true
        }
        try files.write(
            GaleraFiles.SavedState(stateUUID: found.stateUUID, sequence: found.sequence, isSafeToBootstrap: isFirst), for: user)
        return try launch(at: "\(found.stateUUID):\(found.sequence)", isFirst: isFirst)
    }

    private func launch(at position: String?, isFirst: Bool) throws -> GaleraLaunch {
        try Files.makeDirectory(layout.programs)
        try Files.write(layout.programs + "/wsrep_sst_evenkeel", Self.transferScript, mode: 0o755)
        var variables = Spawn.environmentDefault.filter { !$0.hasPrefix("PATH=") }
        variables.append("PATH=\(layout.programs):/usr/sbin:/usr/bin:/sbin:/bin")
        variables.append("EVENKEEL_POSITION=\(position ?? GaleraFiles.noHistory + ":-1")")
        variables.append("EVENKEEL_DOMAIN=\(try identity().gtidDomain)")
        return GaleraLaunch(arguments: isFirst ? ["--wsrep-new-cluster"] : [], environment: variables)
    }

    /// The server calls it by name at both ends of a state transfer, also of an incremental one (`--bypass`), which it lets
    /// pass: the joiner says from where, the donor that there is nothing to send.
    private static let transferScript = """
        #!/bin/sh
        # Written by Evenkeel. A member that joins gets what it missed, or ends: its data are never replaced.
        role= address= bypass= gtid=
        while [ $# -gt 0 ]; do
          case "$1" in
            --role) role=$2; shift ;;
            --address) address=$2; shift ;;
            --gtid) gtid=$2; shift ;;
            --bypass) bypass=1 ;;
          esac
          shift
        done
        case "$role" in
          joiner) echo "ready $address/evenkeel"; echo "$EVENKEEL_POSITION $EVENKEEL_DOMAIN" ;;
          donor) [ -n "$bypass" ] || { echo "a full state transfer was demanded, and none is made" >&2; exit 22; }
            echo "done $gtid $EVENKEEL_DOMAIN" ;;
        esac

        """

    // MARK: Waiting

    /// Waits while it receives and applies; throws where it ends, was voted out, or neither advances nor writes to its log.
    func waitUntilInComponent(from logged: Int64) async throws -> GaleraReport {
        let began = ContinuousClock.now
        var (seen, advanced) = ("", began)
        while true {
            guard process.living() != nil else { throw startFailure(from: logged) }
            let galera = try await componentIfAnswering()
            if let galera, galera.isInComponent(of: galera.stateUUID) { return galera }
            if galera?.state == .inconsistent {
                try GaleraFiles(layout).markInconsistent("voted out when it was started")
                throw EngineError(.refused, "\(layout.id) was voted out of its component: its rows differ, and it is moved aside and cloned")
            }
            let now = ContinuousClock.now
            let progress = "\(galera?.lastCommitted ?? -1) \(Files.size(layout.errorLog))"
            if progress != seen { (seen, advanced) = (progress, now) }
            guard now - advanced < Self.startQuietMax, now - began < Self.startMax else {
                throw EngineError(.transient, "\(layout.id) runs and is not in the component yet (\(galera?.state.rawValue ?? "no answer")); its log is \(layout.errorLog)")
            }
            try await Task.sleep(for: Self.componentInterval)
        }
    }

    /// Nil where it does not answer: a server that changes its component closes connections.
    private func componentIfAnswering() async throws -> GaleraReport? {
        do {
            return try await withSession { try await $0.galera(within: AdminSession.quick) }
        } catch let error as MySQLError where error.kind != .server {
            return nil
        }
    }
}

extension ErrorLog {
    /// Why a joiner ended that only a copy brings back; nil where it was something else.
    func joinRefusal(of id: InstanceID) -> EngineError? {
        if demandedWholeState {
            return EngineError(.refused, "HistoryTooShort: no member has all that \(id) missed any more: it is moved aside and cloned")
        }
        guard text.contains("Reversing history") else { return nil }
        return EngineError(.refused, "JoinRefused: \(id) is further than the component that is there: what only it holds was given up, and it is moved aside and cloned")
    }
}

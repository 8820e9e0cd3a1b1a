import FleetModel
import Manifests
package import Planning
import SourceControl

// Plans on request: what reconciliation would do, from what is in force, another revision, or files that are not
// committed. Nothing is changed.

extension Reconciler {
    package func plan(_ request: PlanRequest) async throws(ReconcilerError) -> PlanAnswer {
        try checkLeader()
        let assembly = try await assembly(request)
        let now = clock.now()
        var snapshot = machine.snapshot(at: now)
        await addSecrets(of: assembly, to: &snapshot)
        var answer = PlanAnswer(
            request: FleetPlanRequest(fleet: assembly.fleet, snapshot: snapshot, now: now, units: request.units))
        answer.problems = assembly.diagnostics
        answer.revisionHeld = assembly.revisionHeld ?? []
        answer.silentHosts = machine.silentHosts(at: now)
        answer.approvalNeeded = machine.removal(by: assembly.fleet)
        return answer
    }

    /// Observed state, records and policy, as `GET /api/v1/snapshot` gives them.
    package func snapshot() -> Snapshot { machine.snapshot(at: clock.now()) }

    /// The files of a source (nil: the only one) as they are in force.
    package func tree(source: String?) async throws(ReconcilerError) -> SourceTree {
        try checkLeader()
        let watcher = try watcher(source)
        let folder = folder(of: watcher)
        let accepted = await watcher.accepted
        var files: [String: String] = [:]
        for (path, id) in accepted?.files ?? [:] { files[String(path.dropFirst(folder.count))] = id }
        return SourceTree(
            source: watcher.name, folder: String(folder.dropLast()), commit: accepted?.commit.id, files: files)
    }

    /// What stands before a path within the source's folder; empty, or with a slash at its end.
    private func folder(of watcher: SourceWatcher) -> String {
        let text = configuration.sources.first { $0.name == watcher.name }?.folder ?? ""
        return text.split(separator: "/").filter { $0 != "." }.map { $0 + "/" }.joined()
    }

    // MARK: Manifests

    private func assembly(_ request: PlanRequest) async throws(ReconcilerError) -> Assembly {
        if case .current = request.base { return try current() }
        let watcher = try watcher(request.source)
        let holds = configuration.sources.first { $0.name == watcher.name }?.onInvalid == .holdRevision
        var manifests = ManifestSet()
        do throws(SourceError) {
            switch request.base {
            case .current: break
            case .revision(let text): manifests = try await watcher.read(text).manifests
            case .tree(let files): manifests = await watcher.applied(whole: self.files(files, in: watcher))
            case .differences(let commit, let files):
                let base = try await watcher.read(commit)
                manifests = base.manifests
                let removed = files.filter { $0.contents == nil }.map { folder(of: watcher) + $0.path }
                let changed = self.files(files.filter { $0.contents != nil }, in: watcher)
                _ = manifests.apply(changed: changed, removed: removed, revision: .worktree)
            }
        } catch {
            if case .differences = request.base { throw ReconcilerError(.stale, error.description) }
            throw ReconcilerError(.notFound, error.description)
        }
        return manifests.assemble(holdingRevisionOnError: holds)
    }

    private func files(_ files: [PlanRequest.File], in watcher: SourceWatcher) -> [ManifestFile] {
        let folder = folder(of: watcher)
        return files.map { ManifestFile(path: folder + $0.path, bytes: $0.contents ?? []) }
    }

    private func current() throws(ReconcilerError) -> Assembly {
        guard let desired = machine.desired else {
            throw ReconcilerError(.unavailable, "No revision is in force yet; `evenkeel get sources` says why.")
        }
        return Assembly(fleet: desired, diagnostics: machine.sources.values.flatMap(\.status.problems).sorted())
    }

    private func watcher(_ name: String?) throws(ReconcilerError) -> SourceWatcher {
        if let name {
            guard let watcher = watchers.first(where: { $0.name == name }) else {
                throw ReconcilerError(.notFound, "There is no source \(name).")
            }
            return watcher
        }
        guard let watcher = watchers.first else {
            throw ReconcilerError(.unavailable, "The server watches no source now.")
        }
        return watcher
    }

    // MARK: Secrets

    /// Accounts whose secrets the loop has not asked for yet: those of new and changed manifests. An empty fingerprint
    /// says that the secret cannot be read.
    private func addSecrets(of assembly: Assembly, to snapshot: inout Snapshot) async {
        let present = machine.desired?.clusters ?? [:]
        for (name, declared) in assembly.fleet.clusters where !declared.value.accounts.isEmpty {
            guard let uid = snapshot.records.clusters[name]?.uid else { continue }
            if present[name]?.value.accounts == declared.value.accounts, snapshot.secrets[name] != nil { continue }
            let (fingerprints, _) = await fingerprints(of: declared.value.accounts, uid)
            for account in declared.value.accounts {
                snapshot.secrets[name, default: [:]][account.key] = fingerprints[account.key] ?? ""
            }
        }
    }
}

extension Revision {
    /// What is not committed.
    static let worktree = Revision(commit: "worktree")
}

extension SourceWatcher {
    /// A revision that is in force, or any that the mirror has.
    func read(_ text: String) async throws(SourceError) -> ReadRevision {
        if let accepted, accepted.commit.id == text { return accepted }
        guard let tip = latestCommit else { throw SourceError.commitMissing(text) }
        let commit = try await reader.commit(named: text, branch: branch, tip: tip)
        return try await reader.read(commit, base: accepted)
    }

    /// The manifests in force with a whole tree in their place.
    func applied(whole files: [ManifestFile]) -> ManifestSet {
        var manifests = accepted?.manifests ?? ManifestSet()
        let paths = Set(files.map(\.path))
        let removed = (accepted?.files.keys.filter { !paths.contains($0) } ?? []).sorted()
        _ = manifests.apply(changed: files, removed: removed, revision: .worktree)
        return manifests
    }
}

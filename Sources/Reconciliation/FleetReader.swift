package import FleetModel
package import Manifests
package import SourceControl

/// A revision as it was read: its manifests, and which blob each path holds, so that the next costs only what differs.
package struct ReadRevision: Sendable {
    package var commit: CommitInfo
    package var files: [String: String]
    package var manifests: ManifestSet
    /// What was read for it, relative to the base.
    var difference = ManifestDifference()

    package var revision: Revision { Revision(commit) }
}

/// Files that differ between two revisions, read.
struct ManifestDifference: Sendable {
    var changed: [ManifestFile] = []
    var removed: [String] = []
}

extension Revision {
    init(_ commit: CommitInfo) {
        self.init(
            commit: commit.id, subject: commit.subject, author: commit.author,
            time: Instant(milliseconds: commit.seconds * 1000))
    }
}

/// Reads revisions out of a repository.
package struct FleetReader: Sendable {
    let repository: any FleetRepository

    package init(_ repository: any FleetRepository) { self.repository = repository }

    /// A commit's manifests; with a base only what differs from it is read and parsed. Throws `cancelled` as soon as it is
    /// not wanted any more.
    ///
    /// `spare`: manifests equal to the base's that nobody else has, to be changed in place.
    package func read(
        _ commit: CommitInfo, base: ReadRevision?, spare: consuming ManifestSet? = nil,
        isWanted: @Sendable () -> Bool = { true }
    ) async throws(SourceError) -> ReadRevision {
        let entries = try await repository.entries(of: commit.id).filter { ManifestFile.isManifest(path: $0.path) }
        var files: [String: String] = [:]
        var changed: [ManifestFile] = []
        for entry in entries {
            guard isRead(entry) else { continue }
            files[entry.path] = entry.id
            if base?.files[entry.path] != entry.id { changed.append(try await file(entry)) }
        }
        let removed = (base?.files.keys.filter { files[$0] == nil } ?? []).sorted()
        var manifests = spare ?? base?.manifests ?? ManifestSet()
        spare = nil
        var coming = Set(changed.map(\.path))
        var rest = changed[...]
        repeat {
            guard isWanted() else { throw SourceError.cancelled }
            let part = Array(rest.prefix(FleetReader.filesAtOnce))
            rest = rest.dropFirst(part.count)
            coming.subtract(part.map(\.path))
            _ = manifests.apply(
                changed: part, removed: removed, coming: coming, revision: Revision(commit))
            // A large fleet takes seconds, and what else runs here, the lease above all, must not wait for all of it.
            if !rest.isEmpty { await Task.yield() }
        } while !rest.isEmpty
        let difference = ManifestDifference(changed: changed, removed: removed)
        return ReadRevision(commit: commit, files: files, manifests: manifests, difference: difference)
    }

    /// Files that are parsed without a pause.
    private static let filesAtOnce = 8

    /// A link within the repository is passed over: the file that it names is read under its own path.
    private func isRead(_ entry: TreeEntry) -> Bool {
        switch entry.kind {
        case .file: true
        case .symbolicLink(_, let leavesRepository): leavesRepository
        case .submodule: false
        }
    }

    private func file(_ entry: TreeEntry) async throws(SourceError) -> ManifestFile {
        if case .symbolicLink(let target, _) = entry.kind {
            return ManifestFile(
                path: entry.path, unreadable: "a symbolic link leads out of the repository, to \(target)",
                help: "commit the file itself")
        }
        guard entry.size <= ManifestFile.bytesMax else {
            return ManifestFile(
                path: entry.path, unreadable: "the file has \(entry.size) bytes; the limit is \(ManifestFile.bytesMax)",
                help: "split it into several files")
        }
        return ManifestFile(path: entry.path, bytes: try await repository.contents(of: entry, limit: ManifestFile.bytesMax))
    }

    /// The files of held units as they were at their last good revisions; one that is not to be had is left out.
    func lastGood(_ held: [HeldManifest]) async -> [LastGood] {
        var found: [LastGood] = []
        for unit in held {
            guard let entry = try? await repository.entries(of: unit.revision).first(where: { $0.path == unit.file }),
                let file = try? await file(entry)
            else { continue }
            found.append(LastGood(unit: unit.unit, file: file, revision: unit.revision))
        }
        return found
    }

    /// A commit by its full id, or by at least 7 digits of one of the newest, or by the branch's name.
    func commit(named text: String, branch: String, tip: String) async throws(SourceError) -> CommitInfo {
        if text == branch || text == "HEAD" { return try await repository.commit(tip) }
        if text.count == 40 { return try await repository.commit(text) }
        guard text.count >= 7,
            let found = try await repository.history(from: tip, limit: FleetReader.historyMax).first(where: { $0.id.hasPrefix(text) })
        else { throw SourceError.commitMissing(text) }
        return found
    }

    /// How far back an abbreviated revision is looked for.
    static let historyMax = 10_000
}

/// A unit that is held at an earlier revision.
struct HeldManifest: Sendable {
    var unit: UnitID
    var revision: String
    var file: String
}

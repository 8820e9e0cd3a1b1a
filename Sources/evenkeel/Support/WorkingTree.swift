import ControlAPI
import FleetModel
import Manifests
import SourceControl

/// The manifests of a folder as they stand, valid by themselves, for a plan before the commit.
struct WorkingTree: Sendable {
    private let files: [(path: String, bytes: [UInt8])]

    /// Reads and checks the folder: errors are told at once, without a server.
    init(_ path: String) throws {
        let read = try readManifests(path)
        var manifests = ManifestSet()
        _ = manifests.apply(changed: read, revision: Revision(commit: "worktree"))
        let assembly = manifests.assemble()
        guard !assembly.hasErrors else {
            Terminal.standardError.write(assembly.diagnostics.rendered(color: Terminal.standardError.hasColor))
            throw ExitStatus.error
        }
        files = read.compactMap { file in
            guard case .bytes(let bytes) = file.content else { return nil }
            return (file.path, bytes)
        }
    }

    /// All of it, for a server that has no revision in force.
    var whole: [PlanCommand.File] {
        files.map { PlanCommand.File(path: $0.path, text: String(decoding: $0.bytes, as: UTF8.self)) }
    }

    /// What differs from a tree: changed and new files, and those that are not there any more.
    func differences(from tree: TreeDocument) throws -> [PlanCommand.File] {
        var gone = tree.files
        var different: [PlanCommand.File] = []
        for (path, bytes) in files {
            guard gone.removeValue(forKey: path) != (try WorkingDirectory.id(of: bytes)) else { continue }
            different.append(PlanCommand.File(path: path, text: String(decoding: bytes, as: UTF8.self)))
        }
        return different + gone.keys.sorted().map { PlanCommand.File(path: $0, text: nil) }
    }

    /// The folder to read: where a source keeps its manifests in a folder of its repository, a path may name either.
    static func folder(_ path: String, of tree: TreeDocument) -> String {
        let below = path + (path.hasSuffix("/") ? "" : "/") + tree.folder
        return !tree.folder.isEmpty && ManifestDirectory.isFolder(below) ? below : path
    }
}

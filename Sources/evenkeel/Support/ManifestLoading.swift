import FleetModel
import Manifests

/// Reads a folder of manifests with all processors: files side by side, taken into the set in order, so that the set is
/// the same however many read.
enum ManifestLoading {
    /// Files that one reader takes at a time, at most, and how many such portions a folder makes at least where it can.
    private static let portionMax = 16
    private static let portionsWanted = 32
    /// Portions that may be ahead of what was taken into the set.
    private static let ahead = 8

    /// A `CommandError` where the path is not there.
    static func load(_ path: String) async throws -> ManifestSet {
        let entries = try list(path)
        let revision = Revision(commit: "worktree")
        var manifests = ManifestSet()
        // The first file alone: what it teaches of names of fields every reader knows then.
        _ = manifests.apply(changed: entries.prefix(1).map { $0.read() }, revision: revision)
        let reader = manifests.reader(of: revision)
        let rest = entries.dropFirst()
        let size = min(portionMax, rest.count / portionsWanted + 1)
        let count = (rest.count + size - 1) / size
        await withTaskGroup(of: (Int, ReadManifests).self) { group in
            var begun = 0
            var taken = 0
            var ready: [Int: ReadManifests] = [:]
            while taken < count {
                while begun < count, begun < taken + ahead {
                    let number = begun
                    let portion = rest.dropFirst(number * size).prefix(size)
                    group.addTask { (number, reader.read(portion.lazy.map { $0.read() })) }
                    begun += 1
                }
                guard let (number, read) = await group.next() else { break }
                ready[number] = read
                while let next = ready.removeValue(forKey: taken) {
                    _ = manifests.apply(read: [next], revision: revision)
                    taken += 1
                }
            }
        }
        return manifests
    }

    private static func list(_ path: String) throws -> [ManifestDirectory.Entry] {
        do {
            return try ManifestDirectory.list(path)
        } catch {
            throw CommandError(error.description, help: "name a folder of manifests")
        }
    }
}

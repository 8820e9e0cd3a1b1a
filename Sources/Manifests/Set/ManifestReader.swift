import FleetModel

/// Reads files apart from their set: it has no part in what the set knows, so that several readers may work at once.
package struct ManifestReader: Sendable {
    private let decoder: Decoder
    private let revision: Revision

    init(_ decoder: Decoder, _ revision: Revision) {
        self.decoder = decoder
        self.revision = revision
    }

    /// Reads files in order; a pure function. Paths that are no manifest are passed over.
    package func read(_ files: some Sequence<ManifestFile>) -> ReadManifests {
        var decoder = decoder
        decoder.forgetLayouts()
        let known = decoder.paths.count
        var read: [ReadFile] = []
        for file in files where ManifestFile.isManifest(path: file.path) {
            let (state, isWhole) = FileState.read(file, revision: revision.commit, decoder: &decoder)
            read.append(ReadFile(path: file.path, state: state, isWhole: isWhole))
        }
        return ReadManifests(files: read, paths: decoder.paths, pathsKnown: known)
    }
}

/// Files as a reader read them, for `ManifestSet.apply`.
package struct ReadManifests: Sendable {
    let files: [ReadFile]
    /// Names for the numbers of the fields' places, of which the set had the first `pathsKnown` when the reader began.
    let paths: PathTable
    let pathsKnown: Int
}

struct ReadFile: Sendable {
    var path: String
    var state: FileState
    /// Every document was read and its unit could be told.
    var isWhole: Bool
}

extension FileState {
    /// Gives the field paths from `known` on the numbers that they have in the set.
    mutating func renumber(_ known: Int, _ numbers: [UInt32]) {
        for index in documents.indices {
            documents[index].declared = documents[index].declared?.numbered { path in
                Int(path) < known ? path : numbers[Int(path) - known]
            }
        }
    }
}

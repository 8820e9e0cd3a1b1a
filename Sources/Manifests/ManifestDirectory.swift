/// Manifests of a folder on disk, for commands that work without git (`validate`, `plan --path`).
package enum ManifestDirectory {
    /// All manifests below a folder (or the one file), sorted by path, which is relative to the folder. Links that
    /// leave the folder and files that cannot be read come as unreadable ones. Throws where the path itself is not there.
    package static func read(_ path: String) throws(ManifestDirectoryError) -> [ManifestFile] { [] }
}

package struct ManifestDirectoryError: Error, CustomStringConvertible {
    package var description: String
}

import ArgumentParser
import FoundationEssentials
import Manifests

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a new fleet repository, ready to commit.",
        discussion: """
            Writes manifests that validate: a region, a zone, a host and a cluster to change as you like. Files that \
            are there already are never overwritten.

            Example:
              evenkeel init fleet && cd fleet && git init -b main
              git add . && git commit -m 'A fleet'
            """)

    @Argument(help: "The directory; made if it is not there.")
    var directory: String

    func run() throws {
        let files = FleetTemplate.files
        let root = URL(filePath: directory, directoryHint: .isDirectory)
        for (path, _) in files {
            let file = root.appending(path: path).path()
            guard !FileManager.default.fileExists(atPath: file) else {
                throw CommandError("\(file) is there already", help: "name an empty or new directory")
            }
        }
        for (path, text) in files {
            let file = root.appending(path: path)
            do {
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file, options: .withoutOverwriting)
            } catch {
                throw CommandError("\(file.path()) cannot be written: \(error)", help: "choose another directory")
            }
            Terminal.standardOutput.write("\(directory)/\(path)\n")
        }
        Terminal.standardOutput.write(
            """

            Next: change them as you like, then
              evenkeel validate \(directory)
              git -C \(directory) init -b main && git -C \(directory) add . && git -C \(directory) commit -m "A fleet"

            """)
    }
}

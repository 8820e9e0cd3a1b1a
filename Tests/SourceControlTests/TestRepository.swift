import ChildProcess
import Foundation
import SourceControl
import Testing

/// A real git repository in a directory of its own, removed with this object.
final class TestRepository {
    let directory: String
    let path: String

    init(name: String = "fleet", bare: Bool = false) throws {
        directory = try TestRepository.makeDirectory()
        path = directory + "/" + name
        try git(["init", "--quiet", "--initial-branch=main"] + (bare ? ["--bare"] : []) + [path], in: directory)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func makeDirectory() throws -> String {
        let path = NSTemporaryDirectory() + "evenkeel-source-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    var location: RemoteLocation { get throws { try RemoteLocation(path) } }
    var mirrorPath: String { directory + "/mirror" }
    func mirror() -> GitMirror { GitMirror(path: mirrorPath) }

    @discardableResult
    func git(_ arguments: [String], in place: String? = nil) throws -> String {
        let identity = ["AUTHOR", "COMMITTER"].flatMap { [("GIT_\($0)_NAME", "Ada"), ("GIT_\($0)_EMAIL", "ada@example.org")] }
        var environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "HOME": directory]
        environment.merge(identity) { $1 }
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        let ended = try ChildProcess(
            program: "git", arguments: arguments, environment: environment, directory: place ?? path, timeLimit: .seconds(60)
        ).run()
        guard ended.succeeded else { throw Failure(text: "git \(arguments): \(ended.errorText)") }
        return ended.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    struct Failure: Error { var text: String }

    func write(_ file: String, _ text: String) throws {
        let url = URL(fileURLWithPath: path + "/" + file)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// Commits all that is in the directory; returns the commit's id.
    @discardableResult
    func commit(_ subject: String = "Change") throws -> String {
        try git(["add", "--all"])
        try git(["commit", "--quiet", "--allow-empty", "-m", subject])
        return try git(["rev-parse", "HEAD"])
    }
}

import Foundation
@testable import SourceControl
import Testing

@Suite struct LocationTests {
    @Test(arguments: [
        "", "-oProxyCommand=x", "--upload-pack=x", "ext::sh -c x", "fd::3", "relative/path", "ftp://host/x", "a\nb", "/a\0b",
        "foo::bar",
    ])
    func `what git could take for more than a place is refused`(text: String) {
        #expect(throws: SourceError.self) { try RemoteLocation(text) }
    }

    @Test(arguments: [
        "/srv/fleet", "/srv/our fleet:1", "file:///srv/fleet", "https://git.example/fleet.git", "ssh://git@git.example:22/fleet",
        "git@git.example:fleet.git",
    ])
    func `a place is taken as it is written`(text: String) throws {
        #expect(try RemoteLocation(text).argument == text)
    }

    @Test(arguments: ["", "-x", "a..b", "a b", "a:b", "/a", "a/", "a.lock", "@", "a@{1}", "a~1", ".a", "a\\b"])
    func `a branch that git does not allow is refused`(name: String) {
        #expect(throws: SourceError.self) { try BranchName.check(name) }
    }

    @Test(arguments: ["main", "release/1.0", "feature-x"])
    func `a branch that git allows passes`(name: String) throws { try BranchName.check(name) }

    @Test func `a password in a URL reaches git by its environment only`() throws {
        let location = try RemoteLocation("https://bot:s3cr%40t@git.example:8443/fleet.git")
        #expect(location.argument == "https://git.example:8443/fleet.git")
        #expect(location.redacted == location.argument)
        let server = ["PATH": "/bin", "GIT_DIR": "/evil", "GIT_SSH": "ssh"]
        let command = GitCommand(mirror: "/m", location: location, timeLimit: .seconds(1), serverEnvironment: server)
        let environment = command.environment
        #expect(environment["EVENKEEL_GIT_PASSWORD"] == "s3cr@t")
        #expect(environment["GIT_CONFIG_KEY_0"] == "credential.https://git.example:8443.helper")
        #expect(environment["GIT_DIR"] == nil)
        #expect(environment["GIT_SSH"] == "ssh")
        #expect(environment["GIT_TERMINAL_PROMPT"] == "0")
    }

    @Test func `a credential never reaches a message`() throws {
        let location = try RemoteLocation("https://bot:s3cr3t@git.example/fleet.git")
        let text = GitDiagnosis.redacted("fatal: https://bot:s3cr3t@git.example/x and s3cr3t again", location)
        #expect(!text.contains("s3cr3t"))
    }

    @Test(arguments: [
        ("a/b", "../c", false), ("a/b", "../../c", true), ("a", "..", true), ("a/b/c", "./../../x/..", false),
        ("a", "/etc", true), ("a/b", "c/../../../d", true),
    ])
    func `a link leaves the repository by its text`(path: String, target: String, leaves: Bool) {
        #expect(RepositoryPath.leaves(path: path, target: target) == leaves)
    }

    @Test func `a folder outside of the repository is refused`() throws {
        #expect(throws: SourceError.self) { try RepositoryPath.folder("../x") }
        #expect(throws: SourceError.self) { try RepositoryPath.folder("/x") }
        #expect(try RepositoryPath.folder("./a//b/") == "a/b")
    }
}

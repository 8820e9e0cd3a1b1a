import ChildProcess
import Foundation
import SourceControl
import Testing

@Suite struct FetchFaultTests {
    @Test func `an empty repository is named as such`() async throws {
        let repository = try TestRepository()
        await #expect(throws: SourceError.emptyRepository(location: repository.path)) {
            try await repository.mirror().fetch(repository.location, branch: "main", since: nil)
        }
        await #expect(throws: SourceError.emptyRepository(location: repository.path)) {
            try await repository.mirror().fetch(repository.location, branch: nil, since: nil)
        }
    }

    @Test func `a repository that vanished leaves the mirror readable`() async throws {
        let repository = try TestRepository()
        try repository.write("a.yaml", "1")
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        try FileManager.default.removeItem(atPath: repository.path)
        await #expect(throws: SourceError.repositoryMissing(location: repository.path)) {
            try await mirror.fetch(repository.location, branch: "main", since: id)
        }
        #expect(try await mirror.entries(of: id).map(\.path) == ["a.yaml"])
    }

    @Test func `a directory that is no repository is named`() async throws {
        let directory = try TestRepository.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let mirror = GitMirror(path: directory + "/mirror")
        await #expect(throws: SourceError.repositoryMissing(location: directory)) {
            try await mirror.fetch(RemoteLocation(directory), branch: "main", since: nil)
        }
    }

    @Test func `a branch that is gone is named and the old tip kept`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        try repository.git(["branch", "-m", "main", "trunk"])
        await #expect(throws: SourceError.branchMissing(branch: "main", location: repository.path)) {
            try await mirror.fetch(repository.location, branch: "main", since: id)
        }
        #expect(try await mirror.tip()?.id == id)
    }

    @Test func `a force push is refused until it is accepted, and the old revision stays readable`() async throws {
        let repository = try TestRepository()
        try repository.write("a.yaml", "1")
        try repository.commit("One")
        try repository.write("a.yaml", "2")
        let old = try repository.commit("Two")
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        try repository.git(["reset", "--quiet", "--hard", "HEAD~1"])
        try repository.write("a.yaml", "3")
        let new = try repository.commit("Other")
        for _ in 0..<2 {
            await #expect(throws: SourceError.forcePushed(old: old, new: new)) {
                try await mirror.fetch(repository.location, branch: "main", since: old)
            }
        }
        #expect(try await mirror.fetch(repository.location, branch: "main", since: nil).id == new)
        #expect(try await mirror.entries(of: old).count == 1)
        #expect(try await !mirror.isAncestor(old, of: new))
    }

    @Test func `a commit on top of the one in force is taken`() async throws {
        let repository = try TestRepository()
        let old = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        let new = try repository.commit()
        #expect(try await mirror.fetch(repository.location, branch: "main", since: old).id == new)
        #expect(try await mirror.isAncestor(old, of: new))
        #expect(try await mirror.fetch(repository.location, branch: "main", since: new).id == new)
    }

    @Test func `a revision that the mirror never saw counts as rewritten history`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        let lost = String(repeating: "a", count: 40)
        await #expect(throws: SourceError.forcePushed(old: lost, new: id)) {
            try await repository.mirror().fetch(repository.location, branch: "main", since: lost)
        }
    }

    @Test func `what stands in the mirror's place and is not ours is left alone`() async throws {
        let repository = try TestRepository()
        try repository.commit()
        try FileManager.default.createDirectory(atPath: repository.mirrorPath, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: repository.mirrorPath + "/file"))
        await #expect {
            try await repository.mirror().fetch(repository.location, branch: "main", since: nil)
        } throws: { error in
            guard case SourceError.mirrorDamaged = error else { return false }
            return true
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: repository.mirrorPath) == ["file"])
    }

    /// As a host leaves it that lost its power before the files were written.
    @Test(arguments: ["HEAD", "refs/evenkeel/tip", "tree"])
    func `a mirror of ours that cannot be used is made anew`(torn: String) async throws {
        let repository = try TestRepository()
        try repository.write("a.yaml", "a: 1\n")
        let id = try repository.commit()
        _ = try await repository.mirror().fetch(repository.location, branch: "main", since: nil)
        var file = repository.mirrorPath + "/" + torn
        if torn == "tree" {
            let objects = repository.mirrorPath + "/objects"
            let tree = try repository.git(["rev-parse", id + "^{tree}"])
            file = objects + "/" + tree.prefix(2) + "/" + tree.dropFirst(2)
            try FileManager.default.removeItem(atPath: file)
        }
        #expect(FileManager.default.createFile(atPath: file, contents: Data()))
        let mirror = repository.mirror()
        // What is torn within shows to who reads it.
        if torn == "tree" {
            _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
            await #expect(throws: SourceError.self) { try await mirror.entries(of: id) }
        }
        #expect(try await mirror.fetch(repository.location, branch: "main", since: id).id == id)
        #expect(try await mirror.entries(of: id).map(\.path) == ["a.yaml"])
        #expect(FileManager.default.fileExists(atPath: repository.mirrorPath + ".damaged/evenkeel-mirror"))
    }

    @Test func `a lock that a dead git left is removed, one that may be in use is not`() async throws {
        let repository = try TestRepository()
        try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        let lock = repository.mirrorPath + "/refs/evenkeel/tip.lock"
        #expect(FileManager.default.createFile(atPath: lock, contents: nil))
        let next = try repository.commit()
        await #expect(throws: SourceError.self) {
            try await mirror.fetch(repository.location, branch: "main", since: nil)
        }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: lock)
        #expect(try await mirror.fetch(repository.location, branch: "main", since: nil).id == next)
    }

    @Test func `git is ended when its time is over, and what it started with it`() async throws {
        let repository = try TestRepository()
        let script = repository.directory + "/ssh"
        let mark = repository.directory + "/started"
        try Data("#!/bin/sh\necho $$ > '\(mark)'\nexec sleep 300\n".utf8).write(to: URL(fileURLWithPath: script))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: script)
        var environment = ChildProcess.inheritedEnvironment
        environment["GIT_SSH"] = script
        // Long enough for git to come to its script on a busy machine.
        let limit: Duration = .seconds(5)
        let mirror = GitMirror(path: repository.mirrorPath, timeLimit: limit, environment: environment)
        let location = try RemoteLocation("ssh://nobody@127.0.0.1/fleet")
        await #expect(throws: SourceError.timedOut(location: location.redacted, limit: limit)) {
            try await mirror.fetch(location, branch: "main", since: nil)
        }
        let pid = try String(contentsOfFile: mark, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(!pid.isEmpty)
        #expect(try await hasEnded(pid))
    }
}

/// Whether a process that is not our child ends within two seconds; one that nobody has reaped yet has ended.
private func hasEnded(_ pid: String) async throws -> Bool {
    for _ in 0..<200 {
        let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        guard let status, !status.contains(") Z ") else { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}

@Suite struct FetchIsolationTests {
    @Test func `variables that point git elsewhere do not reach it`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        let other = try TestRepository()
        var environment = ChildProcess.inheritedEnvironment
        environment["GIT_DIR"] = other.path + "/.git"
        environment["GIT_OBJECT_DIRECTORY"] = other.path + "/.git/objects"
        environment["GIT_CONFIG_COUNT"] = "1"
        environment["GIT_CONFIG_KEY_0"] = "url.\(other.path).insteadOf"
        environment["GIT_CONFIG_VALUE_0"] = repository.path
        let mirror = GitMirror(path: repository.mirrorPath, environment: environment)
        #expect(try await mirror.fetch(repository.location, branch: "main", since: nil).id == id)
    }

    @Test func `the user's own configuration of git counts, for it says how to reach a remote`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        let configuration = repository.directory + "/gitconfig"
        let text = "[url \"\(repository.path)\"]\n\tinsteadOf = https://git.invalid/fleet\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: configuration))
        var environment = ChildProcess.inheritedEnvironment
        environment["GIT_CONFIG_GLOBAL"] = configuration
        let mirror = GitMirror(path: repository.mirrorPath, environment: environment)
        let location = try RemoteLocation("https://git.invalid/fleet")
        #expect(try await mirror.fetch(location, branch: "main", since: nil).id == id)
    }

    @Test(.enabled(if: getuid() == 0, "only root can give a directory away"))
    func `a local repository of another user is fetched`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        let ended = try ChildProcess(
            program: "chown", arguments: ["-R", "65534:65534", repository.path],
            environment: ChildProcess.inheritedEnvironment, timeLimit: .seconds(10)
        ).run()
        #expect(ended.succeeded)
        let mirror = repository.mirror()
        #expect(try await mirror.fetch(repository.location, branch: "main", since: nil).id == id)
    }

    @Test func `hooks and helpers that the repository brings are not run`() async throws {
        let repository = try TestRepository()
        let mark = repository.directory + "/ran"
        for hook in ["post-checkout", "reference-transaction", "pre-auto-gc"] {
            let file = repository.path + "/.git/hooks/" + hook
            try repository.write(".git/hooks/" + hook, "#!/bin/sh\ntouch '\(mark)'\n")
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: file)
        }
        let id = try repository.git(["commit-tree", "-m", "x", repository.git(["write-tree"])])
        let reference = repository.path + "/.git/refs/heads/main"
        try Data((id + "\n").utf8).write(to: URL(fileURLWithPath: reference))
        #expect(try await repository.mirror().fetch(repository.location, branch: "main", since: nil).id == id)
        #expect(!FileManager.default.fileExists(atPath: mark))
    }
}

import Foundation
import SourceControl
import Testing

@Suite struct MirrorTests {
    @Test func `a commit is fetched and read without a work tree`() async throws {
        let repository = try TestRepository()
        try repository.write("clusters/orders.yaml", "kind: Cluster\n")
        let id = try repository.commit("Add orders")
        let mirror = repository.mirror()
        let tip = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(tip.id == id)
        #expect(tip.author == "Ada")
        #expect(tip.subject == "Add orders")
        #expect(tip.parents.isEmpty)
        #expect(abs(Double(tip.seconds) - Date().timeIntervalSince1970) < 600)
        let entries = try await mirror.entries(of: id)
        #expect(entries.map(\.path) == ["clusters/orders.yaml"])
        let bytes = try await mirror.contents(of: entries[0], limit: 1000)
        #expect(String(decoding: bytes, as: UTF8.self) == "kind: Cluster\n")
        #expect(!FileManager.default.fileExists(atPath: repository.mirrorPath + "/clusters"))
    }

    @Test func `a commit is found by the first digits of its id`() async throws {
        let repository = try TestRepository()
        let old = try repository.commit()
        let new = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(try await mirror.resolve(String(old.prefix(7))).id == old)
        #expect(try await mirror.resolve("HEAD").id == new)
        for text in ["abc", "zzzzzzz", "0000000", old + "0", "main"] {
            await #expect(throws: SourceError.commitMissing(text)) { try await mirror.resolve(text) }
        }
    }

    @Test func `a mirror that was made earlier is read by a new process as it is`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        _ = try await repository.mirror().fetch(repository.location, branch: "main", since: nil)
        #expect(try await repository.mirror().tip()?.id == id)
    }

    @Test func `the remote's default branch is taken where none is named`() async throws {
        let repository = try TestRepository()
        try repository.git(["checkout", "--quiet", "-b", "production"])
        let id = try repository.commit()
        #expect(try await repository.mirror().fetch(repository.location, branch: nil, since: nil).id == id)
    }

    @Test func `a file URL, spaces in paths and a folder work`() async throws {
        let repository = try TestRepository(name: "our fleet")
        try repository.write("a folder/b c.yaml", "one")
        try repository.write("a folder/deep/er/d.yaml", "two")
        try repository.write("other.yaml", "three")
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(RemoteLocation("file://" + repository.path), branch: "main", since: nil)
        let entries = try await mirror.entries(of: id, folder: "./a folder/")
        #expect(entries.map(\.path) == ["a folder/b c.yaml", "a folder/deep/er/d.yaml"])
        #expect(entries.map(\.size) == [3, 3])
        await #expect(throws: SourceError.folderMissing(folder: "nowhere", commit: id)) {
            try await mirror.entries(of: id, folder: "nowhere")
        }
    }

    @Test func `thousands of files are listed in the order of their paths`() async throws {
        let repository = try TestRepository()
        for index in 0..<3000 { try repository.write("f\(index % 7)/\(index).yaml", "n: \(index)\n") }
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        let paths = try await mirror.entries(of: id).map(\.path)
        #expect(paths.count == 3000)
        #expect(paths == paths.sorted())
        #expect(try WorkingDirectory(repository.path).entries().map(\.path) == paths)
    }

    @Test func `a huge file is refused by its size without being read`() async throws {
        let repository = try TestRepository()
        try repository.write("huge.yaml", String(repeating: "x", count: 20_000_000))
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        let entry = try #require(try await mirror.entries(of: id).first)
        await #expect(throws: SourceError.tooLarge(path: "huge.yaml", size: 20_000_000, limit: 1_000_000)) {
            try await mirror.contents(of: entry, limit: 1_000_000)
        }
    }

    @Test func `symbolic links are told apart and never followed`() async throws {
        let repository = try TestRepository()
        try repository.write("clusters/orders.yaml", "a")
        try FileManager.default.createSymbolicLink(
            atPath: repository.path + "/clusters/out.yaml", withDestinationPath: "../../secret")
        try FileManager.default.createSymbolicLink(
            atPath: repository.path + "/clusters/root.yaml", withDestinationPath: "/etc/passwd")
        try FileManager.default.createSymbolicLink(
            atPath: repository.path + "/clusters/same.yaml", withDestinationPath: "../clusters/orders.yaml")
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        let expected: [TreeEntry.Kind] = [
            .file, .symbolicLink(target: "../../secret", leavesRepository: true),
            .symbolicLink(target: "/etc/passwd", leavesRepository: true),
            .symbolicLink(target: "../clusters/orders.yaml", leavesRepository: false),
        ]
        #expect(try await mirror.entries(of: id).map(\.kind) == expected)
        let directory = WorkingDirectory(repository.path)
        #expect(try directory.entries(folder: "clusters").map(\.kind) == expected)
        #expect(throws: SourceError.self) { try directory.contents(of: "clusters/root.yaml", limit: 100_000) }
    }

    @Test func `a submodule is named and not looked into`() async throws {
        let repository = try TestRepository()
        let id = try repository.commit()
        try repository.git(["update-index", "--add", "--cacheinfo", "160000,\(id),vendor"])
        try repository.git(["commit", "--quiet", "-m", "Add vendor"])
        let mirror = repository.mirror()
        let tip = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(try await mirror.entries(of: tip.id) == [TreeEntry(path: "vendor", id: id, size: 0, kind: .submodule)])
    }

    @Test func `what differs between two commits is told by path`() async throws {
        let repository = try TestRepository()
        try repository.write("fleet/a.yaml", "1")
        try repository.write("fleet/b.yaml", "1")
        try repository.write("docs/c.md", "1")
        let old = try repository.commit()
        try repository.write("fleet/a.yaml", "2")
        try repository.git(["mv", "fleet/b.yaml", "fleet/z.yaml"])
        try repository.write("docs/c.md", "2")
        let new = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(
            try await mirror.changes(from: old, to: new, folder: "fleet") == [
                TreeChange(path: "fleet/a.yaml", kind: .changed), TreeChange(path: "fleet/b.yaml", kind: .removed),
                TreeChange(path: "fleet/z.yaml", kind: .added),
            ])
        #expect(try await mirror.changes(from: old, to: new).map(\.path).first == "docs/c.md")
        #expect(try await mirror.changes(from: new, to: new).isEmpty)
        #expect(try await mirror.changes(from: old, to: new, folder: "none").isEmpty)
    }

    @Test func `history holds the commits that changed a path, newest first`() async throws {
        let repository = try TestRepository()
        try repository.write("a.yaml", "1")
        let first = try repository.commit("One")
        try repository.write("b.yaml", "1")
        try repository.commit("Two")
        try repository.write("a.yaml", "2")
        let third = try repository.commit("Three")
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(try await mirror.history(of: "a.yaml", from: third, limit: 10).map(\.id) == [third, first])
        #expect(try await mirror.history(of: "", from: third, limit: 2).map(\.subject) == ["Three", "Two"])
    }

    @Test func `a working directory has what is not committed, under the id that git will give it`() async throws {
        let repository = try TestRepository()
        try repository.write("a.yaml", "hello\n")
        let directory = WorkingDirectory(repository.path + "/")
        #expect(try directory.entries().map(\.path) == ["a.yaml"])
        let bytes = try directory.contents(of: "a.yaml", limit: 100)
        let id = try repository.commit()
        let mirror = repository.mirror()
        _ = try await mirror.fetch(repository.location, branch: "main", since: nil)
        #expect(try await mirror.entries(of: id).map(\.id) == [WorkingDirectory.id(of: bytes)])
        #expect(throws: SourceError.tooLarge(path: "a.yaml", size: 6, limit: 5)) {
            try directory.contents(of: "a.yaml", limit: 5)
        }
    }
}

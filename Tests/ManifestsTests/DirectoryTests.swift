import FleetModel
import Foundation
import Testing

@testable import Manifests

@Suite final class DirectoryTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "manifests-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func write(_ path: String, _ text: String = "# x\n") throws {
        let url = folder.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: url, atomically: true, encoding: .utf8)
    }

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: folder.appending(path: path).path(), withDestinationPath: target)
    }

    @Test func `manifests are found in any folder, sorted, and nothing else is`() throws {
        for path in ["b.yaml", "a/z.yml", "a/b/c.yaml", ".git/x.yaml", "a/.x.yaml", "readme.md", "a.yamlx"] { try write(path) }
        #expect(try ManifestDirectory.read(folder.path()).map(\.path) == ["a/b/c.yaml", "a/z.yml", "b.yaml"])
        #expect(try ManifestDirectory.read(folder.appending(path: "b.yaml").path()).map(\.path) == ["b.yaml"])
    }

    @Test func `a symbolic link that leaves the folder is an error at its path, one within it is passed over`() throws {
        try write("inside/a.yaml", "kind: Foo\n")
        try link("in.yaml", to: "inside/a.yaml")
        try link("out.yaml", to: "/etc/hostname")
        try link("up.yaml", to: "../\(folder.lastPathComponent)x.yaml")
        try link("loop", to: ".")
        try link("nothing.yaml", to: "gone.yaml")
        let files = try ManifestDirectory.read(folder.path())
        #expect(files.map(\.path) == ["inside/a.yaml", "nothing.yaml", "out.yaml", "up.yaml"])
        let diagnostics = assembled([places] + files).diagnostics
        #expect(
            lines(diagnostics).filter { $0.contains("link") } == [
                "nothing.yaml:1:1: error: the symbolic link leads to nothing",
                "out.yaml:1:1: error: the symbolic link leaves the repository",
                "up.yaml:1:1: error: the symbolic link leads to nothing",
            ])
    }

    @Test func `a file that is too large is not read to its end`() throws {
        try write("large.yaml", String(repeating: "#", count: (16 << 20) + 10))
        let files = try ManifestDirectory.read(folder.path())
        guard case .bytes(let bytes) = files[0].content else { return #expect(Bool(false)) }
        #expect(bytes.count == ManifestFile.bytesMax + 1)
        #expect(lines(assembled([places] + files).diagnostics) == ["large.yaml:1:1: error: the file is larger than 16Mi"])
    }

    @Test func `a folder that is not there is an error`() {
        #expect(throws: ManifestDirectoryError.self) { try ManifestDirectory.read(self.folder.path() + "/none") }
    }
}

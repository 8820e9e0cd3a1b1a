import FoundationEssentials
import Testing

/// Compares with `Golden/<name>`; with `EVENKEEL_RECORD=1` writes it, to be looked at as a change of code is.
func expectGolden(_ name: String, _ bytes: [UInt8], _ place: SourceLocation = #_sourceLocation) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    let file = folder.appending(path: name)
    if ProcessInfo.processInfo.environment["EVENKEEL_RECORD"] == "1" {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return
    }
    let known = try #require(try? Data(contentsOf: file), "\(name) is not recorded: run with EVENKEEL_RECORD=1", sourceLocation: place)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text == String(decoding: known, as: UTF8.self), "\(name) changed; record it with EVENKEEL_RECORD=1", sourceLocation: place)
}

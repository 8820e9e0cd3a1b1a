import FleetModel
import Foundation
import Testing

@testable import Manifests

/// A file's bytes from its lines.
func file(_ path: String, _ text: String) -> ManifestFile { ManifestFile(path: path, bytes: Array(text.utf8)) }

let first = Revision(commit: "1111111111111111111111111111111111111111")
let second = Revision(commit: "2222222222222222222222222222222222222222")
let third = Revision(commit: "3333333333333333333333333333333333333333")

/// What a repository of these files makes when it is seen for the first time.
func assembled(_ files: ManifestFile...) -> Assembly { assembled(files) }

func assembled(_ files: [ManifestFile], holdingRevisionOnError: Bool = false) -> Assembly {
    var set = ManifestSet()
    _ = set.apply(changed: files, revision: first)
    return set.assemble(holdingRevisionOnError: holdingRevisionOnError)
}

/// Region, zone a with two hosts and zone b with one: what clusters refer to.
let places = file(
    "places.yaml",
    """
    apiVersion: evenkeel.dev/v1
    kind: Region
    metadata: {name: west}
    spec: {locationCode: 3, default: true}
    ---
    apiVersion: evenkeel.dev/v1
    kind: AvailabilityZone
    metadata: {name: west-a}
    spec: {region: west, rooms: [r1, r2]}
    ---
    apiVersion: evenkeel.dev/v1
    kind: AvailabilityZone
    metadata: {name: west-b}
    spec: {region: west, rooms: [r3]}
    ---
    apiVersion: evenkeel.dev/v1
    kind: Host
    metadata: {name: a-1}
    spec: {zone: west-a, address: 10.0.1.1}
    ---
    apiVersion: evenkeel.dev/v1
    kind: Host
    metadata: {name: a-2}
    spec: {zone: west-a, room: r2, address: 10.0.1.2}
    ---
    apiVersion: evenkeel.dev/v1
    kind: Host
    metadata: {name: b-1}
    spec: {zone: west-b, address: 10.0.2.1}
    """)

/// A small valid cluster with more fields of its spec.
func cluster(_ name: String = "orders", _ more: String = "", zones: String = "{zone: west-a}, {zone: west-b}") -> String {
    """
    apiVersion: evenkeel.dev/v1
    kind: Cluster
    metadata: {name: \(name)}
    spec:
      engine: {type: mariadb, version: 10.11}
      placement: [\(zones)]
      resources: {memory: 256Mi, storage: 5Gi}
    \(more.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n"))
    """
}

func places(with clusterText: String) -> [ManifestFile] { [places, file("c.yaml", clusterText)] }

/// `file:line:column: severity: message` of each.
func lines(_ diagnostics: [Diagnostic]) -> [String] {
    diagnostics.map { "\($0.position): \($0.severity.rawValue): \($0.message)" }
}

/// The only diagnostic of a cluster beside valid places.
func only(_ clusterText: String, _ location: SourceLocation = #_sourceLocation) throws -> Diagnostic {
    let diagnostics = assembled(places(with: clusterText)).diagnostics
    #expect(diagnostics.count == 1, "\(lines(diagnostics))", sourceLocation: location)
    return try #require(diagnostics.first, sourceLocation: location)
}

/// The root of the package, for checked-in files.
let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Compares with a checked-in file, or writes it with EVENKEEL_RECORD=1.
func expectCurrent(_ path: String, _ text: String, _ location: SourceLocation = #_sourceLocation) throws {
    let url = root.appending(path: path)
    if ProcessInfo.processInfo.environment["EVENKEEL_RECORD"] == "1" {
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: url, atomically: true, encoding: .utf8)
    }
    let recorded = try? String(contentsOf: url, encoding: .utf8)
    #expect(recorded == text, "\(path) is not current; record it with EVENKEEL_RECORD=1", sourceLocation: location)
}

// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target of ours: language mode 6, the upcoming features that the style asks for, and no warning let through.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// One target of ours, with the common settings. `pages`: beside its code, for people.
func room(
    _ name: String, _ dependencies: [Target.Dependency] = [], pages: [String] = ["README.md"], more: [SwiftSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: pages, swiftSettings: settings + more)
}

/// The tests of one target, in `Tests/<name>Tests`.
func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.target(name: name)] + dependencies, swiftSettings: settings)
}

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTesting: Target.Dependency = .product(name: "HummingbirdTesting", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let certificates: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let nio: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")

let package = Package(
    name: "evenkeel",
    products: [
        .executable(name: "evenkeel", targets: ["evenkeel"]),
        .executable(name: "evenkeel-simulate", targets: ["evenkeel-simulate"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    ],
    targets: [
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CGit2", pkgConfig: "libgit2", providers: [.apt(["libgit2-dev"])]),
        .systemLibrary(name: "CMariaDB", pkgConfig: "libmariadb", providers: [.apt(["libmariadb-dev"])]),
        .systemLibrary(name: "CLinux"),
        room("JSONStream"),
        room("FleetModel", ["JSONStream"], pages: []),
        room("Manifests", ["FleetModel", "JSONStream", "CYAML"]),
        room("Planning", ["FleetModel", "JSONStream"], pages: ["README.md", "Rendering/README.md"]),
        .target(name: "CChildProcess"),
        room("ChildProcess", ["CChildProcess"]),
        room("BlockingWork"),
        room("SourceControl", ["BlockingWork", "CGit2", "ChildProcess"]),
        room("MySQLClient", ["BlockingWork", "CMariaDB", "CLinux"]),
        room("MetadataStore", ["FleetModel", "JSONStream"]),
        room("MetadataStoreConformance", ["FleetModel", "MetadataStore"]),
        room("SQLiteStore", ["BlockingWork", "FleetModel", "JSONStream", "MetadataStore", grdb]),
        room("MySQLStore", ["FleetModel", "JSONStream", "MetadataStore", "MySQLClient"]),
        room("ControlAPI", ["FleetModel", "JSONStream"]),
        room("Engines", ["BlockingWork", "FleetModel", "JSONStream", "MySQLClient", "CLinux"]),
        room("CopyTLS", ["Engines", "FleetModel", nio, nioCore, nioTLS, certificates, crypto]),
        room("GroupAuthority", ["FleetModel", certificates, crypto]),
        room("Agent", ["BlockingWork", "Engines", "ControlAPI", "JSONStream", "ChildProcess"]),
        room("Reconciliation", ["Manifests", "Planning", "SourceControl", "MetadataStore", "ControlAPI"]),
        room("Monitoring", ["FleetModel", "JSONStream", "MetadataStore", "ChildProcess", httpClient, nioCore, nioHTTP1, nioTLS]),
        room("Server", ["BlockingWork", "GroupAuthority", "Reconciliation", "Monitoring", "SQLiteStore", "MySQLStore", hummingbird, hummingbirdCore, hummingbirdTLS, nioTLS, logging, lifecycle, signals, certificates, crypto]),
        // One thread a world, whose objects are changed in place all the time; the tests' builds check that.
        room(
            "Simulation", ["Reconciliation", "Agent"],
            more: [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]),
        room("SimulationCommand", ["FleetModel", "Simulation", arguments]),
        .executableTarget(name: "evenkeel-simulate", dependencies: ["SimulationCommand", arguments], swiftSettings: settings),
        room("GameDay", ["FleetModel", "JSONStream", "MySQLClient"]),
        .executableTarget(
            name: "evenkeel",
            dependencies: [
                "Server", "Agent", "CopyTLS", "GameDay", "MySQLStore", "SimulationCommand", "SourceControl", arguments, httpClient, hummingbird, logging, lifecycle, signals, nioCore,
                nioHTTP1, nioTLS,
            ],
            swiftSettings: settings),
        tests("JSONStream"),
        tests("FleetModel"),
        tests("Manifests"),
        tests("Planning"),
        tests("ChildProcess"),
        tests("SourceControl", ["ChildProcess"]),
        tests("MySQLClient"),
        tests("MetadataStore", ["MetadataStoreConformance"]),
        tests("SQLiteStore", ["FleetModel", "MetadataStore", "MetadataStoreConformance", grdb]),
        tests("MySQLStore", ["FleetModel", "MetadataStore", "MetadataStoreConformance", "MySQLClient"]),
        tests("ControlAPI"),
        tests("GroupAuthority", ["FleetModel", certificates, crypto]),
        tests("Engines", ["CopyTLS", "FleetModel", "GroupAuthority", "MySQLClient", "Planning"]),
        tests("Agent"),
        tests("Reconciliation"),
        tests("Monitoring", ["ChildProcess", "FleetModel", "JSONStream", "MetadataStore", nio, nioCore, nioHTTP1]),
        tests("Server", [hummingbird, hummingbirdTesting]),
        tests("Simulation"),
        tests("GameDay"),
    ]
)

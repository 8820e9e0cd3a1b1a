import ArgumentParser
import FleetModel
import Manifests

struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the JSON Schema (2020-12) of manifests, for editors.",
        discussion: """
            Examples:
              evenkeel schema > evenkeel.schema.json          documents of every kind
              evenkeel schema Cluster

            In an editor with the YAML language server, begin a manifest with
              # yaml-language-server: $schema=evenkeel.schema.json
            """)

    @Argument(help: "Region, AvailabilityZone, Host, Cluster or AlertChannel; default: all.")
    var kind: String?
    @Flag(help: "Print the kind's page of documentation (Markdown) instead.")
    var page = false

    func run() throws {
        let wanted = try kind.map(Schema.parseKind)
        guard page else { return Terminal.standardOutput.write(ManifestReference.schema(wanted)) }
        for kind in wanted.map({ [$0] }) ?? Kind.allCases where kind != .source {
            Terminal.standardOutput.write(ManifestReference.page(kind))
        }
    }

    private static func parseKind(_ text: String) throws -> Kind {
        guard let kind = Kind.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw CommandError(
                "there is no kind \"\(text)\"",
                help: "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return kind
    }
}

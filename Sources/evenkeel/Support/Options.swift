import ArgumentParser
import FleetModel
import FoundationEssentials

/// Where the server is and who asks. Common to every command that talks with one.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The server's URL; of several, separated by commas, the first that can be reached.", discussion: "Default: EVENKEEL_SERVER, then http://127.0.0.1:7070.",
            valueName: "url"))
    var server: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A file that holds the bearer token.",
            discussion: """
                Default: EVENKEEL_TOKEN (the token itself), EVENKEEL_TOKEN_FILE, then the file that a server on this \
                machine made for its user at its first start.
                """, valueName: "file"))
    var tokenFile: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The certificate (PEM) of the authority that signed the server's.",
            discussion: "Default: EVENKEEL_CA_FILE, then the system's authorities.", valueName: "file"))
    var caFile: String?

    static let serverDefault = "http://127.0.0.1:7070"
    private static let tokenBytesMax = 4096

    /// Never empty.
    var serverURLs: [String] {
        let given = server ?? environment("EVENKEEL_SERVER") ?? ConnectionOptions.serverDefault
        let found = given.split(separator: ",").map { ServerURL.trimmed($0) }
        return found.isEmpty ? [given] : found
    }

    var authorityFile: String? { caFile ?? environment("EVENKEEL_CA_FILE") }

    /// The token, or nil where none is to be found: a server may still answer what needs none.
    func token() throws -> String? {
        if let tokenFile { return try ConnectionOptions.readToken(tokenFile) }
        if let token = environment("EVENKEEL_TOKEN") { return token }
        if let path = environment("EVENKEEL_TOKEN_FILE") { return try ConnectionOptions.readToken(path) }
        let paths = serverURLs.map { TokenFile.path(forServer: $0) }
        return try paths.first { FileManager.default.fileExists(atPath: $0) }.map { try ConnectionOptions.readToken($0) }
    }

    private static func readToken(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError("the token file \(path) cannot be read", help: "name a readable file with --token-file")
        }
        let token = String(String(decoding: data.prefix(tokenBytesMax), as: UTF8.self).trimmedSpaces)
        guard !token.isEmpty else { throw CommandError("the token file \(path) is empty") }
        return token
    }

    private func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// How a result is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, wide, yaml, json, name
}

struct OutputOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .long], help: "How to print: table, wide, yaml, json or name.")
    var output: OutputFormat = .table
}

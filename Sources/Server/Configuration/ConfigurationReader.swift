import FleetModel
import FoundationEssentials
import JSONStream
import Manifests
import MySQLStore
import Reconciliation

extension ServerConfiguration {
    /// Reads and checks a file. Relative paths in it start at the file's directory.
    package init(file: String) throws(ConfigurationError) {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ConfigurationError("\(file) cannot be read; name the server's configuration with --config FILE")
        }
        do {
            let json = try PlainYAML.json(of: Array(data), file: file)
            try self.init(jsonText: json)
        } catch let error as ConfigurationError {
            throw ConfigurationError("\(file): \(error)")
        } catch let error as PlainYAMLError {
            throw ConfigurationError(error.description)
        } catch {
            throw ConfigurationError("\(file): \(error)")
        }
        resolvePaths(from: URL(filePath: file).deletingLastPathComponent())
        try check()
    }

    private mutating func resolvePaths(from base: URL) {
        func resolved(_ path: String) -> String {
            path.hasPrefix("/") ? path : URL(filePath: path, relativeTo: base).standardized.path()
        }
        dataDirectory = resolved(dataDirectory)
        secretsRoot = secretsRoot.map(resolved)
        adminTokenFile = adminTokenFile.map(resolved)
        if var shared = store {
            shared.passwordFile = shared.passwordFile.map(resolved)
            shared.place.authority = shared.place.authority.map(resolved)
            shared.place.socket = shared.place.socket.map(resolved)
            store = shared
        }
        if case .files(let certificate, let key) = tls { tls = .files(certificate: resolved(certificate), key: resolved(key)) }
        for index in sources.indices where sources[index].url.hasPrefix("./") || sources[index].url.hasPrefix("../") {
            sources[index].url = resolved(sources[index].url)
        }
    }

    /// Every scalar is text here: the file is YAML, and its fields know their types. Unknown fields are errors, because
    /// a misspelt `tls` must not open a door.
    init(jsonText: String) throws {
        self.init()
        var text = jsonText
        self = try text.withUTF8 { bytes in
            try JSONReader.readAll(bytes) { reader in
                var configuration = ServerConfiguration()
                try reader.object { reader, key in try configuration.readField(key.text, &reader) }
                return configuration
            }
        }
    }

    private mutating func readField(_ key: String, _ reader: inout JSONReader) throws {
        switch key {
        case "listen": try readAddress(try reader.string())
        case "data": dataDirectory = try reader.string()
        case "name": name = try reader.string()
        case "store": store = try ServerConfiguration.readStore(&reader)
        case "publicURL": publicURL = try reader.string()
        case "tls": tls = try ServerConfiguration.readTLS(&reader, names: ServerConfiguration.namesOfTLS(tls))
        case "sources": try reader.array { reader in sources.append(try ServerConfiguration.readSource(&reader)) }
        case "secrets": try readSecrets(&reader)
        case "scripts":
            try reader.object { reader, name in scripts[name.text] = try ServerConfiguration.readScript(&reader) }
        case "adminTokenFile": adminTokenFile = try reader.string()
        case "unitInterval": unitInterval = try ServerConfiguration.duration(try reader.string(), key)
        case "leaseDuration": leaseDuration = try ServerConfiguration.duration(try reader.string(), key)
        case "backupsKept": backupsKept = try ServerConfiguration.count(try reader.string(), key)
        case "failovers": try readFailovers(&reader)
        case "logLevel": logLevel = try reader.string()
        default: throw ConfigurationError("unknown field \"\(key)\"; see Sources/Server/README.md for those there are")
        }
    }

    private mutating func readAddress(_ text: String) throws {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port)
        else { throw ConfigurationError("listen: \"\(text)\" is no address and port, such as 127.0.0.1:7070") }
        host = text[..<colon].trimmingBrackets
        self.port = port
    }

    private static func readStore(_ reader: inout JSONReader) throws -> DatabaseStore {
        var (url, socket, authority, passwordFile): (String, String?, String?, String?) = ("", nil, nil, nil)
        try reader.object { reader, field in
            switch field.text {
            case "url": url = try reader.string()
            case "socket": socket = try reader.string()
            case "ca": authority = try reader.string()
            case "passwordFile": passwordFile = try reader.string()
            default: throw ConfigurationError("store: unknown field \"\(field.text)\"; url, passwordFile, ca and socket are known")
            }
        }
        guard let place = MySQLStorePlace(url: url, socket: socket, authority: authority) else {
            // Not repeated: a password may be in it.
            throw ConfigurationError("store: url is mysql://USER@HOST:PORT/DATABASE, without a password; its file is named in passwordFile")
        }
        return DatabaseStore(place: place, passwordFile: passwordFile)
    }

    private static func namesOfTLS(_ tls: TLS) -> [String] {
        if case .automatic(let names) = tls { names } else { [] }
    }

    private static func readTLS(_ reader: inout JSONReader, names: [String]) throws -> TLS {
        if let word = try? reader.string() {
            switch word {
            case "auto": return .automatic(names: names)
            case "off": return .off
            default: throw ConfigurationError("tls: \"\(word)\" is neither auto, off nor {certificate, key}")
            }
        }
        var certificate = ""
        var key = ""
        var names = names
        try reader.object { reader, field in
            switch field.text {
            case "certificate": certificate = try reader.string()
            case "key": key = try reader.string()
            case "auto": names = try [String](from: &reader)
            default: throw ConfigurationError("tls: unknown field \"\(field.text)\"; certificate and key, or auto: [NAME, …]")
            }
        }
        if certificate.isEmpty, key.isEmpty, !names.isEmpty { return .automatic(names: names) }
        guard !certificate.isEmpty, !key.isEmpty else { throw ConfigurationError("tls: both certificate and key are wanted") }
        return .files(certificate: certificate, key: key)
    }

    private static func readSource(_ reader: inout JSONReader) throws -> SourceConfiguration {
        var source = SourceConfiguration(name: "fleet", url: "")
        try reader.object { reader, field in
            let text = try reader.string()
            switch field.text {
            case "name": source.name = text
            case "url": source.url = text
            case "branch": source.branch = text
            case "folder": source.folder = text
            case "interval": source.interval = try duration(text, "sources: interval")
            case "onInvalid":
                guard let policy = InvalidPolicy(rawValue: text) else {
                    throw ConfigurationError("sources: onInvalid is holdUnit or holdRevision, not \"\(text)\"")
                }
                source.onInvalid = policy
            default: throw ConfigurationError("sources: unknown field \"\(field.text)\"")
            }
        }
        guard !source.url.isEmpty else { throw ConfigurationError("sources: \"\(source.name)\" has no url") }
        return source
    }

    private mutating func readSecrets(_ reader: inout JSONReader) throws {
        try reader.object { reader, field in
            switch field.text {
            case "root": secretsRoot = try reader.string()
            case "environment": environmentAllowed = Set(try [String](from: &reader))
            default: throw ConfigurationError("secrets: unknown field \"\(field.text)\"; root and environment are known")
            }
        }
    }

    private mutating func readFailovers(_ reader: inout JSONReader) throws {
        try reader.object { reader, field in
            let text = try reader.string()
            let name = "failovers: " + field.text
            switch field.text {
            case "perCluster": failovers.perCluster = try Self.limit(text, name)
            case "perZone": failovers.perZone = try Self.limit(text, name)
            case "perRegion": failovers.perRegion = try Self.limit(text, name)
            case "window": failovers.window = try Self.duration(text, name)
            case "coolDown": failovers.coolDown = try Self.duration(text, name)
            default: throw ConfigurationError("\(name) is unknown; perCluster, perZone, perRegion, window and coolDown are known")
            }
        }
    }

    private static func limit(_ text: String, _ field: String) throws -> Int {
        let limit = try count(text, field)
        guard limit <= FailoverBudget.limitMax else { throw ConfigurationError("\(field): \(limit) is too many; at most \(FailoverBudget.limitMax)") }
        return limit
    }

    private static func readScript(_ reader: inout JSONReader) throws -> Script {
        var script = Script(path: "", arguments: [])
        try reader.object { reader, field in
            switch field.text {
            case "path": script.path = try reader.string()
            case "arguments": script.arguments = try [String](from: &reader)
            default: throw ConfigurationError("scripts: unknown field \"\(field.text)\"; path and arguments are known")
            }
        }
        return script
    }

    private static func count(_ text: String, _ field: String) throws -> Int {
        guard let count = Int(text), count > 0 else { throw ConfigurationError("\(field): \"\(text)\" is no positive number") }
        return count
    }

    /// `30s`, `5m`, `24h`, `500ms`.
    /// Of whatever unit.
    private static let durationMax: Int64 = 1_000_000

    private static func duration(_ text: String, _ field: String) throws -> Duration {
        let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        for (unit, milliseconds) in units where text.hasSuffix(unit) {
            if let number = Int64(text.dropLast(unit.count)), (1...durationMax).contains(number) { return .milliseconds(number * milliseconds) }
        }
        throw ConfigurationError("\(field): \"\(text)\" is no duration, such as 30s, 5m or 24h")
    }
}

extension Substring {
    /// Without the brackets of an IPv6 address.
    fileprivate var trimmingBrackets: String { String(self.drop { $0 == "[" }.prefix { $0 != "]" }) }
}

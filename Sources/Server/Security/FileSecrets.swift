package import FleetModel

import FoundationEssentials
import GroupAuthority
import Reconciliation

#if canImport(Glibc)
    import Glibc
#endif

/// Secrets from files below a root and from allowed variables of the environment, and the fleet key.
package struct FileSecrets: SecretProvider {
    private let root: String?
    private let environment: [String: String]
    private let key: [UInt8]

    package static let keyBytes = 32
    /// A secret is one line of text.
    private static let secretBytesMax = 4096

    /// Makes the fleet key where there is none, and `mayMakeKey`: nothing derives from one yet. Throws where it is lost,
    /// or can be read by others.
    package init(_ configuration: ServerConfiguration, mayMakeKey: Bool) throws(ConfigurationError) {
        root = configuration.secretsRoot
        environment = ProcessInfo.processInfo.environment.filter { configuration.environmentAllowed.contains($0.key) }
        key = try FileSecrets.fleetKey(configuration.fleetKeyPath, mayMake: mayMakeKey)
    }

    private static func fleetKey(_ path: String, mayMake: Bool) throws(ConfigurationError) -> [UInt8] {
        if try PrivateFile.read(path) == nil {
            guard mayMake else {
                throw ConfigurationError(
                    """
                    the fleet key \(path) is gone, and what this store knows derives from it: with another key replicas \
                    and agents would be refused; put the file back from your backup of it (the store's daily \
                    copies do not hold it), mode 0600. The databases run on meanwhile
                    """)
            }
            var generator = SystemRandomNumberGenerator()
            let made = (0..<keyBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = try PrivateFile.create(path, Array(SHA256.hex(made).utf8))
        }
        guard let text = try PrivateFile.read(path), let key = bytes(ofHex: text), key.count >= keyBytes else {
            throw ConfigurationError(
                "\(path) holds no fleet key; put it back from a backup, because every replication account derives from it")
        }
        return key
    }

    package func fleetKey() -> [UInt8] { key }

    package func groupCertificate(of instance: InstanceID, authority: Int64, now: Instant) throws -> String {
        try GroupAuthority(fleetKey: key, clusterUID: instance.clusterUID, number: authority).certificate(of: instance, now: now)
    }

    package func resolve(_ reference: SecretReference) async throws -> String {
        switch reference {
        case .file(let path): return try resolveFile(path)
        case .env(let name):
            guard let value = environment[name], !value.isEmpty else {
                throw ConfigurationError(
                    """
                    the secret env:\(name) is not there; set the variable for `evenkeel serve` and add it to \
                    secrets.environment of the server's configuration
                    """)
            }
            return value
        }
    }

    private func resolveFile(_ path: String) throws(ConfigurationError) -> String {
        guard let root else {
            throw ConfigurationError("the secret file:\(path) is not allowed; set secrets.root in the server's configuration")
        }
        let isInside = !path.isEmpty && !path.hasPrefix("/") && !path.split(separator: "/").contains("..")
        guard isInside, let real = realpath(root + "/" + path, nil), let realRoot = realpath(root, nil) else {
            throw ConfigurationError("the secret file:\(path) is not there; write it to \(root)/\(path)")
        }
        defer {
            free(real)
            free(realRoot)
        }
        let realPath = String(cString: real)
        guard realPath.hasPrefix(String(cString: realRoot) + "/") else {
            throw ConfigurationError("the secret file:\(path) leads out of \(root) by a link; put the file itself there")
        }
        guard let data = FileManager.default.contents(atPath: realPath), data.count <= FileSecrets.secretBytesMax else {
            throw ConfigurationError("the secret file:\(path) cannot be read, or is larger than \(FileSecrets.secretBytesMax) bytes")
        }
        let value = String(decoding: data, as: UTF8.self).prefix { $0 != "\n" && $0 != "\r\n" }
        guard !value.isEmpty else { throw ConfigurationError("the secret file:\(path) begins with an empty line; write the password there") }
        return String(value)
    }

    package func expectedAuthentication(password: String) -> String { NativePassword.authenticationString(password) }

    private static func bytes(ofHex text: [UInt8]) -> [UInt8]? {
        let digits = Array(String(decoding: text, as: UTF8.self).trimmedSpaces)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(digits[index...index + 1]), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}

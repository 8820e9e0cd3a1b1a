import Crypto
import FleetModel
import FoundationEssentials
import SwiftASN1
import X509

#if canImport(Glibc)
    import Glibc
#endif

/// Our own small certificate authority, for a server that has no certificate from elsewhere: made once below the data
/// directory; the server's certificate is made anew at each start.
enum Authority {
    struct Files {
        var authority: String
        var certificate: String
        var key: String
    }

    private static let authorityDays = 3650
    private static let certificateDays = 90

    /// Makes what is missing and answers where it is. `names`: DNS names and IP addresses that clients connect to.
    static func files(in directory: String, names: [String], now: Date = Date()) throws -> Files {
        try PrivateFile.makeDirectory(directory)
        let files = Files(
            authority: directory + "/ca.pem", certificate: directory + "/server.pem", key: directory + "/server.key")
        let keyPath = directory + "/ca.key"
        if try PrivateFile.read(keyPath) == nil {
            let key = P256.Signing.PrivateKey()
            let certificate = try authority(key, now)
            guard try PrivateFile.create(keyPath, Array(key.pemRepresentation.utf8)) else {
                throw ConfigurationError("\(keyPath) was made by another process just now; start again")
            }
            try writePublic(files.authority, try certificate.serializeAsPEM().pemString)
        }
        guard let keyText = try PrivateFile.read(keyPath), let authorityText = FileManager.default.contents(atPath: files.authority)
        else { throw ConfigurationError("\(files.authority) is missing; remove \(directory) to make a new authority") }
        let issuerKey = try P256.Signing.PrivateKey(pemRepresentation: String(decoding: keyText, as: UTF8.self))
        let issuer = try Certificate(pemEncoded: String(decoding: authorityText, as: UTF8.self))
        let key = P256.Signing.PrivateKey()
        let certificate = try server(key, names: names, issuer: issuer, issuerKey: issuerKey, now)
        try PrivateFile.replace(files.key, Array(key.pemRepresentation.utf8))
        try writePublic(files.certificate, try certificate.serializeAsPEM().pemString + "\n" + String(decoding: authorityText, as: UTF8.self))
        return files
    }

    private static func authority(_ key: P256.Signing.PrivateKey, _ now: Date) throws -> Certificate {
        let name = try DistinguishedName { CommonName("Evenkeel authority") }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-3600), notValidAfter: now.addingTimeInterval(Double(authorityDays) * 86400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            }, issuerPrivateKey: .init(key))
    }

    private static func server(
        _ key: P256.Signing.PrivateKey, names: [String], issuer: Certificate, issuerKey: P256.Signing.PrivateKey, _ now: Date
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-3600), notValidAfter: now.addingTimeInterval(Double(certificateDays) * 86400),
            issuer: issuer.subject, subject: try DistinguishedName { CommonName("Evenkeel server") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames(names.map(generalName))
            }, issuerPrivateKey: .init(issuerKey))
    }

    private static func generalName(_ name: String) -> GeneralName {
        var v4 = in_addr()
        if inet_pton(AF_INET, name, &v4) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: &v4) { ArraySlice($0) }))
        }
        var v6 = in6_addr()
        if inet_pton(AF_INET6, name, &v6) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: &v6) { ArraySlice($0) }))
        }
        return .dnsName(name)
    }

    private static func writePublic(_ path: String, _ text: String) throws(ConfigurationError) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw ConfigurationError("\(path) cannot be written: \(error)")
        }
    }
}

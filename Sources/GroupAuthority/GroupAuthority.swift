import Crypto
package import FleetModel
import FoundationEssentials
import SwiftASN1
import X509

/// The authority of one galera cluster's group: whoever has a certificate of it takes part in the group and reads every row.
///
/// Its key derives from the fleet key, so that nothing is stored, a lost store brings it back, and no cluster's members are let
/// into another cluster's group. It never leaves the server.
package struct GroupAuthority: Sendable {
    private let key: P256.Signing.PrivateKey
    private let clusterUID: String
    private let number: Int64

    /// A server that is away for less than what is left of it keeps nobody out.
    package static let validity: Duration = .seconds(90 * 24 * 3600)
    /// Clocks of hosts differ.
    private static let clockSkew: Duration = .seconds(24 * 3600)
    /// The same for all times: that it is another one each time it is made must not tell two of them apart.
    private static let (began, ends) = (Date(timeIntervalSince1970: 1_577_836_800), Date(timeIntervalSince1970: 4_102_444_800))
    /// A digest is no key of the curve once in four thousand million.
    private static let keyTriesMax = 8

    /// `number`: `GaleraRecords.authority`; another one is another authority. Throws where no key comes of it, which is never seen.
    package init(fleetKey: [UInt8], clusterUID: String, number: Int64) throws {
        (self.clusterUID, self.number) = (clusterUID, number)
        func candidate(_ attempt: Int) throws -> P256.Signing.PrivateKey {
            let text = "evenkeel group authority \(clusterUID) \(number) \(attempt)"
            return try P256.Signing.PrivateKey(rawRepresentation: FleetModel.SHA256.keyed(key: fleetKey, Array(text.utf8)))
        }
        let found = (1..<Self.keyTriesMax).lazy.compactMap { try? candidate($0) }.first
        key = try found ?? candidate(Self.keyTriesMax)
    }

    /// One text of all that a member needs: until when it is good, its certificate, the key of that, the authority's certificate.
    package func certificate(of instance: InstanceID, now: Instant) throws -> String {
        let ends = now + Self.validity
        let memberKey = P256.Signing.PrivateKey()
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(memberKey.publicKey), notValidBefore: Self.date(now - Self.clockSkew),
            notValidAfter: Self.date(ends), issuer: try name, subject: try DistinguishedName { CommonName(instance.description) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                // Each calls the others, and is called by them.
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
            }, issuerPrivateKey: .init(key))
        let parts = [try made.serializeAsPEM().pemString, memberKey.pemRepresentation, try authority().serializeAsPEM().pemString]
        return GroupCertificate(ends: ends, authority: number).firstLine + parts.map { $0 + "\n" }.joined()
    }

    private var name: DistinguishedName {
        get throws { try DistinguishedName { CommonName("Evenkeel group \(clusterUID) \(number)") } }
    }

    private func authority() throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(bytes: [1]), publicKey: .init(key.publicKey), notValidBefore: Self.began,
            notValidAfter: Self.ends, issuer: try name, subject: try name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            }, issuerPrivateKey: .init(key))
    }

    private static func date(_ instant: Instant) -> Date { Date(timeIntervalSince1970: Double(instant.milliseconds) / 1000) }
}

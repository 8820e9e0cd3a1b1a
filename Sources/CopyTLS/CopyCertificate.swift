import Crypto
import FleetModel
import FoundationEssentials
import NIOSSL
import SwiftASN1
import X509

/// A certificate made for one copy: nobody vouches for it, so the donor is told its digest and accepts no other.
struct CopyCertificate {
    let certificate: NIOSSLCertificate
    let key: NIOSSLPrivateKey
    /// SHA-256 of the certificate's DER, hex.
    let digest: String

    /// Seconds that it is valid to both sides of now: clocks of hosts differ.
    private static let validity: Double = 24 * 3600

    init() throws {
        let privateKey = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("evenkeel copy") }
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(privateKey.publicKey), notValidBefore: .now - Self.validity,
            notValidAfter: .now + Self.validity, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: Certificate.Extensions(),
            issuerPrivateKey: Certificate.PrivateKey(privateKey))
        var serializer = DER.Serializer()
        try serializer.serialize(made)
        certificate = try NIOSSLCertificate(bytes: serializer.serializedBytes, format: .der)
        key = try NIOSSLPrivateKey(bytes: Array(privateKey.derRepresentation), format: .der)
        digest = Self.digest(of: serializer.serializedBytes)
    }

    static func digest(of der: [UInt8]) -> String { FleetModel.SHA256.hex(FleetModel.SHA256.hash(der)) }
}

import Crypto
import FleetModel
import FoundationEssentials
import SwiftASN1
import Testing
import X509

@testable import GroupAuthority

private let now = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
private let fleetKey = [UInt8](repeating: 7, count: 32)

/// A member's file as TLS reads it.
private struct Parts {
    let member: Certificate
    let key: P256.Signing.PrivateKey
    let authority: Certificate

    init(_ text: String) throws {
        let documents = try PEMDocument.parseMultiple(pemString: text)
        #expect(documents.count == 3)
        member = try Certificate(pemDocument: documents[0])
        key = try P256.Signing.PrivateKey(pemRepresentation: documents[1].pemString)
        authority = try Certificate(pemDocument: documents[2])
    }

    /// Just now.
    func isVouched(by other: Certificate) async -> Bool {
        var verifier = Verifier(rootCertificates: CertificateStore([other])) { RFC5280Policy() }
        if case .validCertificate = await verifier.validate(leaf: member, intermediates: CertificateStore()) { return true }
        return false
    }
}

private func parts(_ uid: String, _ ordinal: Int, _ key: [UInt8] = fleetKey, number: Int64 = 0, made moment: Instant = now) throws -> Parts {
    try Parts(GroupAuthority(fleetKey: key, clusterUID: uid, number: number).certificate(of: InstanceID(clusterUID: uid, ordinal: ordinal), now: moment))
}

@Test func `a member's certificate is its authority's, whenever that was made`() async throws {
    let (first, second) = (try parts("c1", 1), try parts("c1", 2))
    #expect(first.authority.publicKey == second.authority.publicKey)
    #expect(first.member.publicKey != second.member.publicKey)
    #expect(first.member.publicKey == Certificate.PublicKey(first.key.publicKey))
    for (member, other) in [(first, second), (second, first)] {
        #expect(await member.isVouched(by: other.authority))
    }
}

@Test func `another cluster's, another fleet's and another epoch's authority do not vouch for it`() async throws {
    let member = try parts("c1", 1)
    for other in [try parts("c2", 1), try parts("c1", 1, [UInt8](repeating: 8, count: 32)), try parts("c1", 1, number: 2)] {
        #expect(await !member.isVouched(by: other.authority))
    }
}

@Test func `it is good until the moment that its first line says`() async throws {
    let text = try GroupAuthority(fleetKey: fleetKey, clusterUID: "c1", number: 9).certificate(of: InstanceID(clusterUID: "c1", ordinal: 1), now: now)
    #expect(GroupCertificate(text) == GroupCertificate(ends: now + GroupAuthority.validity, authority: 9))
    for text in ["", "# group certificate: ends soon, authority 9\n", "-----BEGIN CERTIFICATE-----\n"] { #expect(GroupCertificate(text) == nil) }
    // The last: a host's clock may be behind the server's.
    for (age, isGood) in [(GroupAuthority.validity - .seconds(60), true), (GroupAuthority.validity + .seconds(60), false), (.seconds(-3600), true)] {
        let member = try parts("c1", 1, made: now - age)
        #expect(await member.isVouched(by: member.authority) == isGood)
    }
}

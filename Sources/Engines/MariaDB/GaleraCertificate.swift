import FleetModel
import Glibc
import MySQLClient

// The certificate by which a member is let into its group. Rows go through the group, and whoever is let in writes them: nothing
// starts a member without one.

extension InstanceLayout {
    /// Certificate, key and authority in one file, which only the server's user reads.
    var groupCertificate: String { directory + "/group-certificate.pem" }
}

extension InstanceWorker {
    private static let certificateSecret = "groupCertificate"

    /// The one that came with an order that starts the instance takes the place of the one that is there.
    func keepGroupCertificate(_ secrets: [String: String]) throws {
        guard process.living(thorough: true) == nil else { return }
        try writeGroupCertificate(secrets)
    }

    /// The task: a member that runs shows the new one from now on; connections that it has stay as they are.
    func renewCertificate(_ secrets: [String: String]) async throws -> TaskResult {
        try requireGalera()
        try writeGroupCertificate(secrets)
        guard process.living(thorough: true) != nil else { return TaskResult() }
        try await withSession { session in
            _ = try await session.run("SET GLOBAL wsrep_provider_options = 'socket.ssl_reload=1'", within: AdminSession.quick)
        }
        return TaskResult()
    }

    private func writeGroupCertificate(_ secrets: [String: String]) throws {
        guard let text = secrets[Self.certificateSecret], GroupCertificate(text) != nil else {
            throw EngineError(.refused, "no certificate for the group of \(layout.id) came with the order: the server is of an earlier release")
        }
        try Files.write(layout.groupCertificate, text, mode: 0o600)
        try giveGroupCertificate()
    }

    /// Throws where the group's traffic would go in clear, or nobody would be let in.
    func requireGroupCertificate(_ configuration: String) throws {
        let options = ConfigurationFile(configuration).value("wsrep_provider_options") ?? ""
        let isEncrypted = options.split(separator: ";").contains { $0.trimmedSpaces.hasPrefix("socket.ssl_ca=") }
        guard isEncrypted else {
            throw EngineError(.permanent, "the configuration of \(layout.id) would have its group's traffic go in clear: it is configured anew by a server of this release")
        }
        guard Files.exists(layout.groupCertificate) else {
            throw EngineError(.refused, "\(layout.groupCertificate) is missing, without which no member lets \(layout.id) in: it comes with the server's next order to start it")
        }
        try giveGroupCertificate()
    }

    private func giveGroupCertificate() throws {
        if let user = try host.processUser() { try Files.give(layout.groupCertificate, to: user) }
    }
}

extension GaleraFiles {
    /// What is known of the certificate that is there.
    var groupCertificate: GroupCertificate? {
        (try? Files.text(layout.groupCertificate)).flatMap { $0 }.flatMap { GroupCertificate($0) }
    }
}

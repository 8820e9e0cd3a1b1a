import AsyncHTTPClient
import ControlAPI
import FleetModel
import FoundationEssentials
import JSONStream
import NIOCore
import NIOHTTP1
import Server

/// An agent's own credential: made by itself and kept (0600) before the server is told its digest, so that a lost
/// answer to the enrolment costs nothing.
struct AgentCredential: Sendable {
    let host: String
    let token: String
    private let enrolmentFile: String?
    private let ticketFile: String

    private static let answerTimeout = TimeAmount.seconds(10)

    init(host: String, dataDirectory: String, enrolmentFile: String?) throws {
        self.host = host
        self.enrolmentFile = enrolmentFile
        ticketFile = dataDirectory + "/ticket"
        let path = dataDirectory + "/credential"
        do {
            if try PrivateFile.read(path) == nil { _ = try PrivateFile.create(path, Array(Tokens.random().utf8)) }
            token = String(decoding: try PrivateFile.read(path) ?? [], as: UTF8.self)
        } catch {
            throw CommandError(error.description)
        }
    }

    /// Keeps the ticket by which the credential comes back into a store that was lost, where it is a new one.
    func keep(ticket: String) throws {
        do {
            if try PrivateFile.read(ticketFile) != Array(ticket.utf8) { try PrivateFile.replace(ticketFile, Array(ticket.utf8)) }
        } catch {
            throw AgentTransportError(error.description)
        }
    }

    /// Makes the credential known: by the ticket, which counts only while the server's store is being rebuilt, else by
    /// the one-time token.
    func enrol(at base: String, _ http: HTTPClient) async throws {
        let ticket: [UInt8]?
        do { ticket = try PrivateFile.read(ticketFile) } catch { throw AgentTransportError(error.description) }
        guard let ticket else { return try await trade(at: base, http) }
        var request = HTTPClientRequest(url: base + Route.enrol)
        request.method = .POST
        let command = EnrolCommand(
            host: host, credentialDigest: SHA256.hex(token), ticket: String(decoding: ticket, as: UTF8.self))
        request.body = .bytes(command.jsonBytes)
        let response = try await http.execute(request, timeout: AgentCredential.answerTimeout)
        if response.status == .ok { return }
        let refusal = await AgentTransportError(response, base)
        guard enrolmentFile != nil else { throw refusal }
        try await trade(at: base, http)
    }

    /// Trades the one-time token for the right to use the credential.
    private func trade(at base: String, _ http: HTTPClient) async throws {
        guard let enrolmentFile, let data = FileManager.default.contents(atPath: enrolmentFile) else {
            throw AgentTransportError(
                """
                \(base) does not know this agent's credential, and there is no enrolment token; make one with \
                `evenkeel token enrolment \(host)` and name its file with --token-file
                """)
        }
        var request = HTTPClientRequest(url: base + Route.enrol)
        request.method = .POST
        let oneTime = String(decoding: data, as: UTF8.self).trimmedSpaces
        request.headers.add(name: "Authorization", value: "Bearer \(oneTime)")
        request.body = .bytes(EnrolCommand(host: host, credentialDigest: SHA256.hex(token)).jsonBytes)
        let response = try await http.execute(request, timeout: AgentCredential.answerTimeout)
        guard response.status == .ok else { throw await AgentTransportError(response, base) }
    }
}

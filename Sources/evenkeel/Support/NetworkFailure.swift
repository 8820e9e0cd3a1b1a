import AsyncHTTPClient
import Glibc
import NIOCore

/// Errors of the network libraries as sentences.
enum NetworkFailure {
    private static let lengthMax = 300

    /// Whether it is the network's, and no error of what was done with an answer.
    static func isOne(_ error: any Error) -> Bool {
        error is HTTPClientError || error is IOError || error is ChannelError || error is SocketAddressError.UnknownHost
    }

    /// Whether no connection came about: the other side has seen nothing of the request.
    static func isBeforeRequest(_ error: any Error) -> Bool {
        if let error = error as? HTTPClientError, error == .connectTimeout { return true }
        return sentence(error) == refused
    }

    private static let refused = "connection refused"

    /// Why the other side was not reached, or left: without names of functions or types.
    static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as IOError: return String(cString: strerror(error.errnoCode)).lowercased()
        case let error as SocketAddressError.UnknownHost: return "the name \(error.host) is not known"
        case let error as HTTPClientError: return sentence(error)
        default: return sentence(ofText: "\(error)")
        }
    }

    private static func sentence(_ error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout: "nothing answered there in time"
        case .readTimeout, .deadlineExceeded: "it did not answer in time"
        case .remoteConnectionClosed: "it closed the connection"
        default: error.shortDescription.lowercased()
        }
    }

    /// Errors of several tries come as one, whose parts are not to be had.
    private static func sentence(ofText text: String) -> String {
        if text.contains("Connection refused") || text.contains("ECONNREFUSED") { return refused }
        if text.contains("UnknownHost") { return "its name is not known" }
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return "its certificate is signed by an authority that is not known here; name the authority's with --ca-file"
        }
        for code in [ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, ECONNRESET] where text.contains("(errno: \(code))") {
            return String(cString: strerror(code)).lowercased()
        }
        return text.count > lengthMax ? String(text.prefix(lengthMax)) + "…" : text
    }
}

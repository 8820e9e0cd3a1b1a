/// Why a connection or a statement failed. No secret is in it: values marked `secret` in a statement are taken out of
/// what the server says.
package struct MySQLError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// The server answered with an error; the connection goes on.
        case server
        /// The connection is lost or was never made; it cannot be used any more.
        case connection
        /// No answer within the bound. The server may still carry the statement out; the connection cannot be used any
        /// more.
        case timedOut
        /// The answer exceeds the bounds on rows or bytes; the connection cannot be used any more.
        case tooLarge
    }

    package var kind: Kind
    /// The server's number (1045, 1290 …) or the client library's (2002, 2013 …); 0 where the error is our own.
    package var code: Int
    package var sqlState: String
    package var message: String

    package init(_ kind: Kind, code: Int = 0, sqlState: String = "HY000", message: String) {
        self.kind = kind
        self.code = code
        self.sqlState = sqlState
        self.message = message
    }

    package var description: String { code == 0 ? message : "\(message) (error \(code))" }
}

import MySQLClient

/// Where the database of a store is, and as whom it is reached: `mysql://USER@HOST:PORT/DATABASE`. A password is no part of it.
package struct MySQLStorePlace: Sendable, Hashable, CustomStringConvertible {
    package var user: String
    package var host: String
    package var port: Int
    package var database: String
    /// The path of a unix socket, which is used instead of host and port.
    package var socket: String?
    /// The PEM file of the authority that signed the database server's certificate; nil: the connection is not encrypted.
    package var authority: String?

    package static let portDefault = 3306

    /// Nil where the text is none.
    package init?(url: String, socket: String? = nil, authority: String? = nil) {
        guard let scheme = url.firstRange(of: "://"), url[..<scheme.lowerBound] == "mysql" else { return nil }
        let rest = url[scheme.upperBound...]
        guard let slash = rest.lastIndex(of: "/"), let at = rest[..<slash].lastIndex(of: "@") else { return nil }
        let (user, place, database) = (rest[..<at], rest[rest.index(after: at)..<slash], rest[rest.index(after: slash)...])
        // A colon in the user would be a password on its way into logs and process lists.
        guard !user.isEmpty, !user.contains(":"), !database.isEmpty, !database.contains("?") else { return nil }
        guard let (host, port) = MySQLStorePlace.hostAndPort(place) else { return nil }
        self.user = String(user)
        self.host = host
        self.port = port
        self.database = String(database)
        self.socket = socket
        self.authority = authority
    }

    private static func hostAndPort(_ text: Substring) -> (String, Int)? {
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") else {
            let host = unbracketed(text)
            return host.isEmpty ? nil : (host, portDefault)
        }
        let host = unbracketed(text[..<colon])
        guard !host.isEmpty, let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port) else { return nil }
        return (host, port)
    }

    /// Without the brackets of an IPv6 address.
    private static func unbracketed(_ text: Substring) -> String { String(text.drop { $0 == "[" }.prefix { $0 != "]" }) }

    var address: MySQLAddress { socket.map { .socket($0) } ?? .tcp(host: host, port: port) }

    package var description: String {
        "mysql://\(user)@\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)" + (socket.map { " (\($0))" } ?? "")
    }
}

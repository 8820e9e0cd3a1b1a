package import FleetModel
package import MySQLStore
package import Reconciliation

/// What `evenkeel serve --config FILE` reads, with defaults filled in. `README.md` in this target has every field.
package struct ServerConfiguration: Sendable {
    /// How the doors are kept.
    package enum TLS: Sendable, Hashable {
        /// Plain HTTP; only on a loopback address.
        case off
        /// Our own small authority makes a certificate for these names and addresses.
        case automatic(names: [String])
        case files(certificate: String, key: String)
    }

    /// A script that alert channels may name.
    package struct Script: Sendable, Hashable {
        package var path: String
        package var arguments: [String]
    }

    /// A database as the store that several servers share.
    package struct DatabaseStore: Sendable, Hashable {
        package var place: MySQLStorePlace
        /// Its password is the first line of this file (0600); nil: none.
        package var passwordFile: String?
    }

    package var host = "127.0.0.1"
    package var port = 7070
    /// Store, mirrors, keys and certificates are below it; one server uses it at a time.
    package var dataDirectory = "/var/lib/evenkeel"
    /// The holder's name in the lease; servers that share a store have names of their own.
    package var name = ""
    /// Nil: the store is a file below the data directory, for this server alone.
    package var store: DatabaseStore?
    /// Where others reach this server; empty: made from the address.
    package var publicURL = ""
    package var tls = TLS.off
    package var sources: [SourceConfiguration] = []
    /// `passwordFrom: {file: …}` is below it; nil: none are allowed.
    package var secretsRoot: String?
    /// Variables of the server's environment that `passwordFrom: {env: …}` may name.
    package var environmentAllowed: Set<String> = []
    package var scripts: [String: Script] = [:]
    /// Where the first administrator's token is left (0600), when there is none in the store; nil: for the user who
    /// starts the server on a loopback address.
    package var adminTokenFile: String?
    package var unitInterval: Duration = .seconds(60)
    package var leaseDuration: Duration = .seconds(15)
    package var backupsKept = 7
    /// How many automatic failovers there may be.
    package var failovers = FailoverBudget()
    package var logLevel = "info"

    package init() {}

    package var storePath: String { dataDirectory + "/evenkeel.sqlite" }
    package var mirrorDirectory: String { dataDirectory + "/mirrors" }
    package var fleetKeyPath: String { dataDirectory + "/fleet.key" }
    package var backupDirectory: String { dataDirectory + "/backups" }
    package var authorityDirectory: String { dataDirectory + "/tls" }

    /// `ADDRESS:PORT`, as it is listened on.
    package var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    package var url: String {
        publicURL.isEmpty ? "\(tls == .off ? "http" : "https")://\(address)" : publicURL
    }

    /// Whether only processes of this machine can reach the address.
    package var isLoopback: Bool { host == "::1" || host == "localhost" || host.isIPv4Loopback }

    /// Refuses what would open a door without a lock.
    package func check() throws(ConfigurationError) {
        if tls == .off, !isLoopback {
            throw ConfigurationError(
                """
                listen: \(host) can be reached from other machines, and there is no TLS. Add `tls: auto` (an authority \
                of our own; clients take its certificate \(authorityDirectory)/ca.pem) or \
                `tls: {certificate: FILE, key: FILE}`, or listen on 127.0.0.1
                """)
        }
        try checkStore()
        let names = sources.map(\.name)
        if let twice = names.first(where: { name in names.filter { $0 == name }.count > 1 }) {
            throw ConfigurationError("sources: two are named \"\(twice)\"; give each a name of its own")
        }
        if let path = scripts.values.map(\.path).sorted().first(where: { !$0.hasPrefix("/") }) {
            throw ConfigurationError("scripts: \"\(path)\" is not an absolute path")
        }
    }

    private func checkStore() throws(ConfigurationError) {
        guard let place = store?.place else { return }
        if place.socket == nil, place.authority == nil, place.host != "::1", place.host != "localhost", !place.host.isIPv4Loopback {
            throw ConfigurationError(
                """
                store: what is said with \(place.host) can be heard by others, and there is no TLS. Add `ca: FILE`, the \
                certificate (PEM) of the authority that signed the database server's
                """)
        }
        if publicURL.isEmpty, host == "0.0.0.0" || host == "::" {
            throw ConfigurationError(
                "publicURL: servers that share a store send clients and agents to each other; say where this one is reached, such as https://control-1:7070")
        }
    }
}

/// What is wrong with the server's configuration, and how to mend it.
package struct ConfigurationError: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

extension String {
    /// `127.0.0.0/8` in dotted form; a name that merely begins so is none.
    fileprivate var isIPv4Loopback: Bool {
        let parts = split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

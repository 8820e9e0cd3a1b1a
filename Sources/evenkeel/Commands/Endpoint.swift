import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Endpoint: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Where applications connect: the primary and the replicas of a cluster.",
        discussion: """
            Examples:
              evenkeel endpoint orders
              evenkeel endpoint orders -o dsn            mysql://app@127.0.1.1:3306/orders
              eval "$(evenkeel endpoint orders -o env)"  ORDERS_PRIMARY_HOST=…
              evenkeel endpoint orders -o haproxy        server lines for haproxy.cfg
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, dsn, env, haproxy, json, yaml }

    @Argument(help: "The cluster's name.")
    var cluster: String
    @Option(name: [.customShort("o"), .long], help: "text, dsn, env, haproxy, json or yaml.")
    var output: Format = .text
    @Option(help: "haproxy: the port on which each host's agent answers health checks (`evenkeel agent --health`).")
    var healthPort = 7071
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let fleet: FleetDocument = try await Client.with(connection) { try await $0.get(Route.fleet) }
        guard let unit = fleet.units(ofKind: "Cluster", named: cluster).first, let document = unit.cluster else {
            throw CommandError("there is no cluster \"\(cluster)\"", help: "see `evenkeel get clusters`")
        }
        let view = EndpointView(name: unit.name, cluster: document, healthPort: healthPort)
        Terminal.standardOutput.write(try view.render(output))
        if view.primary == nil { throw ExitStatus.didNotConverge }
    }
}

/// A cluster's addresses in the forms that applications read.
struct EndpointView: View {
    var name: String
    var cluster: ClusterDocument
    var healthPort: Int

    var names: [String] { instances.map(\.name) }

    /// The instance that takes writes now.
    var primary: InstanceDocument? { cluster.instances.first { $0.role == "primary" && $0.isServing } }
    var replicas: [InstanceDocument] { cluster.instances.filter { ["replica", "head"].contains($0.role) && $0.isServing } }
    private var instances: [InstanceDocument] { cluster.instances.filter { $0.phase == "active" } }

    func render(_ format: Endpoint.Format) throws -> String {
        switch format {
        case .text: text(terminal: .standardOutput, isWide: false)
        case .dsn: dsn
        case .env: environment
        case .haproxy: haproxy
        case .json: render(OutputFormat.json)
        case .yaml: render(OutputFormat.yaml)
        }
    }

    func text(terminal: Terminal, isWide: Bool) -> String {
        guard cluster.standbyOf.isEmpty else {
            return "\(name) is a standby of \(cluster.standbyOf): applications write there; see `evenkeel endpoint \(cluster.standbyOf)`.\n"
        }
        guard let primary else { return "\(name) has no primary that takes writes now; see `evenkeel describe cluster \(name)`.\n" }
        var text = "primary    \(primary.address):\(primary.port)  (\(primary.name) on \(primary.host), \(primary.zone))\n"
        for replica in replicas {
            text += "replica    \(replica.address):\(replica.port)  (\(replica.name) on \(replica.host), \(replica.zone))\n"
        }
        if let account = cluster.accounts.first {
            let database = cluster.databases.first.map { " " + $0 } ?? ""
            text += """

                account    \(account.name) (from \(account.host)); its password is \(account.passwordFrom) of the server's configuration
                connect    mariadb --skip-ssl -h \(primary.address) -P \(primary.port) -u \(account.name) -p\(database)

                """
        }
        return text
    }

    private var dsn: String {
        guard let primary else { return "" }
        let account = cluster.accounts.first.map { $0.name + "@" } ?? ""
        return "mysql://\(account)\(primary.address):\(primary.port)/\(cluster.databases.first ?? "")\n"
    }

    private var environment: String {
        let prefix = String(name.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
        var text = ""
        if let primary { text += "\(prefix)_PRIMARY_HOST=\(primary.address)\n\(prefix)_PRIMARY_PORT=\(primary.port)\n" }
        text += "\(prefix)_REPLICAS=\(replicas.map { "\($0.address):\($0.port)" }.joined(separator: ","))\n"
        if let database = cluster.databases.first { text += "\(prefix)_DATABASE=\(database)\n" }
        if let account = cluster.accounts.first { text += "\(prefix)_USER=\(account.name)\n" }
        return text
    }

    private var haproxy: String {
        instances.map { instance in
            "    server \(instance.name) \(instance.address):\(instance.port) check addr \(instance.address) port \(healthPort)\n"
        }.joined()
    }

    func json(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("cluster", name)
        writer.key("primary")
        if let primary { primary.write(to: &writer) } else { writer.writeNull() }
        writer.member("replicas", replicas)
        writer.member("databases", cluster.databases)
        writer.member("accounts", cluster.accounts)
        writer.endObject()
    }
}

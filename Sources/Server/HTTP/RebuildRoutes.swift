import ControlAPI
import FleetModel
import Hummingbird
import JSONStream
import Logging
import MetadataStore
import Planning
import Reconciliation

/// `/api/v1/rebuild`: what a rebuild of the store would come to, and its approval.
struct RebuildRoutes: Sendable {
    let control: ControlPlane

    /// Entries of each kind of choice; beyond, the fleet is better mended by other means.
    private static let choicesMax = 1000

    func add(to router: Router<APIContext>) {
        router.get(RouterPath(Route.rebuild)) { request, context in
            _ = try context.identity(with: .viewer)
            let parameters = request.uri.queryParameters
            var command = RebuildCommand()
            command.without = parameters[values: "without"].map(String.init)
            command.create = parameters[values: "create"].map(String.init)
            for text in parameters[values: "writer"] {
                let parts = text.split(separator: "=", maxSplits: 1)
                guard parts.count == 2 else { throw RebuildRoutes.noWriter(String(text)) }
                command.writers[String(parts[0])] = String(parts[1])
            }
            let view = try await control.reconciler.rebuild(try RebuildRoutes.choices(command))
            return APIRouter.json(RebuildDocument(view))
        }
        router.post(RouterPath(Route.rebuild)) { request, context in
            let by = try context.identity(with: .admin).subject
            let command: RebuildCommand = try await APIRouter.body(request)
            try await control.reconciler.approve(
                RebuildApproval(digest: command.digest, choices: try RebuildRoutes.choices(command), by: by))
            context.logger.notice("the store's rebuild was approved", metadata: ["by": "\(by)"])
            return APIRouter.json(SettleDocument(result: "rebuilt"))
        }
    }

    private static func choices(_ command: RebuildCommand) throws -> RebuildChoices {
        guard max(command.without.count, command.writers.count, command.create.count) <= choicesMax else {
            throw APIError(.unprocessableContent, "there are more than \(choicesMax) choices of a kind")
        }
        var choices = RebuildChoices()
        choices.without = Set(command.without)
        choices.create = Set(command.create)
        for (cluster, instance) in command.writers {
            if instance == "none" {
                choices.writers[cluster] = .nobody
            } else {
                guard instance.hasPrefix(cluster + "-"), let ordinal = Int(instance.dropFirst(cluster.count + 1)), ordinal > 0
                else { throw noWriter("\(cluster)=\(instance)") }
                choices.writers[cluster] = .instance(ordinal)
            }
        }
        return choices
    }

    private static func noWriter(_ text: String) -> APIError {
        APIError(.unprocessableContent, "--writer: \"\(text.prefix(100))\" names no instance of a cluster", help: "write CLUSTER=INSTANCE, such as orders=orders-2, or CLUSTER=none")
    }
}

extension RebuildDocument {
    init(_ view: RebuildView) {
        self.init()
        since = view.since
        revision = view.revision
        digest = view.proposal.digest
        hosts = view.hosts
        silent = view.proposal.silent
        clusters = view.proposal.clusters.map(RebuildClusterDocument.init)
        strays = view.proposal.strays.map { "\($0.host): \($0.id), \($0.why)" }
        adopts = view.adopts
        refusals = view.proposal.mistakes + view.refusals
    }
}

extension RebuildClusterDocument {
    init(_ cluster: RebuiltCluster) {
        self.init()
        name = cluster.name
        uid = cluster.uid
        standing = cluster.standing.rawValue
        isDeclared = cluster.isDeclared
        epoch = cluster.epoch
        gtidDomain = cluster.gtidDomain
        writer = cluster.writer.map { "\(cluster.name)-\($0)" } ?? ""
        writerKnownBy = cluster.writerKnownBy
        instances = cluster.instances.map { RebuildInstanceDocument($0, of: cluster.name) }
        problems = cluster.problems.map { "\($0.message). \($0.help)." }
        notes = cluster.notes
    }
}

extension RebuildInstanceDocument {
    init(_ found: RebuiltInstance, of cluster: String) {
        self.init()
        name = "\(cluster)-\(found.ordinal)"
        host = found.host
        state = InstanceDocument.word(found.report)
        epoch = found.report.epoch
        let database = found.report.database
        position = (database?.replication == nil ? database?.binlogPosition : database?.appliedPosition)?.description ?? ""
    }
}

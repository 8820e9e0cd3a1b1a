package import FleetModel

/// What records are made anew from.
package struct RebuildFacts: Sendable {
    /// As git declares it.
    package var fleet: DesiredFleet
    /// Reports that are fresh, by host.
    package var reports: [String: HostReport]
    /// What the store holds, older than what agents see: the records of a backup, or nothing, with its new identity.
    package var known: FleetRecords
    package var now: Instant

    package init(fleet: DesiredFleet, reports: [String: HostReport], known: FleetRecords, now: Instant) {
        self.fleet = fleet
        self.reports = reports
        self.known = known
        self.now = now
    }
}

/// What only an operator can say.
package struct RebuildChoices: Sendable, Hashable {
    package enum Writer: Sendable, Hashable {
        case instance(Int)
        /// The cluster is left as it is: it waits until its writer was found by another rebuild.
        case nobody
    }

    /// Hosts that are not waited for, and of which nothing is taken.
    package var without: Set<String> = []
    /// By cluster, where it cannot be told from outside.
    package var writers: [String: Writer] = [:]
    /// Declared clusters of which nothing was found, and that were never made: not on a host left out either.
    package var create: Set<String> = []

    package init() {}
}

/// Records as they would be after an approval, and what an operator has to know before.
package struct RebuildProposal: Sendable {
    package var records: FleetRecords
    /// Sorted by name.
    package var clusters: [RebuiltCluster] = []
    /// Instances that belong to no cluster of these: they are left as they are.
    package var strays: [StrayInstance] = []
    /// Hosts that are declared, or held instances, and are silent; those left out are not among them. Sorted.
    package var silent: [String] = []
    /// What is wrong with the choices themselves: names of nothing.
    package var mistakes: [String] = []
    /// Of all that matters in what was seen, whatever was chosen: not of positions and the like, which move.
    package var digest = ""

    package init(records: FleetRecords) { self.records = records }

    /// Sentences, each with how to mend it; an approval is refused where there is one.
    package var refusals: [String] {
        let hosts = silent.isEmpty
            ? [] : ["\(silent.joined(separator: ", ")): no fresh report. Start \(silent.count == 1 ? "its agent" : "their agents"), or go on with --without \(silent.joined(separator: ","))."]
        return hosts + clusters.flatMap { cluster in cluster.problems.map { "\(cluster.name): \($0.message). \($0.help)." } }
    }
}

package struct RebuiltCluster: Sendable, Hashable {
    package enum Standing: String, Sendable, Hashable {
        /// Agents hold instances of it.
        case found
        /// Only the records that were put back know it.
        case recorded
        /// Only git knows it: it is made after the approval.
        case new
    }

    package var name: String
    package var uid: String
    package var standing: Standing
    package var isDeclared: Bool
    package var epoch: Int64 = 0
    package var gtidDomain: Int64 = 0
    /// Its ordinal, and how it is known.
    package var writer: Int?
    package var writerKnownBy = ""
    /// What was found, by ordinal.
    package var instances: [RebuiltInstance] = []
    package var problems: [RebuildProblem] = []
    package var notes: [String] = []

    package init(name: String, uid: String, standing: Standing, isDeclared: Bool) {
        self.name = name
        self.uid = uid
        self.standing = standing
        self.isDeclared = isDeclared
    }

    mutating func problem(_ message: String, _ help: String) { problems.append(RebuildProblem(message: message, help: help)) }
}

package struct RebuiltInstance: Sendable, Hashable {
    package var ordinal: Int
    package var host: String
    package var report: InstanceReport
}

package struct StrayInstance: Sendable, Hashable {
    package var host: String
    package var id: InstanceID
    package var why: String
}

/// Why a cluster cannot be taken as it was found; both without a full stop.
package struct RebuildProblem: Sendable, Hashable {
    package var message: String
    package var help: String
}

extension RebuildProposal {
    /// Everything that an approval is about, as text.
    func digest(of facts: RebuildFacts) -> String {
        var lines = ["store \(records.storeID)", "revision \(facts.fleet.revision.commit)"]
        lines += silent.map { "silent \($0)" } + strays.map { "stray \($0.id) \($0.host)" }
        lines.append("counters \(records.nextServerNumber) \(records.nextDomainNumber) \(records.clustersMade)")
        for cluster in clusters {
            lines.append("\(cluster.name) \(cluster.uid) \(cluster.standing) \(cluster.epoch) \(cluster.gtidDomain) \(cluster.writer ?? 0) \(cluster.writerKnownBy)")
            lines += cluster.problems.map { "problem \($0.message)" }
            lines += cluster.instances.map { found in
                "\(found.ordinal) \(found.host) \(found.report.port) \(found.report.directory) \(found.report.epoch) \(found.report.isWriter)"
            }
            for member in records.clusters[cluster.name]?.members ?? [] {
                // The end of a retention moves with the clock.
                let phase = if case .retired = member.phase { "retired" } else { "\(member.phase)" }
                lines.append("member \(member.ordinal) \(member.host) \(member.address) \(member.port) \(member.serverID) \(phase)")
            }
        }
        return String(SHA256.hex(lines.joined(separator: "\n")).prefix(RebuildProposal.digestLength))
    }

    private static let digestLength = 12
}

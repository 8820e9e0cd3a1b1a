import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What is wrong now, and how to mend it: server, sources, hosts, units.",
        discussion: """
            Examples:
              evenkeel doctor
              evenkeel doctor hz-a-1

            Exit codes: 0 all is well, 1 something is wrong, 8 a host seen before is silent.
            """)

    @Argument(help: "Only this host and what is on it.")
    var host: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let fleet: FleetDocument = try await Client.with(connection) { try await $0.get(Route.fleet) }
        if let host, !fleet.hosts.contains(where: { $0.name == host }) {
            throw CommandError("there is no host \"\(host)\"", help: "see `evenkeel get hosts`")
        }
        let view = DoctorView(fleet: fleet, host: host)
        output.show(view)
        try view.status.leave()
    }
}

struct DoctorView: View {
    struct Problem: Hashable {
        var what: String
        var message: String
        var help: String
        var status: ExitStatus = .error
    }

    var problems: [Problem]

    init(fleet: FleetDocument, host: String?) {
        problems = host == nil ? DoctorView.ofSources(fleet) : []
        problems += fleet.hosts.filter { host == nil || $0.name == host }.compactMap(DoctorView.ofHost)
        problems += fleet.units.flatMap { unit in
            DoctorView.ofUnit(unit, onlyHost: host)
        }
    }

    var names: [String] { problems.map(\.what) }
    var status: ExitStatus { ExitStatus.first(of: Set(problems.map(\.status))) }

    private static func ofSources(_ fleet: FleetDocument) -> [Problem] {
        fleet.sources.flatMap { source -> [Problem] in
            var problems: [Problem] = []
            if !source.problem.isEmpty {
                problems.append(Problem(what: "source \(source.name)", message: source.problem, help: "mend the repository or its address in the server's configuration"))
            }
            if !source.approvalNeeded.isEmpty {
                problems.append(Problem(what: "source \(source.name)", message: source.approvalNeeded, help: "look at the plan, then `evenkeel approve \(source.seen?.short ?? "REVISION")`"))
            }
            return problems
        }
    }

    private static func ofHost(_ host: HostDocument) -> Problem? {
        switch host.state {
        case "silent":
            Problem(what: "host \(host.name)", message: "its agent was last heard \(ageText(host.age)) ago", help: "look whether `evenkeel agent --host \(host.name)` runs there and reaches the server", status: .hostIsSilent)
        case "unknown":
            Problem(what: "host \(host.name)", message: "its agent was never heard", help: "enrol it: `evenkeel token enrolment \(host.name)`, then `evenkeel agent` there")
        default:
            host.engines.isEmpty
                ? Problem(what: "host \(host.name)", message: "no engine is installed there", help: "apt-get install mariadb-server-core mariadb-client-core mariadb-backup")
                : nil
        }
    }

    private static func ofUnit(_ unit: UnitDocument, onlyHost: String?) -> [Problem] {
        var problems: [Problem] = []
        for finding in unit.findings.byPriority where onlyHost == nil || finding.host == onlyHost {
            let help = NamedCondition.of(finding.reason)?.mend ?? "see `evenkeel describe \(unit.kind.lowercased()) \(unit.name)`"
            problems.append(Problem(what: "\(unit.id) \(finding.subject)", message: "\(finding.reason): \(finding.message)", help: help))
        }
        if onlyHost == nil {
            let told = Set(unit.findings.map(\.reason))
            for condition in unit.conditions where condition.isTrue && condition.type == .stalled && !told.contains(condition.reason) {
                problems.append(Problem(what: unit.id, message: "\(condition.reason): \(condition.message)", help: help(unit)))
            }
            if !unit.refusal.isEmpty { problems.append(Problem(what: unit.id, message: unit.refusal, help: "change the manifest at \(unit.position)", status: .refusedForSafety)) }
        }
        return problems
    }

    /// What failed is named by the message; the manifest's place is where most of it is mended.
    private static func help(_ unit: UnitDocument) -> String {
        let place = unit.position.isEmpty ? "" : ", declared at \(unit.position)"
        return "mend what the message names\(place); it is tried again by itself, and a commit or `evenkeel reconcile \(unit.id)` does so sooner"
    }

    func text(terminal: Terminal, isWide: Bool) -> String {
        guard !problems.isEmpty else { return "All is well.\n" }
        return problems.map { problem in
            terminal.bold(problem.what) + ": " + problem.message + "\n"
                + (problem.help.isEmpty ? "" : "  help: " + problem.help + "\n")
        }.joined()
    }

    func json(to writer: inout JSONWriter) {
        writer.beginArray()
        for problem in problems {
            writer.beginObject()
            writer.member("what", problem.what)
            writer.member("message", problem.message)
            writer.member("help", problem.help)
            writer.endObject()
        }
        writer.endArray()
    }
}

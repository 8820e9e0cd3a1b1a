import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Tasks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What is being done and was done, newest first.",
        discussion: """
            Examples:
              evenkeel tasks
              evenkeel tasks orders --watch
              evenkeel tasks -o wide                 with what caused each
            """)

    @Argument(help: "Only of this unit, as Kind/name; a name alone is a cluster's.")
    var unit: String?
    @Option(help: "How many.")
    var limit = 50
    @Flag(name: [.short, .long], help: "Show them again after every change.")
    var watch = false
    @Flag(help: "One line for each task as it ends, until everything has converged; then exit.")
    var follow = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let unit = try unit.map(parseUnit)
        let query = listQuery(unit, limit: limit)
        try await Client.with(connection) { client in
            if follow {
                try await TaskFollower(client: client, unit: unit).run()
            } else {
                try await output.showAndWatch(client, isWatching: watch) {
                    TasksView(tasks: try await client.get(Route.tasks, query: query))
                }
            }
        }
    }
}

struct TasksView: View {
    var tasks: [TaskDocument]

    var names: [String] { tasks.map(\.id) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var table = Table(
            ["STARTED (UTC)", "TOOK", "STATE", "HOST", "UNIT", "TASK"] + (isWide ? ["CAUSE", "ID"] : []) + ["MESSAGE"],
            whenEmpty: "Nothing was done yet.")
        for task in tasks {
            table.rows.append(
                [
                    timeText(task.started), tookText(task), task.state, task.host.isEmpty ? "-" : task.host, task.unit,
                    task.summary,
                ] + (isWide ? [task.cause, task.id] : []) + [task.message])
        }
        return table.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) { tasks.write(to: &writer) }
}

/// How long a task took, to a tenth of a second; `-` while it runs.
func tookText(_ task: TaskDocument) -> String {
    guard let ended = task.ended else { return "-" }
    let tenths = max(0, (ended - task.started).milliseconds + 50) / 100
    return "\(tenths / 10).\(tenths % 10)s"
}

/// Prints each task once as it ends, until every unit (or the one) is settled.
struct TaskFollower {
    var client: Client
    var unit: UnitID?

    private static let tasksRead = 500

    func run() async throws {
        var told: Set<String> = []
        var began = 0
        func tell() async throws -> Bool {
            let fleet: FleetDocument = try await client.get(Route.fleet)
            let tasks: [TaskDocument] = try await client.get(
                Route.tasks, query: listQuery(unit, limit: TaskFollower.tasksRead))
            for task in tasks.reversed() where task.state != "running" && told.insert(task.id).inserted {
                began += 1
                Terminal.standardOutput.write(TaskFollower.line(task))
            }
            let units = fleet.units(ofKind: nil, named: unit?.description)
            return !units.isEmpty && units.allSatisfy { $0.isConverged }
        }
        if try await tell() { return }
        try await client.lines(Route.watch) { _ in try await !tell() }
    }

    private static func line(_ task: TaskDocument) -> String {
        let took = String(repeating: " ", count: max(0, 6 - tookText(task).count)) + tookText(task)
        let place = task.host.isEmpty ? task.target : "\(task.target) on \(task.host)"
        let end = task.state == "succeeded" ? "" : "  \(task.state): \(task.message)"
        return "  \(took)  \(task.action)  \(place)  \(task.summary)\(end)\n"
    }
}

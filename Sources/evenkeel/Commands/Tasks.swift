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
    @Flag(help: "One line for each task as it ends, until everything has converged, then exit; 1 where it is stalled.")
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

/// Prints each task once as it ends, until the server says that every unit (or the one) is settled.
struct TaskFollower {
    var client: Client
    var unit: UnitID?

    /// How long one question waits for its answer.
    private static let waitSeconds = 30

    func run() async throws {
        let (client, unit) = (client, unit)
        let printer = TaskPrinter(client: client, unit: unit)
        let settled = try await withThrowingTaskGroup(of: SettleDocument?.self) { group in
            group.addTask {
                try await printer.tell()
                try await client.lines(Route.watch) { _ in
                    try await printer.tell()
                    return true
                }
                return nil
            }
            group.addTask { try await TaskFollower.settled(client, unit) }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let settled else {
            throw CommandError("the server ended the connection before everything had converged", help: "run it again once the server is up")
        }
        try await printer.tell()
        guard settled.result != "stalled" else {
            Terminal.standardError.write(SettleView(settled: settled).text(terminal: .standardError, isWide: false))
            throw ExitStatus.error
        }
    }

    /// Asks again and again: the server knows which units there are before they had their first pass.
    private static func settled(_ client: Client, _ unit: UnitID?) async throws -> SettleDocument {
        let query = [("wait", String(waitSeconds))] + (unit.map { [("unit", $0.description)] } ?? [])
        while true {
            try Task.checkCancellation()
            let answer: SettleDocument = try await client.get(Route.settled, query: query)
            if answer.result != "waiting" { return answer }
        }
    }
}

/// Tells each task that ended once.
private actor TaskPrinter {
    private let client: Client
    private let unit: UnitID?
    private var told: Set<String> = []

    private static let tasksRead = 500

    init(client: Client, unit: UnitID?) {
        self.client = client
        self.unit = unit
    }

    func tell() async throws {
        let tasks: [TaskDocument] = try await client.get(Route.tasks, query: listQuery(unit, limit: Self.tasksRead))
        for task in tasks.reversed() where task.state != "running" && told.insert(task.id).inserted {
            Terminal.standardOutput.write(TaskPrinter.line(task))
        }
    }

    private static func line(_ task: TaskDocument) -> String {
        let took = String(repeating: " ", count: max(0, 6 - tookText(task).count)) + tookText(task)
        let place = task.host.isEmpty ? task.target : "\(task.target) on \(task.host)"
        let end = task.state == "succeeded" ? "" : "  \(task.state): \(task.message)"
        return "  \(took)  \(task.action)  \(place)  \(task.summary)\(end)\n"
    }
}

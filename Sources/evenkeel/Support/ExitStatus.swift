/// The exit codes of the command line, a contract with scripts. Thrown where a command ends with another than 0 and
/// has already said why.
enum ExitStatus: Int32, Error {
    case nothingToDo = 0
    case error = 1
    case changes = 2
    case refusedForSafety = 3
    case didNotConverge = 4
    case planIsStale = 5
    case driftOnly = 6
    case partlyApplied = 7
    case hostIsSilent = 8

    /// Of several, the one that applies first.
    static let precedence: [ExitStatus] = [
        .error, .refusedForSafety, .planIsStale, .partlyApplied, .hostIsSilent, .changes, .driftOnly, .didNotConverge,
    ]

    static func first(of statuses: Set<ExitStatus>) -> ExitStatus {
        precedence.first { statuses.contains($0) } ?? .nothingToDo
    }

    /// Ends the command with this code, unless it is 0.
    func leave() throws {
        if self != .nothingToDo { throw self }
    }
}

/// Why a command could not do what it was asked: what failed and why in `message`, how to mend it in `help`.
struct CommandError: Error {
    var message: String
    var help: String
    var status: ExitStatus

    init(_ message: String, help: String = "", status: ExitStatus = .error) {
        self.message = message
        self.help = help
        self.status = status
    }

    /// As standard error gets it.
    var text: String {
        var text = Terminal.standardError.bold("error: ") + message + "\n"
        if !help.isEmpty { text += Terminal.standardError.bold("help: ") + help + "\n" }
        return text
    }
}

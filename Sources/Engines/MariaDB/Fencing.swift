import FleetModel

// Ending a lost writer, so that it can acknowledge nothing more.
//
// Only SIGKILL does: a server that is asked to stop, or whose waiting commits are killed, commits and answers what no
// replica has. Delivered is what counts; on a disk that hangs the process may take for ever to go.

extension InstanceStopper {
    /// How long the last position in its binary log may take to be read.
    static let tailBound: Duration = .seconds(5)

    /// Kills the process, and makes starts that are under way come to nothing. The result's position is the last in its
    /// binary log, which bounds all that it ever acknowledged; nil where that cannot be read.
    func fence() async throws -> TaskResult {
        process.barStarts()
        calls.cancel([.start, .work])
        let outcome = try process.kill(waitingAtMost: Self.endBound)
        // While a thread of it may still write the end of the log is not known.
        let position = outcome.isOver ? try? await read(within: Self.tailBound, { try $0.written(until: $1) }) : nil
        return TaskResult(acted: outcome.wasDelivered, position: position)
    }
}

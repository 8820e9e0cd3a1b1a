import ChildProcess
import Dispatch
import FleetModel
import MetadataStore
import Synchronization

/// An executable that the server's configuration names, with its fixed arguments. A channel can only choose one by its
/// name.
package struct AlertScript: Sendable, Hashable {
    /// An absolute path.
    package var path: String
    package var arguments: [String]

    package init(path: String, arguments: [String] = []) {
        self.path = path
        self.arguments = arguments
    }
}

/// Runs alert scripts: no shell of ours, the payload on standard input, what matters in variables, and an end with the
/// whole process group when the time is over.
final class ScriptRunner: Sendable {
    private let scripts: [String: AlertScript]
    private let queue = DispatchQueue(label: "evenkeel.alerts.scripts", attributes: .concurrent)
    private let running = Mutex(0)

    /// Scripts at once; each holds a thread.
    static let scriptsMax = 32
    /// Of what a script prints, so many last bytes are kept, and so many of them reach a message.
    private static let outputMax = 16 * 1024
    private static let tailMax = 400

    init(scripts: [String: AlertScript]) { self.scripts = scripts }

    func run(_ delivery: Delivery, script name: String, timeLimit: Duration) async throws(DeliveryFailure) {
        guard let script = scripts[name] else {
            throw .transient("the server's configuration has no script \(name); add it under scripts")
        }
        let child = ChildProcess(
            program: script.path, arguments: script.arguments, environment: Self.environment(delivery), directory: "/",
            input: Array(delivery.payload.utf8), timeLimit: timeLimit, outputMax: Self.outputMax, endsGroup: true)
        let isFree = running.withLock { count in
            guard count < Self.scriptsMax else { return false }
            count += 1
            return true
        }
        guard isFree else { throw .transient("\(Self.scriptsMax) scripts run already") }
        let result = await run(child)
        running.withLock { $0 -= 1 }
        if let failure = Self.failure(result, name: name, timeLimit: timeLimit) { throw failure }
    }

    /// Ends the child when the task is cancelled.
    private func run(_ child: ChildProcess) async -> Result<Ended, ChildProcessError> {
        let flag = Flag()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Ended, ChildProcessError>, Never>) in
                queue.async {
                    continuation.resume(
                        returning: Result { () throws(ChildProcessError) in try child.run { flag.isSet.withLock { $0 } } })
                }
            }
        } onCancel: {
            flag.isSet.withLock { $0 = true }
        }
    }

    private final class Flag: Sendable {
        let isSet = Mutex(false)
    }

    private static func failure(_ result: Result<Ended, ChildProcessError>, name: String, timeLimit: Duration) -> DeliveryFailure? {
        let ended: Ended
        switch result {
        case .failure(let error): return .transient("script \(name): \(error)")
        case .success(let value): ended = value
        }
        let printed = ended.errorText.isEmpty ? ended.outputText : ended.errorText
        let tail = printed.split(whereSeparator: \.isNewline).suffix(5).joined(separator: " / ").suffix(tailMax)
        let detail = tail.isEmpty ? "" : ": " + tail
        switch ended.status {
        case .exited(0): return nil
        case .exited(let code): return .transient("script \(name) ended with exit code \(code)\(detail)")
        case .signalled(let signal): return .transient("script \(name) was ended by signal \(signal)\(detail)")
        case .cancelled: return .transient("script \(name) was ended with the server")
        case .timedOut: return .transient("script \(name) did not end within \(timeLimit.milliseconds) ms and was ended\(detail)")
        }
    }

    /// Nothing of the server's own environment but where programs are.
    static func environment(_ delivery: Delivery) -> [String: String] {
        var result = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "EVENKEEL_STATUS": AlertPayload.status(delivery.isResolved), "EVENKEEL_CHANNEL": delivery.channel.metadata.name,
            "EVENKEEL_MESSAGE": delivery.message,
        ]
        for (name, value) in delivery.alert.labels.merging(delivery.alert.annotations, uniquingKeysWith: { label, _ in label }) {
            // An environment has no zero byte; a value that has one is cut there by nobody else.
            result["EVENKEEL_" + name.uppercased()] = value.replacing("\0", with: " ")
        }
        return result
    }
}

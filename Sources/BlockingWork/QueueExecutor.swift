import Dispatch

/// A serial queue of its own as an actor's executor, so that calls that block (a socket, fsync, waiting for a child)
/// never hold a thread of the cooperative pool.
package final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    /// `label` is what debuggers show as the thread's name.
    package init(label: String) { queue = DispatchQueue(label: label) }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        queue.async { job.runSynchronously(on: executor) }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Actors on this executor pass `assumeIsolated` and dispatch's own preconditions.
    package func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}

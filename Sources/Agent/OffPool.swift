import Glibc

/// Runs a call that blocks (a disk's sync, a child process) on a thread of its own, so that it never holds one of the
/// cooperative pool. For calls that are rare: each costs the start of a thread.
func offPool<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        let job = Unmanaged.passRetained(
            Job {
                let value = body()
                return { continuation.resume(returning: value) }
            })
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, job.toOpaque())
        if code == 0 {
            pthread_detach(thread)
        } else {
            // No thread is to be had: late is better than never.
            job.takeRetainedValue().run()
        }
    }
}

private final class Job {
    private var work: (() -> () -> Void)?

    /// `work` does it and returns how to tell.
    init(_ work: @escaping () -> () -> Void) { self.work = work }

    /// What the work holds is released before its end is told.
    func run() {
        let tell = work?()
        work = nil
        tell?()
    }
}

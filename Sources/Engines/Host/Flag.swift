import Synchronization

/// Up or down.
final class Flag: Sendable {
    private let isUp = Mutex(false)

    /// False where it was up already.
    func raise() -> Bool {
        isUp.withLock { isUp in
            defer { isUp = true }
            return !isUp
        }
    }

    func lower() { isUp.withLock { $0 = false } }
}

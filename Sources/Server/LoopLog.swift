import FleetModel
import Logging
import Reconciliation
import ServiceLifecycle

/// Writes what the loop has to say to the log.
struct LoopLog: Service {
    let reconciler: Reconciler
    let logger: Logger

    func run() async throws {
        for await notice in await reconciler.notices().cancelOnGracefulShutdown() {
            let level: Logger.Level =
                switch notice.level {
                case .info: .info
                case .warning: .warning
                case .error: .error
                }
            logger.log(level: level, "\(notice.message)", metadata: notice.metadata.mapValues { .string($0) })
        }
    }
}

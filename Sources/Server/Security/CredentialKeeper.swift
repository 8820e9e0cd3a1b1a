import FleetModel
import Logging
import Reconciliation
import ServiceLifecycle

/// Reads the credentials again and again where another server may make and take away some: who lost one is refused by every
/// server soon.
struct CredentialKeeper: Service {
    let tokens: Tokens
    let clock: any TimeSource
    let logger: Logger

    private static let interval = Duration.seconds(5)

    func run() async throws {
        try await untilGracefulShutdown {
            while true {
                do {
                    try await tokens.refresh()
                } catch let error where !(error is CancellationError) {
                    logger.info("credentials wait for the store", metadata: ["reason": "\(error)"])
                }
                try await clock.sleep(until: clock.now() + CredentialKeeper.interval)
            }
        }
    }
}

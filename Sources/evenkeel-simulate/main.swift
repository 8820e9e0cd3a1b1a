import ArgumentParser
import SimulationCommand

do {
    try await Simulate.parse().run()
} catch {
    Simulate.exit(withError: error)
}

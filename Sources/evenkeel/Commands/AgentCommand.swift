import ArgumentParser
struct AgentCommand: AsyncParsableCommand { static let configuration = CommandConfiguration(commandName: "agent") }

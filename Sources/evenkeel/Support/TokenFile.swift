import FoundationEssentials

/// Where a server leaves its first administrator's token for the user who started it, and where that user's commands
/// look for it: `~/.config/evenkeel/tokens/<host>_<port>`.
enum TokenFile {
    static func path(forServer url: String) -> String {
        let address = url.split(separator: "://", maxSplits: 1).last.map(String.init) ?? url
        let name = address.map { $0.isLetter || $0.isNumber || $0 == "." || $0 == "-" ? $0 : "_" }
        return directory + "/" + String(name)
    }

    private static var directory: String {
        let environment = ProcessInfo.processInfo.environment
        let base = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? (environment["HOME"] ?? "/root") + "/.config"
        return base + "/evenkeel/tokens"
    }
}

import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// One of the two output streams: whether it is a terminal, how wide, and whether it may be coloured.
struct Terminal: Sendable {
    private let descriptor: Int32
    let isTerminal: Bool
    /// Columns; where there is no terminal, wide enough that nothing is folded.
    let width: Int
    let hasColor: Bool

    static let standardOutput = Terminal(STDOUT_FILENO)
    static let standardError = Terminal(STDERR_FILENO)
    private static let widthOfFiles = 1000

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        let environment = ProcessInfo.processInfo.environment
        var size = winsize()
        if let columns = environment["COLUMNS"].flatMap(Int.init), columns > 20 {
            width = columns
        } else if isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 {
            width = Int(size.ws_col)
        } else {
            width = Terminal.widthOfFiles
        }
        let noColor = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        hasColor = isTerminal && !noColor && environment["TERM"] != "dumb"
    }

    /// Writes all of it. A reader that went away ends the command quietly: the rest is of no use to anyone.
    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                Glibc.exit(ExitStatus.error.rawValue)
            }
        }
    }

    func bold(_ text: String) -> String { style(text, "1") }
    func green(_ text: String) -> String { style(text, "32") }
    func yellow(_ text: String) -> String { style(text, "33") }
    func red(_ text: String) -> String { style(text, "31") }
    func faint(_ text: String) -> String { style(text, "2") }

    private func style(_ text: String, _ code: String) -> String {
        hasColor && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

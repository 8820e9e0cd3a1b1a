import ControlAPI
import JSONStream

/// What a command shows: a form for people and one for machines, behind one protocol, so that no command can print one
/// and forget the other.
protocol View {
    /// Lines for people; `isWide` asks for every column.
    func text(terminal: Terminal, isWide: Bool) -> String
    /// Exactly one JSON value, stable.
    func json(to writer: inout JSONWriter)
    /// What `-o name` lists, one a line.
    var names: [String] { get }
}

extension View {
    func render(_ format: OutputFormat) -> String {
        switch format {
        case .table: return text(terminal: .standardOutput, isWide: false)
        case .wide: return text(terminal: .standardOutput, isWide: true)
        case .name: return names.map { $0 + "\n" }.joined()
        case .json: return jsonText + "\n"
        case .yaml: return YAMLText.text(ofJSON: jsonText)
        }
    }

    private var jsonText: String {
        var writer = JSONWriter()
        json(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension OutputOptions {
    func show(_ view: some View) { Terminal.standardOutput.write(view.render(output)) }

    /// Shows what `load` gives now and again after every change that the server tells of, until interrupted. A result
    /// that is the same as the last is not repeated. On a terminal the screen is redrawn; elsewhere results follow one
    /// another.
    func showAndWatch(_ client: Client, isWatching: Bool, load: @Sendable () async throws -> any View) async throws {
        var last = ""
        func showNew(_ view: any View) {
            let text = view.render(output)
            guard text != last else { return }
            let clear = isWatching && Terminal.standardOutput.isTerminal ? "\u{1B}[H\u{1B}[2J" : ""
            Terminal.standardOutput.write(clear + text)
            last = text
        }
        showNew(try await load())
        guard isWatching else { return }
        try await client.lines(Route.watch) { _ in
            showNew(try await load())
            return true
        }
    }
}

import FleetModel

/// A configuration's text: our settings, then a line that says so and the declared parameters, one `name=value` a line.
struct ConfigurationFile: Sendable, Hashable {
    /// The line under which the declared parameters are.
    static let declaredLine = "# declared parameters"

    let text: String

    init(_ text: String) { self.text = text }

    /// The parameters under the line, by name (lower case, `_` for `-`), with their declared values.
    var declared: [String: String] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { $0.trimmedSpaces == Self.declaredLine }) else { return [:] }
        return Dictionary(lines[(start + 1)...].compactMap(Self.setting), uniquingKeysWith: { _, last in last })
    }

    /// Names of all settings, ours and the declared ones.
    var names: Set<String> {
        Set(text.split(separator: "\n").compactMap(Self.setting).map(\.0))
    }

    /// The value of a setting, the last one where it stands twice.
    func value(_ name: String) -> String? {
        text.split(separator: "\n").compactMap(Self.setting).last { $0.0 == name }?.1
    }

    private static func setting(_ line: Substring) -> (String, String)? {
        let line = line.trimmedSpaces
        guard let first = line.first, !"#;[!".contains(first) else { return nil }
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        var name = String(parts[0].trimmedSpaces).lowercased().split(separator: "-").joined(separator: "_")
        if name.hasPrefix("loose_") { name.removeFirst(6) }
        return (name, parts.count > 1 ? String(parts[1].trimmedSpaces) : "")
    }
}

extension InstanceLayout {
    /// Writes an ordered configuration; true where it was another one before. `my.cnf` is last, so that a crash
    /// between the two shows as a departure, which is written again.
    func writeConfiguration(_ ordered: String) throws(EngineError) -> Bool {
        let wanted = substituted(ordered)
        if try Files.text(template) == ordered, try Files.text(configuration) == wanted { return false }
        try Files.write(template, ordered)
        try Files.write(configuration, wanted)
        return true
    }

    /// SHA-256 of the configuration as ordered, or of the file where somebody else changed it; nil where it is gone.
    func configurationDigest() throws(EngineError) -> String? {
        guard let actual = try Files.text(configuration) else { return nil }
        if let ordered = try Files.text(template), substituted(ordered) == actual { return SHA256.hex(ordered) }
        return SHA256.hex(actual)
    }
}

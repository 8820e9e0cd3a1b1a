/// Keeps out of diagnostics what somebody wrote into a manifest that does not belong there: diagnostics go to logs,
/// events and alert channels.
enum SecretMask {
    private static let names = ["password", "passwd", "pwd", "secret", "token", "authorization", "api-key", "apikey", "cookie"]
        .map { Array($0.unicodeScalars) }
    private static let mask: Unicode.Scalar = "•"

    /// The line with each character of a secret's value masked, so that columns stay.
    static func masked(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var line = line
        for colon in line.indices where line[colon] == ":" {
            if isAddress(line, colon) {
                maskUser(&line, from: colon + 3)
            } else if names.contains(where: { ends(line[..<colon], with: $0) }) {
                maskValue(&line, from: colon + 1)
            }
        }
        return line
    }

    private static func ends(_ text: ArraySlice<Unicode.Scalar>, with name: [Unicode.Scalar]) -> Bool {
        let key = text.last == "\"" || text.last == "'" ? text.dropLast() : text
        return key.suffix(name.count).map(\.properties.lowercaseMapping).joined() == String(String.UnicodeScalarView(name))
    }

    private static func isAddress(_ line: [Unicode.Scalar], _ colon: Int) -> Bool {
        line.count > colon + 2 && line[colon + 1] == "/" && line[colon + 2] == "/"
    }

    /// `https://name:password@host`: what stands before the `@`.
    private static func maskUser(_ line: inout [Unicode.Scalar], from start: Int) {
        let end = line[start...].firstIndex { $0 == "/" || $0 == " " } ?? line.count
        guard let at = line[start..<end].lastIndex(of: "@") else { return }
        for index in start..<at { line[index] = mask }
    }

    /// A value up to its end in a block or in a flow mapping.
    private static func maskValue(_ line: inout [Unicode.Scalar], from start: Int) {
        for index in start..<line.count where line[index] != " " {
            if line[index] == "," || line[index] == "}" { return }
            line[index] = mask
        }
    }
}

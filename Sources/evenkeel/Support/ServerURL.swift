/// A server's URL as people give it.
enum ServerURL {
    /// Without a slash at its end.
    static func trimmed(_ text: some StringProtocol) -> String {
        text.hasSuffix("/") && !text.hasSuffix("//") ? String(text.dropLast()) : String(text)
    }

    /// `address:port` of where it connects; nil where it names neither.
    static func addressAndPort(_ text: String) -> String? {
        guard let end = text.firstRange(of: "://") else { return nil }
        let place = text[end.upperBound...].prefix { $0 != "/" }
        let isHTTPS = text[..<end.lowerBound].lowercased() == "https"
        return place.last == "]" || !place.contains(":") ? "\(place):\(isHTTPS ? 443 : 80)" : String(place)
    }

    /// The URL as it was given, where it has a scheme that we speak and a host; `setting`: where it was given.
    static func checked(_ text: String, setting: String) throws(CommandError) -> String {
        guard let end = text.firstRange(of: "://") else {
            throw CommandError("\"\(text)\" is no server's URL: it does not begin with http:// or https://", help: "write http://\(text) for \(setting)")
        }
        let scheme = text[..<end.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw CommandError("\"\(text)\" is no server's URL: it begins with \(scheme)://", help: "give \(setting) an URL that begins with http:// or https://")
        }
        guard let first = text[end.upperBound...].first, first != "/", first != ":" else {
            throw CommandError("\"\(text)\" is no server's URL: it names no host", help: "give \(setting) an URL such as \(ConnectionOptions.serverDefault)")
        }
        return text
    }
}

/// Where a fleet repository is: an absolute path, a URL (`file`, `https`, `http`, `ssh`, `git`), or `user@host:path`.
///
/// Checked once, here, so that nothing that git would read as an option or run as a command gets near it.
package struct RemoteLocation: Sendable, Hashable {
    /// What git is given: without the password, which would show in the process list.
    let argument: String
    /// The user and password that stood in the URL.
    let credentials: Credentials?
    /// The directory of a local repository, where it is one.
    package let localPath: String?

    struct Credentials: Sendable, Hashable {
        var user: String
        var password: String
        /// Scheme, host and port that they are good for: `https://git.example:8443`.
        var scope: String
    }

    /// For messages and logs.
    package var redacted: String { argument }

    private static let schemes = ["file", "https", "http", "ssh", "git"]
    private static let lengthMax = 4096

    package init(_ text: String) throws(SourceError) {
        try Self.checkCharacters(text)
        if let range = text.firstRange(of: "://") {
            let scheme = text[..<range.lowerBound].lowercased()
            guard Self.schemes.contains(scheme) else {
                throw SourceError.refused("The source's URL has the scheme \(scheme); it may be \(Self.schemes.joined(separator: ", ")).")
            }
            (argument, credentials) = Self.split(scheme: scheme, rest: text[range.upperBound...])
            // Another host's file is none of ours; an encoded path is left to git.
            let path = text[range.upperBound...]
            localPath = scheme == "file" && path.hasPrefix("/") && !path.contains("%") ? String(path) : nil
        } else if text.hasPrefix("/") {
            (argument, credentials, localPath) = (text, nil, text)
        } else {
            try Self.checkHostAndPath(text)
            (argument, credentials, localPath) = (text, nil, nil)
        }
    }

    private static func checkCharacters(_ text: String) throws(SourceError) {
        guard !text.isEmpty, text.utf8.count <= lengthMax else {
            throw SourceError.refused("The source's location is empty or longer than \(lengthMax) bytes.")
        }
        guard !text.hasPrefix("-") else {
            throw SourceError.refused("The source's location begins with a dash, which git would take for an option.")
        }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
            throw SourceError.refused("The source's location contains a control character.")
        }
    }

    /// `user@host:path`, as ssh takes it, and not `helper::address`, which would run a program.
    private static func checkHostAndPath(_ text: String) throws(SourceError) {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex, !text[..<colon].contains("/") else {
            throw SourceError.refused("The source's location \(text) is neither an absolute path, nor a URL, nor user@host:path.")
        }
        guard !text[text.index(after: colon)...].hasPrefix(":") else {
            throw SourceError.refused("The source's location names a transport helper, which could run any program.")
        }
    }

    private static func split(scheme: String, rest: Substring) -> (String, Credentials?) {
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard scheme.hasPrefix("http"), let at = rest[..<end].lastIndex(of: "@") else {
            return (scheme + "://" + rest, nil)
        }
        let host = rest[rest.index(after: at)..<end]
        let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        // A token alone, without a user, is as secret as a password.
        let credentials = Credentials(
            user: decoded(parts[0]), password: parts.count > 1 ? decoded(parts[1]) : "", scope: scheme + "://" + host)
        return (scheme + "://" + host + rest[end...], credentials)
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The rules of `git check-ref-format` for a branch, so that a name can only ever be a name.
enum BranchName {
    static func check(_ name: String) throws(SourceError) {
        let forbidden = Set<Unicode.Scalar>([" ", "~", "^", ":", "?", "*", "[", "\\"])
        let hasForbidden = name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f || forbidden.contains($0) }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let hasBadPart = parts.contains { $0.isEmpty || $0.hasPrefix(".") || $0.hasSuffix(".lock") }
        guard !hasForbidden, !hasBadPart, !name.hasPrefix("-"), !name.hasSuffix("."), !name.contains(".."),
            !name.contains("@{"), name != "@", name.utf8.count <= 255
        else {
            throw SourceError.refused("The source's branch \"\(name)\" is not a name that git allows for a branch.")
        }
    }
}

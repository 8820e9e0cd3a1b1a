import ChildProcess

/// What git's own words mean for us.
enum GitDiagnosis {
    /// Of what git printed, so much reaches a message.
    private static let detailMax = 600

    private static let missing = [
        "does not appear to be a git repository", "repository not found", "does not exist", "not found",
        "no such file or directory", "not a git repository",
    ]
    private static let unauthorized = [
        "authentication failed", "could not read username", "could not read password", "permission denied",
        "host key verification failed", "terminal prompts disabled", "access denied", "the requested url returned error: 403",
        "the requested url returned error: 401", "dubious ownership",
    ]

    static func error(_ ended: Ended, location: RemoteLocation, branch: String?) -> SourceError {
        let text = redacted(ended.errorText, location)
        let lower = text.lowercased()
        let detail = tail(text, status: ended.status)
        if lower.contains("couldn't find remote ref") {
            return .branchMissing(branch: branch ?? "HEAD", location: location.redacted)
        }
        if unauthorized.contains(where: lower.contains) {
            return .notAuthorized(location: location.redacted, detail: detail)
        }
        if missing.contains(where: lower.contains) { return .repositoryMissing(location: location.redacted) }
        return .fetchFailed(location: location.redacted, detail: detail)
    }

    /// A lock that somebody who is gone has left in the mirror.
    static func isLocked(_ ended: Ended) -> Bool {
        let text = ended.errorText
        return text.contains(".lock") && (text.contains("File exists") || text.contains("Unable to create"))
    }

    /// Without what stands between `://` and `@`, and without the password wherever it stands.
    static func redacted(_ text: String, _ location: RemoteLocation) -> String {
        var text = text.replacing(#/:\/\/[^\/@\s]+@/#, with: "://***@")
        for secret in [location.credentials?.password, location.credentials?.user].compactMap({ $0 }) where secret.count > 3 {
            text = text.replacing(secret, with: "***")
        }
        return text
    }

    private static func tail(_ text: String, status: Ended.Status) -> String {
        let lines = text.split(whereSeparator: \.isNewline)
            .map { $0.hasPrefix("fatal: ") ? $0.dropFirst(7) : $0 }
            .filter { !$0.allSatisfy(\.isWhitespace) }
        let detail = lines.suffix(4).joined(separator: "; ").suffix(detailMax)
        if !detail.isEmpty { return detail.hasSuffix(".") ? String(detail.dropLast()) : String(detail) }
        switch status {
        case .exited(let code): return "it ended with exit code \(code)"
        case .signalled(let signal): return "it was ended by signal \(signal)"
        case .timedOut, .cancelled: return "it was ended by us"
        }
    }
}

package import JSONStream

/// What a refused request is answered with: what failed and why, how to mend it, and the exit code it stands for.
package struct ErrorDocument: JSONDocument, Hashable {
    package var error = ""
    package var help = ""
    package var exitStatus = 1

    package init() {}

    package init(_ error: String, help: String = "", exitStatus: Int = 1) {
        self.error = error
        self.help = help
        self.exitStatus = exitStatus
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("error", required: \.error),
        JSONField("help", \.help),
        JSONField("exitStatus", \.exitStatus),
    ]
}

/// A command on one unit, or on all where `unit` is nil: reconcile, suspend, resume.
package struct UnitCommand: JSONDocument, Hashable {
    /// `Cluster/orders`.
    package var unit: String?
    /// Reconcile only: answer when the unit has settled, at most after so long.
    package var waitSeconds: Int?

    package init() {}

    package init(unit: String?, waitSeconds: Int? = nil) {
        self.unit = unit
        self.waitSeconds = waitSeconds
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("unit", ifPresent: \.unit),
        JSONField("waitSeconds", ifPresent: \.waitSeconds),
    ]
}

/// Another writer for a cluster.
package struct SwitchoverCommand: JSONDocument, Hashable {
    /// `Cluster/orders`.
    package var unit = ""
    /// The instance's ordinal; nil: the best one.
    package var to: Int?

    package init() {}

    package init(unit: String, to: Int?) {
        self.unit = unit
        self.to = to
    }

    package static let fields: [JSONField<Self>] = [JSONField("unit", \.unit), JSONField("to", ifPresent: \.to)]
}

/// Who was asked to take over.
package struct SwitchoverDocument: JSONDocument, Hashable {
    /// `orders-2`.
    package var instance = ""

    package init() {}

    package init(instance: String) { self.instance = instance }

    package static let fields: [JSONField<Self>] = [JSONField("instance", \.instance)]
}

/// Which lost primary another one was asked to take over from.
package struct FailoverDocument: JSONDocument, Hashable {
    /// `orders-1`.
    package var from = ""

    package init() {}

    package init(from: String) { self.from = from }

    package static let fields: [JSONField<Self>] = [JSONField("from", \.from)]
}

/// How a `reconcile` with a wait ended.
package struct SettleDocument: JSONDocument, Hashable {
    /// `converged`, `waiting`, `stalled`, `suspended` (nothing else is left to do), or `requested` where nothing was
    /// waited for.
    package var result = "requested"
    /// What was waited for, or why no progress is made, by unit.
    package var units: [String: [String]] = [:]

    package init() {}

    package init(result: String, units: [String: [String]] = [:]) {
        self.result = result
        self.units = units
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("result", \.result),
        JSONField("units", \.units),
    ]
}

/// Takes a revision that waits for approval into force.
package struct ApproveCommand: JSONDocument, Hashable {
    package var revision = ""

    package init() {}

    package init(revision: String) { self.revision = revision }

    package static let fields: [JSONField<Self>] = [
        JSONField("revision", required: \.revision),
    ]
}

/// Asks for a plan that changes nothing.
package struct PlanCommand: JSONDocument, Hashable {
    package struct File: JSONDocument, Hashable {
        package var path = ""
        /// Nil: not there any more. Manifests are UTF-8; one that is not is sent base64-encoded.
        package var text: String?
        package var base64: String?

        package init() {}

        package init(path: String, text: String?, base64: String? = nil) {
            self.path = path
            self.text = text
            self.base64 = base64
        }

        package static let fields: [JSONField<Self>] = [
            JSONField("path", required: \.path),
            JSONField("text", ifPresent: \.text),
            JSONField("base64", ifPresent: \.base64),
        ]
    }

    /// Which source; nil: the only one.
    package var source: String?
    /// Plan this commit or branch; nil with `files` nil: what is in force.
    package var revision: String?
    /// Files that differ from `base` (a commit of the source), or, where that is nil, the whole tree. Paths count from the
    /// source's folder.
    package var files: [File]?
    package var base: String?
    /// Only these units; empty: all.
    package var units: [String] = []
    /// `text`, `json`, `markdown` or `dot`.
    package var format = "json"
    /// For text: columns and whether it may be coloured.
    package var columns = 0
    package var hasColor = false

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("source", ifPresent: \.source),
        JSONField("revision", ifPresent: \.revision),
        JSONField("files", ifPresent: \.files),
        JSONField("base", ifPresent: \.base),
        JSONField("units", \.units),
        JSONField("format", \.format),
        JSONField("columns", \.columns),
        JSONField("color", \.hasColor),
    ]
}

/// Makes a token: `role` viewer, operator, admin (subject: a person's name) or enrolment (subject: a host's name).
package struct TokenCommand: JSONDocument, Hashable {
    package var role = ""
    package var subject = ""
    /// Nil: no end; an enrolment token always has one.
    package var validSeconds: Int?

    package init() {}

    package init(role: String, subject: String, validSeconds: Int? = nil) {
        self.role = role
        self.subject = subject
        self.validSeconds = validSeconds
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("role", required: \.role),
        JSONField("subject", required: \.subject),
        JSONField("validSeconds", ifPresent: \.validSeconds),
    ]
}

/// A new token, said once: the server keeps only its SHA-256.
package struct TokenDocument: JSONDocument, Hashable {
    package var token = ""

    package init() {}

    package init(token: String) { self.token = token }

    package static let fields: [JSONField<Self>] = [
        JSONField("token", required: \.token),
    ]
}

/// An agent's first request: its one-time token is in the header, the host it says it is here.
///
/// The agent makes its own credential and keeps it before it asks; the server learns only its SHA-256. So a lost answer
/// costs nothing: the agent finds that its credential is good.
package struct EnrolCommand: JSONCodable, Hashable {
    package var host = ""
    /// SHA-256 of the credential, lower-case hex.
    package var credentialDigest = ""
    /// In place of the one-time token: the ticket that the server gave with an earlier connection. Taken only while the
    /// server's store is being rebuilt.
    package var ticket: String?

    package init(host: String, credentialDigest: String, ticket: String? = nil) {
        self.host = host
        self.credentialDigest = credentialDigest
        self.ticket = ticket
    }

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("host", host)
        writer.member("credentialDigest", credentialDigest)
        writer.member("ticket", ifPresent: ticket)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "host": try reader.read(&host)
            case "credentialDigest": try reader.read(&credentialDigest)
            case "ticket": ticket = try String?(from: &reader)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(host, "host")
        guard credentialDigest.count == 64, credentialDigest.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else {
            throw reader.mismatch("credentialDigest is no SHA-256 in lower-case hex")
        }
    }
}

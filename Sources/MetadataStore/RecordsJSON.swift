import FleetModel
package import JSONStream

// The JSON forms of what a store keeps, for backends and for the API.

extension RevisionRecord.State: JSONNamedCase {}
extension CredentialRecord.Role: JSONNamedCase {}

extension Lease: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("holder", holder.description)
            writer.member("term", term)
            writer.member("duration", duration)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var text = ""
        self.init(holder: LeaseHolder(text), term: 0, duration: .zero)
        try reader.object { reader, key in
            switch key {
            case "holder": try reader.read(&text)
            case "term": try reader.read(&term)
            case "duration": try reader.read(&duration)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(text, "holder")
        holder = LeaseHolder(text)
    }
}

extension AttemptRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("key", key)
            writer.member("task", task)
            writer.member("plan", plan)
            writer.member("revision", revision)
            if epoch != 0 { writer.member("epoch", epoch) }
            writer.member("started", started)
            writer.member("ended", ifPresent: ended)
            writer.member("outcome", ifPresent: outcome)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var task: PlannedTask?
        var outcome: AttemptOutcome?
        var ended: Instant?
        var started = Instant(milliseconds: 0)
        var (id, taskKey, plan, revision) = ("", "", "", "")
        var epoch: Int64 = 0
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "key": try reader.read(&taskKey)
            case "epoch": try reader.read(&epoch)
            case "task": try reader.read(&task)
            case "plan": try reader.read(&plan)
            case "revision": try reader.read(&revision)
            case "started": try reader.read(&started)
            case "ended": try reader.read(&ended)
            case "outcome": try reader.read(&outcome)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        self.init(
            id: id, key: taskKey, task: try reader.required(task, "task"), plan: plan, revision: revision, epoch: epoch,
            started: started, ended: ended, outcome: outcome)
    }
}

extension RevisionRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("source", source)
            writer.member("revision", revision)
            writer.member("seen", seen)
            writer.member("accepted", ifPresent: accepted)
            writer.member("state", state)
            writer.member("message", ifFilled: message)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var revision: Revision?
        var state: State?
        var seen = Instant(milliseconds: 0)
        var accepted: Instant?
        var (source, message) = ("", "")
        try reader.object { reader, key in
            switch key {
            case "source": try reader.read(&source)
            case "revision": try reader.read(&revision)
            case "seen": try reader.read(&seen)
            case "accepted": accepted = try Instant?(from: &reader)
            case "state": try reader.read(&state)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        self.init(
            source: source, revision: try reader.required(revision, "revision"), seen: seen,
            accepted: accepted, state: try reader.required(state, "state"), message: message)
    }
}

extension PlanRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("unit", unit)
            writer.member("revision", revision)
            writer.member("made", made)
            writer.member("text", text)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var unit: UnitID?
        var made = Instant(milliseconds: 0)
        var (id, revision, text) = ("", "", "")
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "unit": try reader.read(&unit)
            case "revision": try reader.read(&revision)
            case "made": try reader.read(&made)
            case "text": try reader.read(&text)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        self.init(id: id, unit: try reader.required(unit, "unit"), revision: revision, made: made, text: text)
    }
}

extension HeldUnit: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("unit", unit)
            writer.member("revision", ifPresent: revision)
            writer.member("file", ifPresent: file)
            writer.member("message", message)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var unit: UnitID?
        var (revision, file): (String?, String?) = (nil, nil)
        var message = ""
        try reader.object { reader, key in
            switch key {
            case "unit": try reader.read(&unit)
            case "revision": try reader.read(&revision)
            case "file": try reader.read(&file)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        self.init(unit: try reader.required(unit, "unit"), revision: revision, file: file, message: message)
    }
}

extension OutboxEntry: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("channel", channel)
            writer.member("payload", payload)
            writer.member("created", created)
            writer.member("attempts", attempts)
            writer.member("nextTry", nextTry)
            writer.member("lastError", ifFilled: lastError)
            writer.member("delivered", ifPresent: delivered)
            writer.member("gaveUp", ifPresent: gaveUp)
        }
    }

    package init(from reader: inout JSONReader) throws {
        let zero = Instant(milliseconds: 0)
        self.init(id: "", channel: "", payload: "", created: zero, nextTry: zero)
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "channel": try reader.read(&channel)
            case "payload": try reader.read(&payload)
            case "created": try reader.read(&created)
            case "attempts": try reader.read(&attempts)
            case "nextTry": try reader.read(&nextTry)
            case "lastError": try reader.read(&lastError)
            case "delivered": try reader.read(&delivered)
            case "gaveUp": try reader.read(&gaveUp)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
    }
}

extension AlertRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("key", key)
            writer.member("labels", ifFilled: labels)
            writer.member("annotations", ifFilled: annotations)
            writer.member("began", began)
            writer.member("ended", ifPresent: ended)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(key: "", labels: [:], annotations: [:], began: Instant(milliseconds: 0))
        try reader.object { reader, name in
            switch name {
            case "key": try reader.read(&key)
            case "labels": try reader.read(&labels)
            case "annotations": try reader.read(&annotations)
            case "began": try reader.read(&began)
            case "ended": try reader.read(&ended)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(key, "key")
    }
}

extension CredentialRecord: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("tokenDigest", tokenDigest)
            writer.member("role", role)
            writer.member("subject", subject)
            writer.member("created", created)
            writer.member("expires", ifPresent: expires)
        }
    }

    package init(from reader: inout JSONReader) throws {
        // Never by default: a credential without its role is refused.
        var role: Role?
        var (created, expires): (Instant, Instant?) = (Instant(milliseconds: 0), nil)
        var (tokenDigest, subject) = ("", "")
        try reader.object { reader, key in
            switch key {
            case "tokenDigest": try reader.read(&tokenDigest)
            case "role": try reader.read(&role)
            case "subject": try reader.read(&subject)
            case "created": try reader.read(&created)
            case "expires": try reader.read(&expires)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(tokenDigest, "tokenDigest")
        self.init(
            tokenDigest: tokenDigest, role: try reader.required(role, "role"), subject: subject, created: created,
            expires: expires)
    }
}

package import JSONStream

// The JSON forms of tasks and of how their attempts end.

extension Peer: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("ordinal", ordinal)
            writer.member("host", host)
            writer.member("address", address)
            writer.member("port", port)
            writer.member("cluster", ifFilled: clusterUID)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(ordinal: 0, host: "", address: "", port: 0)
        try reader.object { reader, key in
            switch key {
            case "ordinal": try reader.read(&ordinal)
            case "host": try reader.read(&host)
            case "address": try reader.read(&address)
            case "port": try reader.read(&port)
            case "cluster": try reader.read(&clusterUID)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(host, "host")
    }
}

extension InstanceBlueprint: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("clusterName", clusterName)
            writer.member("port", port)
            writer.member("address", address)
            writer.member("serverID", serverID)
            writer.member("gtidDomain", gtidDomain)
            writer.member("engineVersion", engineVersion)
            writer.member("configuration", configuration)
            writer.member("storageBytes", storageBytes)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(
            clusterName: "", port: 0, address: "", serverID: 0, gtidDomain: 0, engineVersion: "", configuration: "",
            storageBytes: 0)
        try reader.object { reader, key in
            switch key {
            case "clusterName": try reader.read(&clusterName)
            case "port": try reader.read(&port)
            case "address": try reader.read(&address)
            case "serverID": try reader.read(&serverID)
            case "gtidDomain": try reader.read(&gtidDomain)
            case "engineVersion": try reader.read(&engineVersion)
            case "configuration": try reader.read(&configuration)
            case "storageBytes": try reader.read(&storageBytes)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(configuration, "configuration")
    }
}

/// The instance's id and host, or `{"type":"server"}`.
extension TaskTarget: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .instance(let id, let host):
                writer.member("type", "instance" as StaticString)
                writer.member("instance", id)
                writer.member("host", host)
            case .server: writer.member("type", "server" as StaticString)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var instance: InstanceID?
        var host = ""
        try reader.object { reader, key in
            switch key {
            case "instance": try reader.read(&instance)
            case "host": try reader.read(&host)
            default: try reader.skip()
            }
        }
        switch type {
        case "instance": self = .instance(try reader.required(instance, "instance"), host: host)
        case "server": self = .server
        default: throw reader.unknownCase("TaskTarget", type)
        }
    }
}

/// `{"type":"manifest","revision":…,"file":…,"line":…,"column":…,"field":…}` or
/// `{"type":"observation","message":…}`.
extension Cause: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .manifest(let revision, let position, let field):
                writer.member("type", "manifest" as StaticString)
                writer.member("revision", revision)
                writer.member("file", position.file)
                writer.member("line", position.line)
                writer.member("column", position.column)
                writer.member("field", field)
            case .observation(let message):
                writer.member("type", "observation" as StaticString)
                writer.member("message", message)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var revision = ""
        var field = ""
        var message = ""
        var position = SourcePosition(file: "", line: 1, column: 1)
        try reader.object { reader, key in
            switch key {
            case "revision": try reader.read(&revision)
            case "file": try reader.read(&position.file)
            case "line": try reader.read(&position.line)
            case "column": try reader.read(&position.column)
            case "field": try reader.read(&field)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        switch type {
        case "manifest": self = .manifest(revision: revision, at: position, field: field)
        case "observation": self = .observation(message)
        default: throw reader.unknownCase("Cause", type)
        }
    }
}

extension PlannedTask: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("unit", unit)
            writer.member("target", target)
            writer.member("action", action)
            writer.member("alsoBusy", ifPresent: alsoBusy)
            writer.member("isVoluntary", isVoluntary)
            writer.member("cause", cause)
            writer.member("summary", summary)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var unit: UnitID?
        var target: TaskTarget?
        var action: Action?
        var cause: Cause?
        var (alsoBusy, isVoluntary, summary): (InstanceID?, Bool, String) = (nil, true, "")
        try reader.object { reader, key in
            switch key {
            case "unit": try reader.read(&unit)
            case "target": try reader.read(&target)
            case "action": try reader.read(&action)
            case "alsoBusy": try reader.read(&alsoBusy)
            case "isVoluntary": try reader.read(&isVoluntary)
            case "cause": try reader.read(&cause)
            case "summary": try reader.read(&summary)
            default: try reader.skip()
            }
        }
        self.init(
            unit: try reader.required(unit, "unit"), target: try reader.required(target, "target"),
            action: try reader.required(action, "action"), alsoBusy: alsoBusy, isVoluntary: isVoluntary,
            cause: try reader.required(cause, "cause"), summary: summary)
    }
}

extension TaskResult: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("acted", acted)
            writer.member("readBack", ifFilled: readBack)
            writer.member("position", ifPresent: position)
            writer.member("engineVersion", ifPresent: engineVersion)
            writer.member("note", ifPresent: note)
            writer.member("sequence", ifPresent: sequence)
            writer.member("recovered", ifPresent: recovered)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "acted": try reader.read(&acted)
            case "readBack": try reader.read(&readBack)
            case "position": try reader.read(&position)
            case "engineVersion": try reader.read(&engineVersion)
            case "note": try reader.read(&note)
            case "sequence": try reader.read(&sequence)
            case "recovered": try reader.read(&recovered)
            default: try reader.skip()
            }
        }
    }
}

/// `{"type":"succeeded","result":…}`, `{"type":"failed","message":…}` …
extension AttemptOutcome: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .succeeded(let result):
                writer.member("type", "succeeded" as StaticString)
                writer.member("result", result)
            case .failed(let message):
                writer.member("type", "failed" as StaticString)
                writer.member("message", message)
            case .cancelled: writer.member("type", "cancelled" as StaticString)
            case .refused(let message):
                writer.member("type", "refused" as StaticString)
                writer.member("message", message)
            }
        }
    }

    package init(from reader: inout JSONReader) throws {
        let type = try reader.tag("type")
        var result = TaskResult()
        var message = ""
        try reader.object { reader, key in
            switch key {
            case "result": try reader.read(&result)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
        switch type {
        case "succeeded": self = .succeeded(result)
        case "failed": self = .failed(message)
        case "cancelled": self = .cancelled
        case "refused": self = .refused(message)
        default: throw reader.unknownCase("AttemptOutcome", type)
        }
    }
}

extension RunningAttempt: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", id)
            writer.member("task", task)
            writer.member("started", started)
            writer.member("progress", ifFilled: progress)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var task: PlannedTask?
        var (id, progress, started) = ("", "", Instant(milliseconds: 0))
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "task": try reader.read(&task)
            case "started": try reader.read(&started)
            case "progress": try reader.read(&progress)
            default: try reader.skip()
            }
        }
        try reader.requireFilled(id, "id")
        self.init(id: id, task: try reader.required(task, "task"), started: started, progress: progress)
    }
}

import FleetModel
import JSONStream
import MetadataStore
import Testing

private let moment = Instant(milliseconds: 1_700_000_000_123)
private let unit = UnitID(.cluster, "orders")

/// Read back as it was; every stored property is there, so that none is forgotten when one is added.
private func check<Value: JSONCodable & Equatable>(_ value: Value, _ place: SourceLocation = #_sourceLocation) throws {
    let bytes = value.jsonBytes
    #expect(try Value(json: bytes) == value, sourceLocation: place)
    for length in 0..<bytes.count {
        #expect(throws: JSONError.self, sourceLocation: place) { try Value(json: bytes[..<length]) }
    }
    var keys: Set<String> = []
    try JSONReader.readAll(bytes) { reader in
        try reader.object { reader, key in
            keys.insert(key.text)
            try reader.skip()
        }
    }
    for label in Mirror(reflecting: value).children.compactMap(\.label) {
        #expect(keys.contains(label), "\(Value.self).\(label) is not in JSON", sourceLocation: place)
    }
}

@Test func `records of the store survive JSON`() throws {
    try check(Lease(holder: LeaseHolder(name: "a", run: 7), term: 3, duration: .seconds(15)))
    let task = PlannedTask(
        unit: unit, target: .server, action: .applyChannel(digest: "d"), cause: .observation("x"), summary: "apply")
    try check(
        AttemptRecord(
            id: "7", key: "k", task: task, plan: "p", revision: "r", epoch: 3, started: moment, ended: moment, outcome: .cancelled))
    for state in RevisionRecord.State.allCases {
        try check(RevisionRecord(source: "s", revision: Revision(commit: "c"), seen: moment, accepted: moment, state: state, message: "m"))
    }
    try check(PlanRecord(id: "p", unit: unit, revision: "r", made: moment, text: "Plan\n"))
    try check(HeldUnit(unit: unit, revision: "r", file: "a.yaml", message: "m"))
    try check(
        OutboxEntry(
            id: "o", channel: "ops", payload: "{\"a\":1}", created: moment, attempts: 2, nextTry: moment, lastError: "e",
            delivered: moment, gaveUp: moment))
    try check(AlertRecord(key: "k", labels: ["a": "b"], annotations: ["c": "d"], began: moment, ended: moment))
    for role in CredentialRecord.Role.allCases {
        try check(CredentialRecord(tokenDigest: "t", role: role, subject: "li", created: moment, expires: moment))
    }
}

@Test func `a credential without its role is refused`() {
    #expect(throws: JSONError.self) { try CredentialRecord(jsonText: #"{"tokenDigest":"t","subject":"li"}"#) }
}

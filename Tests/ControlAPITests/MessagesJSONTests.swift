import ControlAPI
import FleetModel
import JSONStream
import Testing

private let donor = InstanceID(clusterUID: "u", ordinal: 2)
private let endpoint = CopyEndpoint(attempt: "7", address: "127.0.1.1", port: 4444, token: "t", certificateDigest: "ab")
private let order = AttemptOrder(
    id: "7", term: 3, epoch: 2, instance: InstanceID(clusterUID: "u", ordinal: 1), clusterName: "orders",
    action: .open(epoch: 2, semiSync: true), secrets: ["replicationPassword": "r"],
    rivals: [Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)])
private let statuses = [
    AttemptStatus(id: "1", state: .accepted),
    AttemptStatus(id: "2", state: .running(AttemptProgress(phase: "copying", done: 5, total: 9))),
    AttemptStatus(id: "3", state: .ended(.succeeded(TaskResult()))), AttemptStatus(id: "4", state: .ended(.cancelled)),
]

private let fromAgent: [AgentMessage] = [
    .hello(version: 1, term: 3, attempts: statuses, report: HostReport(host: "h"), digest: "d", delay: .milliseconds(5)),
    .report(HostReport(host: "h"), digest: "d", delay: .zero), .heartbeat(digest: "d", delay: .milliseconds(20)),
    .attempt(statuses[1]), .promised(term: 4), .copyReady(endpoint, donor: donor), .copySent(attempt: "7", error: nil),
    .copySent(attempt: "7", error: "broken pipe"),
    .faulted(FaultAnswer(id: "r-1", refusal: "no", behind: 3)),
]

private let fault = {
    var order = FaultOrder()
    order.id = "r-1"
    order.kind = .cut
    order.instance = InstanceID(clusterUID: "u", ordinal: 1)
    order.peers = ["10.0.0.2"]
    order.direction = .incoming
    return order
}()

private let fromServer: [ServerMessage] = [
    .welcome(storeID: "s", term: 3, fingerprintKeys: ["u": "00ff"]), .gathering,
    .welcome(storeID: "s", term: 3, fingerprintKeys: [:], adopts: ["old", "older"], epochs: ["u": 7]), .fingerprintKeys(["u": "00ff"]), .notLeader(url: nil),
    .notLeader(url: "https://127.0.0.1:7070"), .refused(reason: "too old"), .offer(order), .cancel(attempt: "7", term: 3),
    .heartbeat(), .heartbeat(answers: 12), .settled(attempt: "7"), .sendCopy(endpoint, donor: donor), .copySent(attempt: "7", error: nil), .observe,
    .rivals(donor, order.rivals), .rivals(donor, []), .holdStart(donor, lasting: .seconds(60)), .holdStart(donor, lasting: .zero),
    .fault(fault),
]

/// One line each, read back as it was, refused when it is cut off anywhere.
private func check<Message: JSONCodable & Equatable>(_ message: Message) throws {
    let bytes = message.jsonBytes
    #expect(!bytes.contains(UInt8(ascii: "\n")))
    #expect(try Message(json: bytes) == message)
    for length in 0..<bytes.count { #expect(throws: JSONError.self) { try Message(json: bytes[..<length]) } }
}

@Test(arguments: fromAgent) func `what agents say survives the wire`(_ message: AgentMessage) throws { try check(message) }
@Test(arguments: fromServer) func `what servers say survives the wire`(_ message: ServerMessage) throws { try check(message) }

@Test func `a message that is new to the receiver is told apart from a broken stream`() {
    let unknown = #expect(throws: JSONError.self) { try ServerMessage(jsonText: #"{"x":{},"type":"dance"}"#) }
    #expect(unknown?.kind == .unknownCase(type: "ServerMessage", name: "dance"))
    let agent = #expect(throws: JSONError.self) { try AgentMessage(jsonText: #"{"type":"dance"}"#) }
    #expect(agent?.isAboutMeaning == true)
    let broken = #expect(throws: JSONError.self) { try AgentMessage(jsonText: #"{"type":"dance""#) }
    #expect(broken?.isAboutMeaning == false)
}

@Test(arguments: [
    #"{"name":"levitate","height":[1,2]}"#, #"{"name":"open","epoch":"two","semiSync":true}"#, #"{"name":"open"}"#,
    #"{"height":3}"#, #"7"#,
])
func `an order that this release cannot carry out can be refused by its id`(_ action: String) {
    let json = #"{"type":"offer","order":{"action":\#(action),"term":3,"epoch":2,"instance":"u-1","id":"7"}}"#
    let error = #expect(throws: UnsupportedOrder.self) { try ServerMessage(jsonText: json) }
    #expect(error?.attempt == "7")
    #expect(error?.term == 3)
    #expect(error?.instance == InstanceID(clusterUID: "u", ordinal: 1))
}

@Test func `an order whose text is broken breaks the stream`() {
    #expect(throws: JSONError.self) {
        try ServerMessage(jsonText: #"{"type":"offer","order":{"id":"7","action":{"name":"levitate",}}}"#)
    }
}

@Test(arguments: ["term", "epoch", "instance", "id", "action"])
func `an order without what fences it is refused`(_ key: String) throws {
    let whole = order.jsonText
    let renamed = whole.replacing("\"\(key)\":", with: "\"x-\(key)\":", maxReplacements: 1)
    #expect(renamed != whole)
    #expect(throws: JSONError.self) { try AttemptOrder(jsonText: renamed) }
}

@Test func `commands have one form, and what they need may not be missing`() throws {
    var plan = PlanCommand()
    plan.files = [PlanCommand.File(path: "a.yaml", text: nil), PlanCommand.File(path: "b.yaml", text: "kind: Host\n")]
    plan.base = "c"
    #expect(
        plan.jsonText
            == #"{"files":[{"path":"a.yaml"},{"path":"b.yaml","text":"kind: Host\n"}],"base":"c","units":[],"format":"json","columns":0,"color":false}"#)
    try check(plan)
    #expect(throws: JSONError.self) { try ApproveCommand(jsonText: "{}") }
    #expect(throws: JSONError.self) { try PlanCommand(jsonText: #"{"files":[{"text":"x"}]}"#) }
    #expect(try TreeDocument(jsonText: #"{"revision":"c","later":[1],"files":{"a.yaml":"id"}}"#).files == ["a.yaml": "id"])
}

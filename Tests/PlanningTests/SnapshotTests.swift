import FleetModel
import JSONStream
import Planning
import Testing

@Test func `an empty object is a world that nobody has seen`() throws {
    let snapshot = try Snapshot(json: Array("{}".utf8))
    #expect(snapshot.taken == nil && snapshot.observed.hostCount == 0 && snapshot.records.clusters.isEmpty)
}

@Test func `ages count from when the snapshot was taken, wherever that stands in the file`() throws {
    let json = #"{"observed":[{"age":1500,"report":{"host":"h"}}],"taken":5000}"#
    let snapshot = try Snapshot(json: Array(json.utf8))
    var records = ClusterRecords(uid: "u", name: "orders", gtidDomain: 0)
    records.members = [MemberRecord(ordinal: 1, host: "h", zone: "z", address: "a", port: 1, serverID: 1)]
    #expect(try snapshot.observed.hosts(of: records)["h"]?.renewed == Instant(milliseconds: 3500))
    #expect(snapshot.observed.oldest == Instant(milliseconds: 3500))
}

@Test func `a cluster's facts hold its own instances only`() throws {
    let json = """
        {"observed":[{"report":{"instances":[{"port":1,"id":"u-2"},{"id":"v-1"}, {"id":"u-1"}],"host":"h"}},
        {"report":{"host":"other","instances":[{"id":"u-3"}]}}]}
        """
    let facts = try Snapshot(json: Array(json.utf8)).observed
    var records = ClusterRecords(uid: "u", name: "orders", gtidDomain: 0)
    records.members = [MemberRecord(ordinal: 1, host: "h", zone: "z", address: "a", port: 1, serverID: 1)]
    let hosts = try facts.hosts(of: records)
    #expect(hosts.keys.sorted() == ["h"])
    #expect(hosts["h"]?.report.instances.map(\.id.description) == ["u-1", "u-2"])
    #expect(facts.instanceCount == 4)
}

@Test(arguments: [
    #"{"formatVersion":"2.0"}"#, #"{"observed":[{"report":{"instances":[{"port":1}],"host":"h"}}]}"#, #"{"observed":[{}]}"#,
    #"{"observed":[{"report":{"host":"h"}},{"report":{"host":"h"}}]}"#, #"{"observed":[{"report":{"instances":[{"id":"x"}],"host":"h"}}]}"#,
    "[]", "", #"{"records":{"clusters":[{"uid":"u"}]}}"#,
])
func `a snapshot that cannot be understood is refused`(_ json: String) {
    #expect(throws: JSONError.self) { try Snapshot(json: Array(json.utf8)) }
}

@Test func `a fact of the wrong type is told with its byte when its cluster is planned`() throws {
    let json = #"{"observed":[{"report":{"host":"h","instances":[{"id":"u-1","port":"x"}]}}]}"#
    let facts = try Snapshot(json: Array(json.utf8)).observed
    var records = ClusterRecords(uid: "u", name: "orders", gtidDomain: 0)
    records.members = [MemberRecord(ordinal: 1, host: "h", zone: "z", address: "a", port: 1, serverID: 1)]
    let error = #expect(throws: JSONError.self) { try facts.hosts(of: records) }
    #expect(error?.offset == json.utf8.count - 9 + 1 - 1)
}

@Test func `every field of the policy survives JSON`() throws {
    var policy = PlanningPolicy()
    policy.rehearsalStepsMax = 9
    policy.attemptsPerHostMax = 8
    policy.attemptsMax = 7
    policy.clonesPerDonorHostMax = 6
    policy.removalShareMax = 0.25
    policy.failovers.perCluster = 5
    policy.failovers.perZone = 6
    policy.failovers.perRegion = 7
    policy.failovers.window = .seconds(8)
    #expect(try PlanningPolicy(json: policy.jsonBytes) == policy)
    for label in Mirror(reflecting: policy).children.compactMap(\.label) { #expect(policy.jsonText.contains("\"\(label)\"")) }
}

@Test func `a snapshot cut off anywhere is refused`() throws {
    var fleet = TestFleet()
    fleet.converge()
    let snapshot = Snapshot(taken: fleet.now, records: fleet.records, observed: ObservedFacts(fleet.observed))
    let bytes = try snapshot.json()
    let again = try Snapshot(json: bytes)
    #expect(try again.records.clusters.mapValues(again.whole) == fleet.records.clusters)
    #expect(again.records.clusters["orders"]?.accounts.isEmpty == true)
    for length in stride(from: 0, to: bytes.count - 1, by: 97) {
        #expect(throws: JSONError.self) { try Snapshot(json: Array(bytes[..<length])) }
    }
}

import FleetModel
import Testing

@testable import Planning

extension TestFleet {
    fileprivate static func galera() -> TestFleet {
        var cluster = TestFleet.orders()
        cluster.topology = .galera
        cluster.durability = .async
        cluster.port = nil
        return TestFleet(cluster)
    }
}

@Test func `golden: a galera member's configuration is as it was agreed`() throws {
    var fleet = TestFleet.galera()
    #expect(fleet.allocate().isEmpty)
    let records = try #require(fleet.orders), member = try #require(records.member(2))
    let entry = ConfigurationCache(fleet.situation().desired?.value).entry(member, of: records)
    try expectGolden("galera.cnf", Array(entry.text.utf8))
    #expect(entry.digest == SHA256.hex(entry.text) && MariaDBConfiguration.digest(of: entry.text) == entry.digest)
}

@Test func `whoever comes or goes is in everybody's file`() throws {
    var fleet = TestFleet.galera()
    #expect(fleet.allocate().isEmpty)
    var records = try #require(fleet.orders)
    let member = try #require(records.member(1)), cache = ConfigurationCache(fleet.situation().desired?.value)
    let before = cache.entry(member, of: records).digest
    records.members[2].phase = .leaving
    #expect(cache.entry(member, of: records).digest == before)
    records.members[2].phase = .retired(until: fleet.now)
    let after = cache.entry(member, of: records)
    #expect(after.digest != before && !after.text.contains(records.members[2].address + ":"))
}

@Test func `the ports of a group are handed out beside the port, and taken by nobody else`() throws {
    var fleet = TestFleet.galera()
    var other = TestFleet.galera().fleet.clusters["orders"]?.value ?? TestFleet.orders()
    other.metadata.name = "stock"
    fleet.declare(other)
    #expect(fleet.allocate().isEmpty)
    var taken: Set<String> = []
    for records in fleet.records.clusters.values {
        #expect(records.galera == GaleraRecords())
        for member in records.members {
            #expect(member.groupPort >= 4567 && member.transferPort == member.groupPort + 1)
            for port in [member.port, member.groupPort, member.transferPort] { #expect(taken.insert("\(member.host):\(port)").inserted) }
        }
    }
    let before = fleet.records.clusters
    #expect(fleet.allocate().isEmpty && fleet.records.clusters == before)
}

@Test func `a cluster that exists becomes no galera cluster, and none becomes another`() {
    var fleet = TestFleet()
    #expect(fleet.allocate().isEmpty)
    fleet.edit { ($0.topology, $0.durability) = (.galera, .async) }
    let refused = fleet.allocate()
    #expect(refused.map(\.field) == ["spec.topology"] && refused.first?.message == "a cluster that exists is no galera cluster and cannot become one")
    var galera = TestFleet.galera()
    #expect(galera.allocate().isEmpty)
    galera.edit { $0.topology = .primaryReplica }
    #expect(galera.allocate().map(\.message) == ["a cluster that exists is a galera cluster and stays one"])
}

@Test func `history takes a twentieth of the storage, and no less than the provider's own default`() {
    #expect(GaleraGroup.historyBytes(ClusterResources(memoryBytes: 0, storageBytes: 5 << 30)) == 256 << 20)
    #expect(GaleraGroup.historyBytes(ClusterResources(memoryBytes: 0, storageBytes: 1 << 30)) == 128 << 20)
}

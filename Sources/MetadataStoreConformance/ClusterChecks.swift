import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    static let clusterChecks: [Check] = [
        Check("a cluster's records come back whole") { test in
            let orders = Sample.cluster("orders", number: 1)
            try await test.commit([.putCluster(orders)])
            try test.expectEqual(try await test.store.load().records.clusters, ["orders": orders], "clusters")
            try await test.commit([.removeCluster(name: "orders")])
            try test.expectEqual(try await test.store.load().records.clusters, [:], "clusters after removal")
        },
        Check("no two instances of the fleet have one server id, not even a purged one's") { test in
            var orders = Sample.cluster("orders", number: 1)
            orders.members[1].phase = .purged
            try await test.commit([.putCluster(orders)])
            var users = Sample.cluster("users", number: 2, port: 3307)
            users.members[0].serverID = orders.members[1].serverID
            try await test.expectConflict([.putCluster(users)], "a server id twice")
            users = Sample.cluster("users", number: 2, port: 3307)
            users.members[0].serverID = users.members[1].serverID
            try await test.expectConflict([.putCluster(users)], "a server id twice in one cluster")
        },
        Check("no two clusters have one GTID domain or one uid") { test in
            try await test.commit([.putCluster(Sample.cluster("orders", number: 1))])
            var users = Sample.cluster("users", number: 2, port: 3307)
            users.gtidDomain = 1
            try await test.expectConflict([.putCluster(users)], "a domain twice")
            users = Sample.cluster("users", number: 2, port: 3307)
            users.uid = "uid-orders"
            try await test.expectConflict([.putCluster(users)], "a uid twice")
        },
        Check("a port of a host is one member's until that one is retired") { test in
            var orders = Sample.cluster("orders", number: 1)
            try await test.commit([.putCluster(orders)])
            let users = Sample.cluster("users", number: 2, members: 1)
            try await test.expectConflict([.putCluster(users)], "a port twice")
            orders.members[0].phase = .leaving
            try await test.commit([.putCluster(orders)])
            try await test.expectConflict([.putCluster(users)], "the port of a member that leaves")
            orders.members[0].phase = .retired(until: Sample.at(60))
            try await test.commit([.putCluster(orders)])
            try await test.commit([.putCluster(users)])
            try await test.commit([.putCluster(orders)])
            try test.expectEqual(
                try await test.store.load().records.clusters, ["orders": orders, "users": users], "clusters")
            let third = Sample.cluster("third", number: 3, members: 1)
            try await test.expectConflict([.putCluster(third)], "the port that was taken over")
        },
        Check("clusters exchange ports in one transaction") { test in
            var orders = Sample.cluster("orders", number: 1, port: 3306)
            var users = Sample.cluster("users", number: 2, port: 3307)
            try await test.commit([.putCluster(orders), .putCluster(users)])
            for index in 0...1 {
                orders.members[index].port = 3307
                users.members[index].port = 3306
            }
            try await test.commit([.putCluster(orders), .putCluster(users)])
            try test.expectEqual(
                try await test.store.load().records.clusters, ["orders": orders, "users": users], "clusters")
        },
        Check("an epoch never goes back") { test in
            var orders = Sample.cluster("orders", number: 1)
            try await test.commit([.putCluster(orders)])
            orders.epoch -= 1
            try await test.expectConflict([.putCluster(orders)], "a lower epoch")
        },
        Check("a cluster that was made anew takes the place only of one that was removed") { test in
            try await test.commit([.putCluster(Sample.cluster("orders", number: 1))])
            var anew = Sample.cluster("orders", number: 2)
            anew.uid = "uid-anew"
            anew.epoch = 0
            try await test.expectConflict([.putCluster(anew)], "another uid")
            try await test.commit([.removeCluster(name: "orders"), .putCluster(anew)])
            try test.expectEqual(try await test.store.load().records.clusters, ["orders": anew], "clusters")
        },
        Check("counters never go back") { test in
            try await test.commit([.counters(nextServerNumber: 5, nextDomainNumber: 6, clustersMade: 7)])
            try await test.expectConflict(
                [.counters(nextServerNumber: 4, nextDomainNumber: 6, clustersMade: 7)], "server numbers")
            try await test.expectConflict(
                [.counters(nextServerNumber: 5, nextDomainNumber: 5, clustersMade: 7)], "domain numbers")
            try await test.expectConflict(
                [.counters(nextServerNumber: 5, nextDomainNumber: 6, clustersMade: 6)], "clusters made")
            let records = try await test.store.load().records
            try test.expectEqual(
                [records.nextServerNumber, records.nextDomainNumber, records.clustersMade], [5, 6, 7], "counters")
        },
        Check("a transaction with one refused change changes nothing") { test in
            try await test.commit([.putCluster(Sample.cluster("orders", number: 1))])
            try await test.expectConflict(
                [
                    .appendEvent(Sample.event(1)), .openAttempt(Sample.attempt("a-1")),
                    .putCluster(Sample.cluster("users", number: 1, port: 3307)),
                ], "a domain twice")
            try test.expectEqual(try await test.store.events(unit: nil, limit: 9), [], "events")
        },
    ]
}

import FleetModel
import Testing

@testable import Agent

@Suite struct `Health` {
    private let now = Instant(milliseconds: 100_000)

    private func health(
        _ id: InstanceID, _ cluster: String, _ role: InstanceRole, age: Duration = .seconds(1), isApplying: Bool = true
    ) -> InstanceHealth {
        InstanceHealth(
            instance: id, clusterName: cluster, role: role, epoch: 3, isApplying: isApplying,
            seen: Instant(milliseconds: now.milliseconds - age.milliseconds))
    }

    private func status(_ path: String, _ instances: [InstanceHealth]) -> Int { status(path, "", instances) }

    private func status(_ path: String, _ query: String, _ instances: [InstanceHealth]) -> Int {
        HealthResponder.respond(path: path, query: query, instances: instances, now: now).status
    }

    @Test func `a role is answered by its own path only`() {
        #expect(status("/primary", [health(orders1, "orders", .primary)]) == 200)
        #expect(status("/replica", [health(orders1, "orders", .primary)]) == 503)
        #expect(status("/replica", [health(orders1, "orders", .replica)]) == 200)
        #expect(status("/primary", [health(orders1, "orders", .replica)]) == 503)
        #expect(status("/primary", [health(orders1, "orders", .none)]) == 503)
        #expect(status("/primary", []) == 503)
        #expect(status("/master", [health(orders1, "orders", .primary)]) == 404)
    }

    @Test func `a role seen more than five seconds ago does not count, nor a replica that stands still`() {
        #expect(status("/primary", [health(orders1, "orders", .primary, age: .seconds(5))]) == 200)
        #expect(status("/primary", [health(orders1, "orders", .primary, age: .milliseconds(5001))]) == 503)
        #expect(status("/replica", [health(orders1, "orders", .replica, isApplying: false)]) == 503)
    }

    @Test func `where several clusters are on a host, one is named`() {
        let other = InstanceID(clusterUID: "c2", ordinal: 1)
        let both = [health(orders1, "orders", .primary), health(other, "users", .replica)]
        #expect(status("/primary", both) == 503)
        #expect(status("/primary", "cluster=orders", both) == 200)
        #expect(status("/primary", "cluster=users", both) == 503)
        #expect(status("/replica", "a=b&instance=c2-1", both) == 200)
        #expect(status("/replica", "instance=c2-9", both) == 503)
        #expect(HealthResponder.respond(path: "/", instances: both, now: now).body.contains("orders c1-1 primary epoch 3"))
    }
}

@Suite struct `Role hook` {
    private let change = RoleChange(instance: orders1, clusterName: "orders", role: .primary, epoch: 4)

    @Test func `the command gets its fixed arguments and the change in its environment, nothing else`() async throws {
        let scratch = Scratch()
        let script = "/usr/bin/env > \(scratch.path)/out; echo \"$1\" >> \(scratch.path)/out"
        try await CommandRoleHook(command: ["/bin/sh", "-c", script, "sh", "a b; $(false)"]).run(change)
        let lines = Set(String(decoding: scratch.read(scratch.path + "/out"), as: UTF8.self).split(separator: "\n").map(String.init))
        #expect(lines.isSuperset(of: [
            "EVENKEEL_ROLE=primary", "EVENKEEL_EPOCH=4", "EVENKEEL_CLUSTER=orders", "EVENKEEL_INSTANCE=c1-1", "a b; $(false)",
        ]))
        #expect(!lines.contains { $0.hasPrefix("HOME=") })
    }

    @Test func `a command that fails or lasts too long is an error that says so`() async throws {
        let failing = try CommandRoleHook(command: ["/bin/sh", "-c", "echo no haproxy >&2; exit 3"])
        let error = await #expect(throws: RoleHookError.self) { try await failing.run(change) }
        #expect(error?.description.contains("no haproxy") == true)
        let slow = try CommandRoleHook(command: ["/bin/sleep", "100"], timeLimit: .milliseconds(100))
        await #expect(throws: RoleHookError.self) { try await slow.run(change) }
    }

    @Test func `only an absolute path is taken`() {
        #expect(throws: RoleHookError.self) { try CommandRoleHook(command: ["reload.sh"]) }
        #expect(throws: RoleHookError.self) { try CommandRoleHook(command: []) }
    }
}

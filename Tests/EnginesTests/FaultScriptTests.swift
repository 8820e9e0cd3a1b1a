import FleetModel
import Glibc
import Testing

@testable import Engines

@Test func `packets are dropped in a table of its own, but never within the host`() {
    var loss = PacketLoss(table: "t1", peers: [], direction: .both, percent: 100)
    #expect(
        loss.strike == """
            nft -f - <<'RULES'
            table inet t1 {
              chain incoming {
                type filter hook input priority -350; policy accept;
                iif "lo" accept
                drop
              }
              chain outgoing {
                type filter hook output priority -350; policy accept;
                oif "lo" accept
                drop
              }
            }
            RULES
            """)
    #expect(loss.heal == "nft delete table inet t1")
    loss.direction = .incoming
    loss.percent = 20
    #expect(!loss.strike.contains("output"))
    #expect(loss.strike.contains("    numgen random mod 100 < 20 drop\n"))
}

@Test func `peers are addresses, or services at them, and nothing else`() throws {
    let peers = try ["10.0.0.1", "10.0.0.9:7070", "fd00::2", "[fd00::1]:7070"].map { try #require(NetworkPeer($0)) }
    let text = PacketLoss(table: "t", peers: peers, direction: .outgoing, percent: 100).strike
    #expect(text.contains("ip daddr 10.0.0.1 drop\n"))
    #expect(text.contains("ip daddr 10.0.0.9 tcp dport 7070 drop\n"))
    #expect(text.contains("ip6 daddr fd00::2 drop\n"))
    #expect(text.contains("ip6 daddr fd00::1 tcp dport 7070 drop\n"))
    for wrong in ["db-1", "db-1:7070", "10.0.0.1; drop", "$(reboot)", "", "7070", "10.0.0.1:x"] {
        #expect(NetworkPeer(wrong) == nil, "\(wrong)")
    }
}

@Test func `words stay words in a shell`() {
    #expect(FaultScript.quoted("/a b/it's") == #"'/a b/it'\''s'"#)
    #expect(FaultScript.seconds(1050) == "1.050")
}

/// Runs the script in a session of its own as the agent does; nothing of it needs root.
private func start(_ script: FaultScript) throws -> (pid_t, mark: String) {
    let mark = "/tmp/evenkeel-fault-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try Files.write(mark + ".sh", script.text.split(separator: "MARK", omittingEmptySubsequences: false).joined(separator: mark))
    return (try Spawn(executable: "/bin/sh", arguments: [mark + ".sh"]).start(), mark)
}

private func end(_ pid: pid_t, _ mark: String) -> Bool {
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    defer { for suffix in [".sh", ".struck", ".healed"] { unlink(mark + suffix) } }
    return Files.exists(mark + ".healed")
}

@Test func `a fault strikes after its answer and heals by itself`() throws {
    let (pid, mark) = try start(FaultScript(strike: ["touch MARK.struck"], heal: ["[ -e MARK.struck ] && touch MARK.healed"], milliseconds: 100))
    #expect(end(pid, mark))
}

@Test func `a fault whose process is ended heals as well`() throws {
    let (pid, mark) = try start(FaultScript(strike: ["touch MARK.struck"], heal: ["touch MARK.healed"], milliseconds: 1500))
    let deadline = ContinuousClock.now + .seconds(10)
    while !Files.exists(mark + ".struck"), ContinuousClock.now < deadline { usleep(5000) }
    #expect(Files.exists(mark + ".struck"))
    kill(pid, SIGTERM)
    #expect(end(pid, mark))
}

private let isTemporaryOnRoot: Bool = {
    var root = stat(), temporary = stat()
    return stat("/", &root) == 0 && stat("/tmp", &temporary) == 0 && root.st_dev == temporary.st_dev
}()

@Test(.enabled(if: isTemporaryOnRoot, "/tmp is a file system of its own here"), arguments: [FaultKind.fillDisk, .stallDisk])
func `the root file system is neither filled nor stalled`(kind: FaultKind) async throws {
    let test = try TestHost()
    let layout = test.layout(1)
    try Files.makeDirectory(layout.data)
    try Files.write(layout.identity, "")
    var order = FaultOrder()
    order.kind = kind
    order.instance = layout.id
    order.milliseconds = 1000
    let error = await #expect(throws: EngineError.self) {
        try await MariaDBFaults(test.host, servers: []).inject(order)
    }
    #expect(error?.kind == .refused)
    #expect(error?.message.contains("is on the host's root file system") == true)
}

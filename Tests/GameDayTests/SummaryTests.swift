import JSONStream
import Testing

@testable import GameDay

private func report(_ fault: Fault, _ round: Int, _ pooled: Int64, _ reconnecting: Int64, lost: Int = 0) -> FaultReport {
    var report = FaultReport(fault, round: round)
    report.pooledMilliseconds = pooled
    report.reconnectingMilliseconds = reconnecting
    report.settledMilliseconds = 1000 * Int64(round)
    report.acknowledged = 100
    report.lost = lost
    report.isOK = lost == 0
    report.verdict = lost == 0 ? Verdict.ok.text : Verdict.failed(["lost"]).text
    return report
}

private func fault(_ name: String) throws -> Fault { try #require(Fault.all.first { $0.name == name }) }

@Test func `the aims are those that the project states`() {
    let aims = Dictionary(uniqueKeysWithValues: Fault.all.compactMap { fault in fault.aim.map { (fault.name, $0) } })
    #expect(aims["switchover"] == .pooled(.milliseconds(100)))
    #expect(aims["primary-kill"] == .everybody(.seconds(1)))
    #expect(aims["primary-start-fails"] == .everybody(.seconds(1)))
    for name in ["primary-freeze", "host-cut", "host-cut-heal", "zone-partition"] {
        #expect(aims[name] == .everybody(.seconds(5)), "\(name)")
    }
    #expect(aims["zone-cut"] == .everybody(.seconds(3)))
    #expect(aims["primary-cut-from-replicas"] == .everybody(.seconds(10)))
    #expect(Fault.sabotages.allSatisfy { $0.aim == nil })
}

@Test func `an aim counts the clients that it is for, and is missed where it is only just met`() {
    let aim = Fault.Aim.pooled(.milliseconds(100))
    #expect(aim.isMissed(by: [.pooled: .milliseconds(99), .reconnecting: .seconds(9)]) == false)
    #expect(aim.isMissed(by: [.pooled: .milliseconds(100)]) == true)
    #expect(aim.isMissed(by: [.reconnecting: .seconds(9)]) == nil)
    let both = Fault.Aim.everybody(.seconds(1))
    #expect(both.isMissed(by: [.pooled: .milliseconds(10), .reconnecting: .seconds(1), .stray: .seconds(9)]) == true)
    #expect(both.isMissed(by: [.pooled: .milliseconds(10), .stray: .seconds(9)]) == false)
}

@Test func `a missed aim is told and changes no verdict`() throws {
    let kill = try fault("primary-kill")
    let late = Write(id: 1, sort: .pooled, sent: .seconds(4), ended: .seconds(5), outcome: .acknowledged)
    let findings = Findings([late], rows: ["a": [1], "b": [1]], primary: "a", window: .zero ... .seconds(5))
    var report = FaultReport(kill, round: nil)
    report.take(findings, kill.aim)
    #expect(report.isAimMissed == true)
    #expect(report.aimMilliseconds == 1000)
    #expect(Verdict.of(kill, findings, from: "a", to: "a", unsettled: nil, unread: []) == .ok)
    let json = String(decoding: report.jsonBytes, as: UTF8.self)
    #expect(json.contains(#""aimMilliseconds":1000,"aimMissed":true"#))
    #expect(!json.contains("round"))
}

@Test func `a summary has the median and the worst of what was done, and judges the aim by the median`() throws {
    let kill = try fault("primary-kill")
    var refused = FaultReport(kill, round: 4)
    refused.verdict = Verdict.refused("there is no nft").text
    let runs = [report(kill, 1, 900, 800), report(kill, 2, 1500, 700), report(kill, 3, 400, 990, lost: 2), refused]
    let summary = FaultSummary(kill, runs + [report(try fault("switchover"), 1, 5, 5)])
    #expect((summary.times, summary.ok, summary.lost, summary.acknowledged) == (3, 2, 2, 300))
    #expect((summary.pooledMedianMilliseconds, summary.pooledWorstMilliseconds) == (900, 1500))
    #expect((summary.reconnectingMedianMilliseconds, summary.reconnectingWorstMilliseconds) == (800, 990))
    #expect((summary.settledMedianMilliseconds, summary.settledWorstMilliseconds) == (2000, 3000))
    #expect(summary.isAimMissed == false)
    #expect(FaultSummary(kill, [report(kill, 1, 900, 1000)]).isAimMissed == true)
    #expect(FaultSummary(kill, [refused]).isAimMissed == nil)
}

@Test func `the median of an even number is between the two in the middle`() {
    #expect(FaultSummary.median([]) == nil)
    #expect(FaultSummary.median([7]) == 7)
    #expect(FaultSummary.median([9, 1, 5]) == 5)
    #expect(FaultSummary.median([40, 10, 30, 20]) == 25)
}

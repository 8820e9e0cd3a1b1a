import Testing

@testable import GameDay

private func write(_ id: Int64, at milliseconds: Int64, _ outcome: WriteOutcome = .acknowledged, _ sort: ClientSort = .pooled) -> Write {
    Write(id: id, sort: sort, sent: .milliseconds(milliseconds - 1), ended: .milliseconds(milliseconds), outcome: outcome)
}

private let window = Duration.milliseconds(100)...Duration.milliseconds(1000)

@Test func `a gap begins with the last write before the fault and may last to the end`() {
    let gap = { (ends: [Int64]) in Findings.longestGap(ends.map { .milliseconds($0) }, window) }
    #expect(gap([]) == .milliseconds(900))
    #expect(gap([90, 110, 990]) == .milliseconds(880))
    #expect(gap([40, 300, 500, 700, 900]) == .milliseconds(260))
    #expect(gap([90, 300, 500]) == .milliseconds(500))
    // What came after the end, and in which order, does not count.
    #expect(gap([5000, 900, 500, 700, 300, 99]) == .milliseconds(201))
}

@Test func `time without writes is told apart by sort, over all clients of it`() {
    let findings = Findings(
        [
            write(1, at: 90), write(2, at: 600), write(3, at: 950), write(4, at: 300, .unknown),
            write(5, at: 95, .acknowledged, .reconnecting), write(6, at: 980, .acknowledged, .reconnecting),
        ], rows: [:], primary: "a", window: window)
    #expect(findings.gaps == [.pooled: .milliseconds(510), .reconnecting: .milliseconds(885)])
}

@Test func `an acknowledged write is lost where the primary lacks it, and missed on each other instance`() {
    let writes = [write(1, at: 200), write(2, at: 300), write(3, at: 400, .unknown), write(4, at: 500, .refused), write(5, at: 600, .unknown)]
    let rows: [String: Set<Int64>] = ["a": [1, 2, 3], "b": [1, 3]]
    let findings = Findings(writes, rows: rows, primary: "a", window: window)
    #expect(findings.lost == [])
    #expect(Findings(writes, rows: rows, primary: "b", window: window).lost == [2])
    // Who cannot be asked proves nothing, and what is anywhere is not lost.
    #expect(Findings(writes, rows: rows, primary: "c", window: window).lost == [])
    #expect(findings.missing == ["a": 0, "b": 1])
    #expect(findings.held == ["a": 3, "b": 2])
    #expect(!findings.areEqual)
    #expect((findings.acknowledged, findings.refused, findings.unknown) == (2, 1, 2))
    #expect(findings.unknownFound == 1)
    #expect(findings.refusedFound == 0)
}

@Test func `where no instance could be asked nothing is proved`() {
    #expect(Findings([write(1, at: 200)], rows: [:], primary: "a", window: window).lost == [1])
}

private let fault = Fault.all[1]
private func verdict(_ fault: Fault, rows: [String: Set<Int64>], to new: String = "o-1", _ unsettled: String? = nil) -> Verdict {
    let findings = Findings([write(1, at: 200), write(2, at: 300, .refused)], rows: rows, primary: "a", window: window)
    return .of(fault, findings, from: "o-1", to: new, unsettled: unsettled, unread: [])
}

@Test func `a verdict is ok where all is there, all instances agree and the cluster has settled`() {
    #expect(verdict(fault, rows: ["a": [1], "b": [1]]) == .ok)
    #expect(verdict(fault, rows: ["a": [1], "b": []]) == .failed(["1 acknowledged writes are missing on b"]))
    #expect(verdict(fault, rows: ["a": [], "b": [1]]) == .failed(["1 acknowledged writes are lost", "1 acknowledged writes are missing on a"]))
    #expect(!verdict(fault, rows: ["a": [1, 3], "b": [1]]).isOK)
    #expect(!verdict(fault, rows: ["a": [1, 2], "b": [1, 2]]).isOK)
    #expect(!verdict(fault, rows: ["a": [1], "b": [1]], "not converged").isOK)
}

@Test func `who is the primary afterwards is as the fault has it`() throws {
    let another = try #require(Fault.all.first { $0.expectation == .another })
    let same = try #require(Fault.all.first { $0.expectation == .same })
    let rows: [String: Set<Int64>] = ["a": [1]]
    #expect(verdict(another, rows: rows, to: "o-1") == .failed(["nobody took over"]))
    #expect(verdict(another, rows: rows, to: "o-2") == .ok)
    #expect(verdict(same, rows: rows, to: "o-2") == .failed(["o-2 took over"]))
}

@Test func `sabotage is never ok, and worthless where it is not seen`() {
    #expect(verdict(Fault.sabotages[0], rows: ["a": [1]]) == .failed(["the sabotage was not seen: this check is worthless"]))
    #expect(verdict(Fault.sabotages[0], rows: ["a": []]) == .seen)
    #expect(!Verdict.seen.isOK)
}

import FleetModel
import Testing

private let moments: [(String, Int64)] = [
    ("1970-01-01T00:00:00Z", 0), ("2026-11-21T22:00:00Z", 1_795_298_400_000), ("2026-11-22T06:00:00+08:00", 1_795_298_400_000),
    ("2024-02-29t12:30:15.25z", 1_709_209_815_250), ("1969-12-31 23:59:59.999-00:00", -1), ("2000-03-01T00:00:00-00:30", 951_870_600_000),
]

@Suite struct CivilTimeTests {
    @Test(arguments: moments) func `moments are read`(_ text: String, _ milliseconds: Int64) {
        #expect(Instant(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026-11-21", "2026-11-21T22:00Z", "2026-11-21T22:00:00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-10T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T22:60:00Z", "2026-11-21T22:00:60Z", "2026-11-21T22:00:00+8",
        "2026-11-21T22:00:00.Z", "2026-11-21T22:00:00Z ", "+026-11-21T22:00:00Z", "2023-02-29T00:00:00Z", "2026-11-21T22:00:00+24:00",
    ]) func `what is none is refused`(_ text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }

    @Test(arguments: [0, -1, 1_795_298_400_000, 951_782_400_000, 1_709_209_815_250, -62_135_596_800_000, 253_402_300_799_000])
    func `what is written reads back`(_ milliseconds: Int64) {
        let text = Instant(milliseconds: milliseconds).rfc3339
        #expect(Instant(rfc3339: text)?.milliseconds == milliseconds, "\(text)")
    }
}

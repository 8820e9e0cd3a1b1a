import FleetModel
import GameDay
import JSONStream

/// `gameday --list`.
struct FaultsView: View {
    var names: [String] { (Fault.all + Fault.sabotages).map(\.name) }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var faults = Table(["FAULT", "AIM", "WHAT IS DONE, AND WHAT SHOULD FOLLOW"])
        for fault in Fault.all { faults.add(fault.name, seconds(fault.aim?.below.milliseconds), fault.summary) }
        var sabotages = Table(["SABOTAGE", "WHAT MUST LOSE WRITES"])
        for fault in Fault.sabotages { sabotages.add(fault.name, fault.summary) }
        return faults.text(width: terminal.width) + "\n" + sabotages.text(width: terminal.width)
    }

    func json(to writer: inout JSONWriter) {
        writer.beginArray()
        for fault in Fault.all + Fault.sabotages {
            writer.beginObject()
            writer.member("name", fault.name)
            writer.member("sabotage", fault.isSabotage)
            writer.member("aimMilliseconds", ifPresent: fault.aim?.below.milliseconds)
            writer.member("summary", fault.summary)
            writer.endObject()
        }
        writer.endArray()
    }
}

/// What the runs came to; `summaries` where each fault was run several times.
struct GameDayView: View {
    var reports: [FaultReport]
    var summaries: [FaultSummary] = []

    var names: [String] { reports.map(\.fault) }

    private static let missed = "!"

    func text(terminal: Terminal, isWide: Bool) -> String {
        var text = runs.text(width: terminal.width)
        if !summaries.isEmpty { text += "\n" + medians.text(width: terminal.width) }
        let late = summaries.isEmpty ? reports.filter { $0.isAimMissed == true }.map(\.fault)
            : summaries.filter { $0.isAimMissed == true }.map(\.fault)
        if !late.isEmpty {
            let whose = summaries.isEmpty ? "" : " at the median"
            text += "\n\(GameDayView.missed) aim missed\(whose): \(late.joined(separator: ", ")). No verdict depends on it.\n"
        }
        return text
    }

    private var runs: Table {
        var table = Table([
            "FAULT", "POOLED", "RECONNECTING", "AIM", "BEHIND", "ACKNOWLEDGED", "LOST", "UNKNOWN", "PRIMARY", "SETTLED", "VERDICT",
        ])
        for report in reports {
            let change = report.primaryAfter.isEmpty || report.primaryAfter == report.primaryBefore
                ? report.primaryBefore : "\(report.primaryBefore) → \(report.primaryAfter)"
            table.add(
                report.fault + (report.round.map { " (\($0))" } ?? ""), seconds(report.pooledMilliseconds),
                seconds(report.reconnectingMilliseconds), aim(report.aimMilliseconds, report.isAimMissed),
                report.behind.values.max().map(String.init) ?? "-", String(report.acknowledged), String(report.lost),
                String(report.unknown), change, seconds(report.settledMilliseconds), report.verdict)
        }
        return table
    }

    private var medians: Table {
        var table = Table(["MEDIAN, WORST OF", "RUNS", "POOLED", "RECONNECTING", "AIM", "ACKNOWLEDGED", "LOST", "SETTLED", "OK"])
        for each in summaries {
            table.add(
                each.fault, String(each.times), both(each.pooledMedianMilliseconds, each.pooledWorstMilliseconds),
                both(each.reconnectingMedianMilliseconds, each.reconnectingWorstMilliseconds), aim(each.aimMilliseconds, each.isAimMissed),
                String(each.acknowledged), String(each.lost), both(each.settledMedianMilliseconds, each.settledWorstMilliseconds),
                "\(each.ok) of \(each.times)")
        }
        return table
    }

    private func both(_ median: Int64?, _ worst: Int64?) -> String { "\(seconds(median)), \(seconds(worst))" }

    private func aim(_ milliseconds: Int64?, _ isMissed: Bool?) -> String {
        seconds(milliseconds) + (isMissed == true ? " \(GameDayView.missed)" : "")
    }

    func json(to writer: inout JSONWriter) {
        writer.beginArray()
        for report in reports { report.write(to: &writer) }
        for summary in summaries { summary.write(to: &writer) }
        writer.endArray()
    }
}

private func seconds(_ milliseconds: Int64?) -> String {
    guard let milliseconds else { return "-" }
    let hundredths = (milliseconds + 5) / 10
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
}

import FleetModel

// What people have to be told of a rejoin that cut rows: kept in a file from before the cut until the rejoin that ends
// well tells it. Another try finds nothing of it in the instance any more.

extension InstanceWorker {
    /// What tries before this one have to tell.
    func untold() throws -> String? {
        guard let text = try Files.text(layout.untold)?.split(whereSeparator: \.isNewline).joined(separator: " "), !text.isEmpty else { return nil }
        return text
    }

    /// Before the start: all that it may cut. Returns what tries before this one left to be told.
    func tellBeforeCut(_ end: LogEnd, _ kept: TailAside?, _ source: Peer) throws -> String? {
        let before = try untold()
        guard !end.isEmpty else { return before }
        // Of what the writer holds the last ones: all of it would be a part of its history.
        var shown = end
        shown.held = Array(end.held.suffix(Self.untoldHeldMax))
        shown.holdsEarlier = end.held.count > shown.held.count || end.holdsEarlier
        let text = "it was started without what was not committed, and which of the last transactions that cut was not seen; the log ended with \(shown.text(source, kept: kept))"
        let earlier = before == text ? nil : before
        try tell(text, after: earlier)
        return earlier
    }

    private static let untoldHeldMax = 100

    /// After the start: what it cut.
    func tellCut(_ end: LogEnd, _ kept: TailAside?, _ source: Peer, _ earlier: String?) async throws {
        let left = try await withSession { try await $0.positions().binlog }
        let cut = end.cut(downTo: left)
        if let kept, !cut.held.isEmpty {
            try Files.write(kept.directory + "/gtids-held", cut.held.map { "\($0.text) held by \(source.address):\(source.port)\n" }.joined(), mode: 0o600)
        }
        guard !cut.isEmpty else { return try tellOnly(earlier) }
        try tell("its start cut \(cut.text(source, kept: kept))", after: earlier)
    }

    func tell(_ text: String, after earlier: String?) throws {
        try Files.write(layout.untold, [earlier, text].compactMap(\.self).joined(separator: "; ") + "\n", mode: 0o600)
    }

    /// Nothing was cut: what tries before this one left is to be told, and no more.
    func tellOnly(_ earlier: String?) throws {
        if let earlier { try tell(earlier, after: nil) } else { try Files.remove(layout.untold) }
    }

    /// All that is to be told now, and what is removed for room; nil where nothing is.
    func takeUntold(_ report: @Sendable (EngineProgress) -> Void) throws -> String? {
        let (tails, untold) = (tailsAside, try untold())
        guard untold != nil || tails.numbers.count > tails.max else { return nil }
        let note = [untold, tails.removeOldest(report)].compactMap(\.self).joined(separator: "; ")
        try Files.remove(layout.untold)
        return note
    }
}

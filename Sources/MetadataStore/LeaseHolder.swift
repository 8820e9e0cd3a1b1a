package import FleetModel

/// Who leads or asks to: one run of a server. What an earlier run had under way is another holder's.
package struct LeaseHolder: Sendable, Hashable {
    /// The server's, for people; servers that share a store have names of their own.
    package var name: String
    /// Grows from one run to the next of the same name.
    package var run: Int64

    package init(name: String, run: Int64) {
        self.name = name
        self.run = run
    }

    /// A run that began at `began`, by the clock of the wall. `random` tells it from one of the same millisecond.
    package init(name: String, began: Instant, random: UInt64) {
        self.init(name: name, run: began.milliseconds << LeaseHolder.randomBits | Int64(random & (1 << LeaseHolder.randomBits - 1)))
    }

    /// Whether the lease of `other` is free for it before its time: that is an earlier run, which ended before this one
    /// began, since a server's data directory serves one process at a time (`SQLiteStore` locks it). Where the clock was
    /// set back in between, or the name is another live server's by mistake, the higher run keeps it until its time, so
    /// that two never take it from each other in turns.
    package func supersedes(_ other: LeaseHolder) -> Bool { name == other.name && run > other.run }

    private static let randomBits: Int64 = 20
}

extension LeaseHolder: LosslessStringConvertible {
    /// As a store keeps it; an earlier release kept the name alone.
    package var description: String { "\(name)/\(run)" }

    package init(_ text: String) {
        if let slash = text.lastIndex(of: "/"), let run = Int64(text[text.index(after: slash)...]) {
            self.init(name: String(text[..<slash]), run: run)
        } else {
            self.init(name: text, run: 0)
        }
    }
}

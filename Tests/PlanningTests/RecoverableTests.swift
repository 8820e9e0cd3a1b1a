import FleetModel
import Testing

@testable import Planning

/// Who is started when a component was lost: by cases, and by every short history.
struct RecoverableTests {
    private static func read(
        _ sequence: Int64, _ uuid: String = "u", view: ComponentView? = nil, wasInconsistent: Bool = false
    ) -> RecoveredPosition {
        RecoveredPosition(stateUUID: uuid, sequence: sequence, view: view, wasInconsistent: wasInconsistent)
    }

    private struct Case: CustomTestStringConvertible {
        var testDescription: String
        var component = [1, 2, 3]
        var reads: [Int: RecoveredPosition]
        var named = 3
        var strangersGivenUp = false
        var expected: Recoverable
    }

    private static let cases = [
        Case(testDescription: "the highest", reads: [1: read(5), 2: read(9), 3: read(7)], expected: .start(2, at: 9)),
        Case(testDescription: "of the highest, the most wanted", reads: [1: read(9), 2: read(9), 3: read(7)], expected: .start(1, at: 9)),
        Case(testDescription: "one unread may be the only one that holds a row", reads: [1: read(5), 2: read(9)], expected: .held([3: .unread])),
        Case(
            testDescription: "one that was voted out counts for nothing, however far",
            reads: [1: read(5), 2: read(9), 3: read(70, wasInconsistent: true)], expected: .held([3: .inconsistent])),
        Case(
            testDescription: "another history says nothing about ours, however far", reads: [1: read(5), 2: read(9), 3: read(70, "v")],
            expected: .held([3: .foreign])),
        Case(testDescription: "no position is not zero", reads: [1: read(5), 2: read(9), 3: read(-1)], expected: .held([3: .foreign])),
        Case(
            testDescription: "who is not in the component is not asked", component: [1, 2], reads: [1: read(5), 2: read(4), 3: read(70)],
            expected: .start(1, at: 5)),
        Case(testDescription: "nobody", component: [], reads: [1: read(5)], expected: .held([:])),
        Case(
            testDescription: "a view with a fourth of whom the records know nothing",
            reads: [
                1: read(5, view: ComponentView(number: 4, maker: "a", own: "a", members: ["a", "b", "c", "d"])), 2: read(5),
                3: read(5),
            ], expected: .heldByStranger(1)),
        Case(
            testDescription: "the same, given up",
            reads: [
                1: read(5, view: ComponentView(number: 4, maker: "a", own: "a", members: ["a", "b", "c", "d"])), 2: read(5),
                3: read(5),
            ], strangersGivenUp: true, expected: .start(1, at: 5)),
        Case(
            testDescription: "a view with one who was removed since, and names from before a restart",
            reads: [
                1: read(5, view: ComponentView(number: 4, maker: "a", own: "a", members: ["a", "b", "c", "d"])), 2: read(5),
                3: read(5, view: ComponentView(number: 9, maker: "e", own: "e", members: ["e", "f"])),
            ], named: 4, expected: .start(1, at: 5)),
    ]

    @Test(arguments: cases) private func `who is started`(_ known: Case) {
        let found = Planner.recoverable(
            component: known.component, reads: known.reads, of: "u", named: known.named, strangersGivenUp: known.strangersGivenUp)
        #expect(found == known.expected)
    }

    @Test func `where no history is recorded nobody is started`() {
        #expect(Planner.recoverable(component: [1], reads: [1: Self.read(5, "")], of: "", named: 1) == .held([1: .foreign]))
    }

    // MARK: Every short history

    private func ours(_ history: History, _ reads: [Int: RecoveredPosition]) -> Int? {
        let found = Planner.recoverable(component: history.component, reads: reads, of: "u", named: history.members.count)
        guard case .start(let first, _) = found else { return nil }
        return first
    }

    @Test(arguments: [(3, 7), (4, 5)]) func `whoever is started holds what was acknowledged, and nobody is waited for in vain`(
        _ count: Int, _ length: Int
    ) {
        let search = HistorySearch(rule: ours)
        search.explore(History(count), length)
        #expect(search.lost == nil && search.stuck == nil)
        // The search is worth something only where it meets losses of the whole and starts from them.
        #expect(search.judged > 1_000 && search.started > 1_000)
    }

    /// Each of them was somebody's idea of the rule.
    @Test func `the search finds what is wrong with lesser rules`() {
        func highest(_ reads: [Int: RecoveredPosition]) -> Int? { reads.keys.sorted().max { (reads[$0]?.sequence ?? 0) < (reads[$1]?.sequence ?? 0) } }
        let lesser: [(String, HistorySearch.Rule)] = [
            ("the highest of a majority", { $1.count * 2 > $0.component.count ? highest($1) : nil }),
            ("the lowest of all", { history, reads in
                guard history.component.allSatisfy({ reads[$0] != nil }) else { return nil }
                return reads.keys.sorted().min { (reads[$0]?.sequence ?? 0) < (reads[$1]?.sequence ?? 0) }
            }),
            ("all of the newest view, as Galera itself recovers", { _, reads in
                guard let newest = reads.values.compactMap(\.view).max(by: { $0.number < $1.number }) else { return nil }
                let there = reads.filter { $0.value.view?.isSame(as: newest) == true }
                return there.count == newest.members.count ? highest(there) : nil
            }),
        ]
        for (name, rule) in lesser {
            let search = HistorySearch(rule: rule)
            search.explore(History(3), 7)
            #expect(search.lost != nil, "\(name) loses nothing, says the search")
        }
    }

    /// One that is made anew from a copy that lacks what only it had on disk takes that away with it.
    @Test func `the search finds a copy that was taken too early`() {
        let search = HistorySearch(rule: ours, copiesEarly: true)
        search.explore(History(3), 7)
        #expect(search.lost != nil)
    }
}

/// A cluster as far as positions go: what each has received and has on disk, and who is in the component.
private struct History: Hashable {
    struct Member: Hashable {
        /// Up to here its data come up again.
        var durable: Int64 = 0
        /// Up to here it got write sets, not all applied yet; a death forgets them.
        var received: Int64 = 0
        var isAlive = true
        var hasDirectory = true
        /// Grows with each start: its name in views.
        var starts = 1
        var view: ComponentView?
    }

    var members: [Member]
    /// In the primary component now; empty: it is lost.
    var inside: [Int]
    /// Those whom the store names.
    var component: [Int]
    var viewNumber: Int64 = 0
    var acknowledged: Int64 = 0

    init(_ count: Int) {
        members = Array(repeating: Member(), count: count)
        inside = Array(1...count)
        component = inside
        settle()
    }

    subscript(_ ordinal: Int) -> Member {
        get { members[ordinal - 1] }
        set { members[ordinal - 1] = newValue }
    }

    var ordinals: [Int] { Array(1...members.count) }

    private func name(_ ordinal: Int) -> String { "\(ordinal).\(self[ordinal].starts)" }

    /// A new primary view: each of its members has it on disk before it serves in it, and has received what the others have.
    private mutating func settle() {
        viewNumber += 1
        let names = inside.map(name).sorted()
        let received = inside.map { self[$0].received }.max() ?? 0
        for ordinal in inside {
            self[ordinal].view = ComponentView(number: viewNumber, maker: names.first ?? "", own: name(ordinal), members: names)
            self[ordinal].received = received
        }
    }

    /// One commit, acknowledged. `isSlow`: the others have received it, and not applied it yet.
    mutating func write(_ writer: Int, isSlow: Bool) {
        let sequence = self[writer].received + 1
        for ordinal in inside {
            self[ordinal].received = sequence
            if ordinal == writer || !isSlow { self[ordinal].durable = sequence }
        }
        acknowledged = sequence
    }

    mutating func apply(_ ordinal: Int) { self[ordinal].durable = self[ordinal].received }

    mutating func kill(_ ordinal: Int) {
        self[ordinal].isAlive = false
        self[ordinal].received = self[ordinal].durable
        guard let index = inside.firstIndex(of: ordinal) else { return }
        let before = inside.count
        inside.remove(at: index)
        if inside.count * 2 > before { settle() } else { inside = [] }
    }

    /// Stopped in good order: the others go on without a vote.
    mutating func leave(_ ordinal: Int) {
        self[ordinal].isAlive = false
        self[ordinal].received = self[ordinal].durable
        self[ordinal].view = nil
        inside.removeAll { $0 == ordinal }
        if !inside.isEmpty { settle() }
    }

    mutating func join(_ ordinal: Int) {
        component = Set(component).union([ordinal]).sorted()
        start(ordinal)
        inside = (inside + [ordinal]).sorted()
        settle()
        apply(ordinal)
    }

    private mutating func start(_ ordinal: Int) {
        self[ordinal].isAlive = true
        self[ordinal].starts += 1
    }

    /// Its directory is moved aside and a copy of another one takes its place.
    mutating func makeAnew(_ ordinal: Int, from donor: Int) {
        component.removeAll { $0 == ordinal }
        self[ordinal].durable = self[donor].durable
        self[ordinal].received = self[donor].durable
        self[ordinal].view = nil
        self[ordinal].hasDirectory = true
    }

    mutating func recover(_ ordinal: Int) {
        start(ordinal)
        inside = [ordinal]
        // All others are dead, and none is further.
        component = inside
        // A group that is begun anew counts its views anew.
        viewNumber = 0
        settle()
    }

    /// Those who cannot be read are alive, or their directory is gone.
    var readable: [Int] { ordinals.filter { !self[$0].isAlive && self[$0].hasDirectory } }

    func reads(_ ordinals: [Int]) -> [Int: RecoveredPosition] {
        var reads: [Int: RecoveredPosition] = [:]
        for ordinal in ordinals {
            let member = self[ordinal]
            reads[ordinal] = RecoveredPosition(
                stateUUID: "u", sequence: member.durable, view: member.view, leftInOrder: member.view == nil)
        }
        return reads
    }
}

/// All histories of a length from a state, each state once.
private final class HistorySearch {
    typealias Rule = (History, [Int: RecoveredPosition]) -> Int?

    private let rule: Rule
    private let copiesEarly: Bool
    /// By state, the longest rest that was explored from it.
    private var explored: [History: Int] = [:]
    private(set) var lost: History?
    /// Everybody was read, and nobody was started.
    private(set) var stuck: History?
    private(set) var judged = 0
    private(set) var started = 0

    init(rule: @escaping Rule, copiesEarly: Bool = false) {
        self.rule = rule
        self.copiesEarly = copiesEarly
    }

    func explore(_ history: History, _ length: Int) {
        if lost != nil || explored[history].map({ $0 >= length }) ?? false { return }
        explored[history] = length
        if history.inside.isEmpty { judge(history) }
        guard length > 0 else { return }
        for next in nexts(history) { explore(next, length - 1) }
    }

    /// Whoever happens to be readable: none of their sets may mislead the rule.
    private func judge(_ history: History) {
        let readable = history.readable
        for set in 0..<(1 << readable.count) {
            let read = readable.indices.filter { set & (1 << $0) != 0 }.map { readable[$0] }
            judged += 1
            if let first = rule(history, history.reads(read)) {
                started += 1
                if history[first].durable < history.acknowledged { lost = history }
            } else if history.component.allSatisfy(read.contains) {
                stuck = history
            }
        }
    }

    private func nexts(_ history: History) -> [History] {
        var nexts: [History] = []
        func add(_ change: (inout History) -> Void) {
            var next = history
            change(&next)
            if next != history { nexts.append(next) }
        }
        for ordinal in history.ordinals {
            let member = history[ordinal]
            if history.inside.contains(ordinal) {
                add { $0.write(ordinal, isSlow: true) }
                add { $0.leave(ordinal) }
            }
            if member.isAlive {
                add { $0.apply(ordinal) }
                add { $0.kill(ordinal) }
            } else if !history.inside.isEmpty {
                if member.hasDirectory { add { $0.join(ordinal) } }
                if let donor = donor(history, member) { add { $0.makeAnew(ordinal, from: donor) } }
            } else if member.hasDirectory {
                if rule(history, history.reads(history.readable)) == ordinal { add { $0.recover(ordinal) } }
                add { $0[ordinal].hasDirectory = false }
            }
        }
        return nexts
    }

    /// It holds what the one that is made anew held; or, where nobody can say what that was, all that it was ever sent.
    private func donor(_ history: History, _ member: History.Member) -> Int? {
        history.inside.first {
            copiesEarly || (member.hasDirectory ? history[$0].durable >= member.durable : history[$0].durable == history[$0].received)
        }
    }
}

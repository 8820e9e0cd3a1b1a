import FleetModel
import Manifests
import MetadataStore
import SourceControl
import Synchronization

/// Watches one source while this server leads: at an interval with jitter, and at once on request. What is new is read,
/// assembled, and handed to the loop, whose verdict is awaited before the next is read.
actor SourceWatcher {
    nonisolated let name: String
    private let configuration: SourceConfiguration
    let reader: FleetReader
    private let clock: any TimeSource
    private var generator: SeededGenerator
    private var resume: Revision?
    private let held: [HeldManifest]

    /// In force; then what was read last, and whether the loop has judged it.
    private(set) var accepted: ReadRevision?
    private var trial: ReadRevision?
    /// The manifests in force once more, in storage of their own: the next revision changes them in place instead of
    /// copying what 100,000 clusters are found by. Nil until a second revision is in force, and after one was refused.
    private var spare: ManifestSet?
    private var isJudged = true
    private var isLookWanted = false
    /// Something was fetched and judged; the mirror's upkeep follows when nobody waits for it.
    private var isTidyWanted = false
    private var lookers: [CheckedContinuation<Void, Never>] = []
    private var isFinished = false
    /// The loop wants nothing of it any more: a read that goes on would keep the next watcher from its own.
    private nonisolated let isOver = Atomic<Bool>(false)

    private enum Signal: Sendable {
        case look
        case verdict(commit: String, isAccepted: Bool)
    }

    private nonisolated let signals: AsyncStream<Signal>
    private nonisolated let sink: AsyncStream<Signal>.Continuation

    init(
        _ configuration: SourceConfiguration, repository: any FleetRepository, accepted: Revision?, held: [HeldUnit],
        clock: any TimeSource, seed: UInt64
    ) {
        self.configuration = configuration
        name = configuration.name
        reader = FleetReader(repository)
        resume = accepted
        self.held = held.compactMap { unit in
            guard let revision = unit.revision, let file = unit.file else { return nil }
            return HeldManifest(unit: unit.unit, revision: revision, file: file)
        }
        self.clock = clock
        generator = SeededGenerator(seed: seed)
        (signals, sink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
    }

    var branch: String { configuration.branch }
    var latestCommit: String? { trial?.commit.id ?? accepted?.commit.id }

    nonisolated func poke() { sink.yield(.look) }
    nonisolated func judged(_ commit: String, isAccepted: Bool) {
        sink.yield(.verdict(commit: commit, isAccepted: isAccepted))
    }
    nonisolated func finish() {
        isOver.store(true, ordering: .relaxed)
        sink.finish()
    }

    /// Looks now; returns when what was found has been judged. At once where the watch is over.
    func look() async {
        if isFinished { return }
        // At once, and not when the signal is taken: a look that is under way may have begun before what is asked about.
        isLookWanted = true
        await withCheckedContinuation { continuation in
            lookers.append(continuation)
            sink.yield(.look)
        }
    }

    /// Until `finish`, or until the task is cancelled.
    func run(_ deliver: @escaping @Sendable (LoopEvent) async -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.tick() }
            poke()
            for await signal in signals { await take(signal, deliver) }
            group.cancelAll()
        }
        isFinished = true
        answerLookers()
    }

    private func tick() async {
        while (try? await clock.sleep(until: clock.now() + nextInterval())) != nil { poke() }
    }

    private func nextInterval() -> Duration { generator.jittered(configuration.interval) }

    private func take(_ signal: Signal, _ deliver: @Sendable (LoopEvent) async -> Void) async {
        switch signal {
        case .look: isLookWanted = true
        case .verdict(let commit, let isAccepted):
            guard let trial, trial.commit.id == commit else { break }
            isJudged = true
            if isAccepted { takeIntoForce(trial) }
            isTidyWanted = true
        }
        while isJudged && isLookWanted {
            isLookWanted = false
            let isOver = await lookOnce(deliver)
            if isOver && !isLookWanted { answerLookers() }
        }
        if isJudged && !isLookWanted { answerLookers() }
        if isTidyWanted {
            isTidyWanted = false
            await reader.repository.tidy()
        }
    }

    /// The manifests that were in force follow the same way as those of the trial did, and are the spare ones then.
    private func takeIntoForce(_ trial: ReadRevision) {
        var old = accepted?.manifests
        accepted = nil
        accepted = trial
        accepted?.difference = ManifestDifference()
        self.trial = accepted
        guard old != nil else { return }
        _ = old?.apply(changed: trial.difference.changed, removed: trial.difference.removed, revision: trial.revision)
        _ = old?.assemble(holdingRevisionOnError: configuration.onInvalid == .holdRevision)
        spare = old
    }

    private func answerLookers() {
        let waiting = lookers
        lookers = []
        for continuation in waiting { continuation.resume() }
    }

    // MARK: A look

    /// Answers whether it is over; false: the loop's verdict is awaited.
    private func lookOnce(_ deliver: @Sendable (LoopEvent) async -> Void) async -> Bool {
        do throws(SourceError) {
            if try await readResumed() {
                await hand(seen: clock.now(), isResumed: true, rewrites: nil, deliver)
                isLookWanted = true
                return false
            }
            let (tip, rewritten, seen) = try await fetch()
            guard tip.id != accepted?.commit.id, tip.id != trial?.commit.id else {
                await deliver(.sourceLooked(name: name, problem: nil))
                return true
            }
            trial = try await read(tip, base: accepted)
            await hand(seen: seen, isResumed: false, rewrites: rewritten, deliver)
            return false
        } catch {
            if case .cancelled = error { return true }
            await deliver(.sourceLooked(name: name, problem: error.description))
            return true
        }
    }

    /// After a start: the revision that the store says is in force, so that a newer one is compared with it.
    /// False: there is none, or its repository has it no more.
    private func readResumed() async throws(SourceError) -> Bool {
        guard let revision = resume else { return false }
        var commit = try? await reader.repository.commit(revision.commit)
        if commit == nil {
            _ = try await fetch()
            commit = try? await reader.repository.commit(revision.commit)
        }
        resume = nil
        guard let commit else { return false }
        var base = ReadRevision(commit: commit, files: [:], manifests: ManifestSet())
        _ = base.manifests.restore(await reader.lastGood(held))
        trial = try await read(commit, base: base)
        return true
    }

    private func read(_ commit: CommitInfo, base: ReadRevision?) async throws(SourceError) -> ReadRevision {
        try await reader.read(commit, base: base, spare: spare.take()) { [self] in !isOver.load(ordering: .relaxed) }
    }

    /// History that was rewritten is taken as it is, and told. `seen`: when the source told its new tip.
    private func fetch() async throws(SourceError) -> (tip: CommitInfo, rewritten: String?, seen: Instant) {
        let (clock, news) = (clock, Moment())
        let note: @Sendable () -> Void = { news.note(clock.now()) }
        do throws(SourceError) {
            let tip = try await reader.repository.fetch(since: accepted?.commit.id, onNews: note)
            return (tip, nil, news.first ?? clock.now())
        } catch {
            guard case .forcePushed(let old, _) = error else { throw error }
            return (try await reader.repository.fetch(since: nil, onNews: note), old, news.first ?? clock.now())
        }
    }

    /// Assembles the trial, in its place, and lets the loop judge it.
    private func hand(
        seen: Instant, isResumed: Bool, rewrites: String?, _ deliver: @Sendable (LoopEvent) async -> Void
    ) async {
        let holds = configuration.onInvalid == .holdRevision
        guard let assembly = trial?.manifests.assemble(holdingRevisionOnError: holds), let revision = trial?.revision else {
            return
        }
        isJudged = false
        await deliver(
            .revisionRead(
                RevisionRead(
                    source: name, revision: revision, assembly: assembly, seen: seen, isResumed: isResumed,
                    rewrites: rewrites, base: accepted?.commit.id)))
    }
}

/// The first moment that was noted, by whichever thread.
private final class Moment: Sendable {
    private let moment = Mutex<Instant?>(nil)

    var first: Instant? { moment.withLock { $0 } }
    func note(_ now: Instant) { moment.withLock { $0 = $0 ?? now } }
}

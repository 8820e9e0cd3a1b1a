import FleetModel
import Manifests
import MetadataStore
import SourceControl

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
    private var isJudged = true
    private var isLookWanted = false
    private var lookers: [CheckedContinuation<Void, Never>] = []
    private var isFinished = false

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
    nonisolated func finish() { sink.finish() }

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
            if isAccepted { accepted = trial }
        }
        while isJudged && isLookWanted {
            isLookWanted = false
            let isOver = await lookOnce(deliver)
            if isOver && !isLookWanted { answerLookers() }
        }
        if isJudged && !isLookWanted { answerLookers() }
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
            if let read = try await resumed() {
                await hand(read, isResumed: true, rewrites: nil, deliver)
                isLookWanted = true
                return false
            }
            let (tip, rewritten) = try await fetch()
            guard tip.id != accepted?.commit.id, tip.id != trial?.commit.id else {
                await deliver(.sourceLooked(name: name, problem: nil))
                return true
            }
            let read = try await reader.read(tip, base: accepted)
            await hand(read, isResumed: false, rewrites: rewritten, deliver)
            return false
        } catch {
            await deliver(.sourceLooked(name: name, problem: error.description))
            return true
        }
    }

    /// After a start: the revision that the store says is in force, so that a newer one is compared with it.
    private func resumed() async throws(SourceError) -> ReadRevision? {
        guard let revision = resume else { return nil }
        var commit = try? await reader.repository.commit(revision.commit)
        if commit == nil {
            _ = try await fetch()
            commit = try? await reader.repository.commit(revision.commit)
        }
        resume = nil
        guard let commit else { return nil }
        var base = ReadRevision(commit: commit, files: [:], manifests: ManifestSet())
        _ = base.manifests.restore(await reader.lastGood(held))
        return try await reader.read(commit, base: base)
    }

    /// History that was rewritten is taken as it is, and told.
    private func fetch() async throws(SourceError) -> (tip: CommitInfo, rewritten: String?) {
        do throws(SourceError) {
            return (try await reader.repository.fetch(since: accepted?.commit.id), nil)
        } catch {
            guard case .forcePushed(let old, _) = error else { throw error }
            return (try await reader.repository.fetch(since: nil), old)
        }
    }

    private func hand(
        _ read: ReadRevision, isResumed: Bool, rewrites: String?, _ deliver: @Sendable (LoopEvent) async -> Void
    ) async {
        var read = read
        let assembly = read.manifests.assemble(holdingRevisionOnError: configuration.onInvalid == .holdRevision)
        trial = read
        isJudged = false
        await deliver(
            .revisionRead(
                RevisionRead(
                    source: name, revision: read.revision, assembly: assembly, isResumed: isResumed, rewrites: rewrites)))
    }
}

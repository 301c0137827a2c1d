public import Primitives
public import Storage

/// A commit pipeline without threads: its caller says when something is decided and when something
/// is committed. Everything else is the code of the threaded one (`CommitCore`), so a simulation
/// that moves it step by step tests what a server runs. For one thread at a time.
///
/// Replies and reads are released inside `decide`, `commit` and `run`, on the caller's thread.
public final class SteppedPipeline<Machine: JournaledMachine> {
    private let core: CommitCore<Machine>
    private var decider: Decider<Machine>
    /// What was decided and did not fit in the buffer yet, in order: a thread would wait with it.
    private var held: [OpenBatch<Machine>] = []
    private var hasStopped = false
    private var hasFailed = false
    private let journal: any Journal
    private let empty: Machine
    private let snapshots: SnapshotOptions?

    /// Recovers the machine from the newest of `snapshots` and the journal; `takeSnapshot` takes
    /// one. Throws whatever keeps the journal from being trusted. The journal is the pipeline's own
    /// from here on; `stop` closes it.
    public init(
        journal: any Journal, clock: @escaping @Sendable () -> Timestamp, options: CommitOptions,
        snapshots: SnapshotOptions? = nil, empty: Machine = Machine()
    ) throws(JournalError) {
        let recovered = try RecoveredMachine(
            journal, empty: empty, snapshots: snapshots, readsAhead: false)
        self.journal = journal
        self.empty = empty
        self.snapshots = snapshots
        core = CommitCore(
            after: recovered.head, journal: journal, clock: clock, options: options,
            followers: .init(committed: { _, _ in }, failed: { _ in }, ended: { _ in }))
        decider = Decider(recovered)
    }

    /// The last durable batch.
    public var head: JournalHead { core.head }
    /// What has been done so far.
    public var counters: CommitCounters { core.counters }
    /// Whether nothing new is taken in.
    public var isClosed: Bool { core.queue.isClosed }

    /// Submits a command with its canonical bytes. Says why if it is not taken in, and then `reply`
    /// is never called.
    public func submit(
        _ input: Machine.Input, encoded: [UInt8],
        reply: @escaping @Sendable (Result<Machine.Output, SequencerError>) -> Void
    ) -> SequencerError? {
        core.queue.push(
            .submission(
                Submission(inputs: [input], encoded: [encoded]) { result in
                    reply(result.map { $0[0] })
                }))
    }

    /// Shows the state to `look` and gives `reply` what it makes of it and the journal's head, once
    /// that state is durable. Says why if too much waits, and then calls neither.
    public func read<Value: Sendable>(
        _ look: @escaping @Sendable (borrowing Machine) -> Value,
        reply: @escaping @Sendable (Result<(Value, JournalHead), SequencerError>) -> Void
    ) -> SequencerError? {
        core.queue.push(
            .read(
                StateRead(isExact: false) { machine in
                    let value = look(machine)
                    return { head in reply(head.map { (value, $0) }) }
                } fail: {
                    reply(.failure($0))
                }))
    }

    /// Decides one round of what waits, or hands on what did not fit before. False if there was
    /// nothing to do.
    @discardableResult
    public func decide() -> Bool {
        if !held.isEmpty { return handOn() }
        guard let round = core.queue.takeNow() else { return false }
        _ = core.decide(round, with: &decider) { batch in
            held.append(batch)
            handOn()
            return !hasFailed
        }
        return true
    }

    /// Commits what was decided. False if there was nothing to do, or if the journal has failed.
    @discardableResult
    public func commit() -> Bool {
        guard let batch = core.buffer.takeNow().batch else { return false }
        return core.commit(batch)
    }

    /// Takes nothing in any more, does all that waits, records the state's hash and closes the
    /// journal.
    public func stop() {
        if hasStopped { return }
        hasStopped = true
        core.queue.stop()
        run()
        core.finishDeciding(decider) { batch in
            held.append(batch)
            return true
        }
        run()
        core.buffer.finish()
        if core.buffer.takeNow().ended { core.finishCommitting() }
    }

    /// Takes a snapshot of what is durable, as `Snapshotter` does on its thread. `nil` if there is
    /// nothing new, or no place for snapshots.
    ///
    /// Throws as `SnapshotStore.take` does; the pipeline is not touched by it.
    @discardableResult
    public func takeSnapshot() throws(SnapshotError) -> SnapshotInfo? {
        guard let snapshots else { return nil }
        let checkpoint: StateCheckpoint?
        do throws(JournalError) {
            checkpoint = try journal.checkpoints().last
        } catch {
            throw .journal(error)
        }
        return try snapshots.store.take(
            of: journal, upTo: head, checkpoint: checkpoint, empty: empty,
            notice: snapshots.notice)
    }

    /// Decides and commits until nothing is left to do.
    public func run() {
        while true {
            let decided = decide()
            let committed = commit()
            if !decided, !committed { return }
        }
    }

    /// Gives the buffer what is held, as far as it fits; true if something left.
    @discardableResult
    private func handOn() -> Bool {
        var moved = false
        while let first = held.first {
            switch core.buffer.addNow(first) {
            case .added: held.removeFirst()
            case .full: return moved
            case .failed(let error):
                hasFailed = true
                for batch in held { batch.fail(error) }
                held = []
            }
            moved = true
        }
        return moved
    }
}

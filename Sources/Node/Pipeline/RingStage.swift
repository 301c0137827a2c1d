import Dispatch
import Inference
import Primitives
import Synchronization

/// Computes what waits in a `RingTable` on a thread of its own, one pass after the other, and hands
/// out what came of it. Never waits for a link.
final class RingStage: Sendable {
    /// What came of a window.
    enum Output: Sendable {
        /// For the next stage.
        case window(RingWindow)
        /// For the head.
        case verdict(RingVerdict)
        /// The request cannot go on; it is closed already.
        case fault(RingFault)
    }

    private struct State {
        var table: RingTable
        /// Readers of links that wait until less waits.
        var readers: [CheckedContinuation<Void, Never>] = []
    }

    let stage: Stage
    private let limits: RingLimits
    private let state: Mutex<State>
    private let thread = DispatchQueue(label: "exchequer.ring", qos: .userInitiated)
    private let mayRun: @Sendable (JobID) -> Bool
    private let emit: @Sendable (JobID, Output) -> Void
    /// Requests whose windows are run in one pass over the weights. `run` is where a pass over
    /// several sessions at once goes.
    private static let requestsPerPass = 1

    /// - Parameters:
    ///   - mayRun: whether there is room for what a request's window will give.
    ///   - emit: takes what came out, on the thread that computes; must not block.
    init(
        stage: Stage, limits: RingLimits, mayRun: @escaping @Sendable (JobID) -> Bool,
        emit: @escaping @Sendable (JobID, Output) -> Void
    ) {
        self.stage = stage
        self.limits = limits
        self.mayRun = mayRun
        self.emit = emit
        state = Mutex(State(table: RingTable(limits: limits, stage: stage)))
    }

    /// How many requests are open.
    var count: Int { state.withLock { $0.table.count } }

    /// Windows that were not run because they had been taken back.
    var skipped: Int { state.withLock { $0.table.skipped } }

    /// How many windows of a request wait.
    func waiting(_ job: JobID) -> Int { state.withLock { $0.table.waiting(job) } }

    /// Makes room for a request.
    func open(
        _ job: JobID, promptTokens: Int, capacity: Int, sampling: SamplingParameters
    ) throws(RingFault) {
        var judge: DraftJudge?
        do throws(EngineError) {
            judge =
                stage.isLast
                ? try DraftJudge(
                    promptTokens: promptTokens, sampling: sampling,
                    constraints: stage.model.constraints) : nil
        } catch {
            throw RingFault(error)
        }
        try state.withLock { (state) throws(RingFault) in
            try state.table.open(job, capacity: capacity, judge: judge) { () throws(EngineError) in
                try stage.makeSession(capacity: capacity)
            }
        }
    }

    /// Forgets a request.
    func close(_ job: JobID) {
        release { $0.table.close(job) }
    }

    /// Windows of epochs before `epoch` need not be run.
    func discard(_ job: JobID, before epoch: UInt32) {
        release { $0.table.discard(job, before: epoch) }
    }

    /// Takes a window. Returns at once, or later if so much waits that the caller should stop
    /// reading.
    func offer(_ window: RingWindow, to job: JobID) async throws(RingFault) {
        try state.withLock { (state) throws(RingFault) in
            try state.table.offer(window, to: job)
        }
        wake()
        await withCheckedContinuation { reader in
            let goesOn = state.withLock { state in
                if state.table.waitingBytes <= limits.waitingBytes { return true }
                state.readers.append(reader)
                return false
            }
            if goesOn { reader.resume() }
        }
    }

    /// Looks for work: some came, or there is room again for what comes out.
    func wake() {
        thread.async { self.work() }
    }

    private func work() {
        while true {
            let batch = release { $0.table.take(limit: Self.requestsPerPass, mayRun: mayRun) }
            if batch.isEmpty { return }
            for item in batch {
                switch item {
                case .success(let work): run(work)
                case .failure(let refusal): fail(refusal.job, refusal.fault)
                }
            }
        }
    }

    /// Changes the table; lets readers go on if there is room again.
    private func release<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
        let (value, readers) = state.withLock {
            state -> (Value, [CheckedContinuation<Void, Never>]) in
            let value = body(&state)
            guard state.table.waitingBytes <= limits.waitingBytes / 2 else { return (value, []) }
            defer { state.readers = [] }
            return (value, state.readers)
        }
        for reader in readers { reader.resume() }
        return value
    }

    private func fail(_ job: JobID, _ fault: RingFault) {
        close(job)
        emit(job, .fault(fault))
    }

    private func run(_ work: RingTable.Work) {
        var work = work
        do throws(EngineError) {
            let (output, hasEnded) = try compute(&work)
            let isWanted = state.withLock { $0.table.finish(work, hasEnded: hasEnded) }
            if isWanted, let output { emit(work.job, output) }
        } catch {
            fail(work.job, RingFault(error))
        }
    }

    /// What a window gives, if anything, and whether its epoch is over.
    private func compute(
        _ work: inout RingTable.Work
    ) throws(EngineError) -> (output: Output?, hasEnded: Bool) {
        var window = work.window
        if let judge = work.judge, !judge.admits(window, continues: work.continues) {
            return (nil, true)
        }
        let started = ContinuousClock.now
        let session = work.session
        if session.position > Int(window.start) { try session.truncate(to: Int(window.start)) }
        let rows =
            stage.isFirst
            ? try session.run(tokens: window.tokens)
            : try session.run(activations: window.rows, count: window.tokens.count)
        let hidden = stage.model.architecture.hidden
        let finding = try work.judge?.judge(window) { (range) throws(EngineError) in
            try stage.logits(
                of: Array(rows[range.lowerBound * hidden..<range.upperBound * hidden]))
        }
        let took = (ContinuousClock.now - started) / .microseconds(1)
        let slowest = max(window.slowest, UInt32(min(max(took, 0), 4e9)))
        guard let finding else {
            window.rows = rows
            window.slowest = slowest
            return (.window(window), false)
        }
        try session.truncate(to: finding.through)
        let verdict = RingVerdict(
            epoch: window.epoch, position: UInt32(finding.first), slowest: slowest,
            tokens: finding.tokens)
        return (.verdict(verdict), finding.hasEnded)
    }
}

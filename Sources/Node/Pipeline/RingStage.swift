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
    /// Positions from which on no further request's window joins a pass: the kernels read each
    /// weight once for so many.
    private static let rowsPerPass = 64

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
            let batch = release { $0.table.take(rows: Self.rowsPerPass, mayRun: mayRun) }
            if batch.isEmpty { return }
            var ready: [RingTable.Work] = []
            for item in batch {
                switch item {
                case .success(let work):
                    if prepare(work) { ready.append(work) }
                case .failure(let refusal): fail(refusal.job, refusal.fault)
                }
            }
            if !ready.isEmpty { run(ready) }
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

    /// Takes back what a window takes back; whether it is to be run at all.
    private func prepare(_ work: RingTable.Work) -> Bool {
        if let judge = work.judge, !judge.admits(work.window, continues: work.continues) {
            finish(work, nil, hasEnded: true)
            return false
        }
        guard work.session.position > Int(work.window.start) else { return true }
        do throws(EngineError) {
            try work.session.truncate(to: Int(work.window.start))
            return true
        } catch {
            fail(work.job, RingFault(error))
            return false
        }
    }

    /// Runs windows of different requests in one pass over the weights.
    private func run(_ batch: [RingTable.Work]) {
        let started = ContinuousClock.now
        let results = stage.run(
            batch.map { work in
                StageWork(
                    work.session,
                    stage.isFirst ? .tokens(work.window.tokens) : .activations(work.window.rows))
            })
        var firstLogits = stage.isLast ? logits(batch, results) : []
        // A request's share of the pass: the controller of each counts the requests itself.
        func slowest(_ window: RingWindow) -> UInt32 {
            let took = (ContinuousClock.now - started) / .microseconds(batch.count)
            return max(window.slowest, UInt32(min(max(took, 0), 4e9)))
        }
        for (index, work) in batch.enumerated() {
            var work = work
            do throws(EngineError) {
                let rows = try results[index].get()
                guard work.judge != nil else {
                    var window = work.window
                    window.rows = rows
                    window.slowest = slowest(window)
                    finish(work, .window(window), hasEnded: false)
                    continue
                }
                let known = firstLogits[index]
                firstLogits[index] = []
                if let finding = try judge(&work, rows, known) {
                    let verdict = RingVerdict(
                        epoch: work.window.epoch, position: UInt32(finding.first),
                        slowest: slowest(work.window), tokens: finding.tokens)
                    finish(work, .verdict(verdict), hasEnded: finding.hasEnded)
                }
            } catch {
                fail(work.job, RingFault(error))
            }
        }
    }

    /// The logits that the judges of a pass look at first, in one pass over the output matrix.
    private func logits(
        _ batch: [RingTable.Work], _ results: [Result<[Float], EngineError>]
    ) -> [[[Float]?]] {
        let hidden = stage.model.architecture.hidden
        var rows: [Float] = []
        let counts = zip(batch, results).map { work, result in
            guard case .success(let values) = result,
                let wanted = work.judge?.firstRows(of: work.window)
            else { return 0 }
            rows += values[wanted.lowerBound * hidden..<wanted.upperBound * hidden]
            return wanted.count
        }
        var logits = stage.logitRows(of: rows)[...]
        return counts.map { count in
            defer { logits = logits.dropFirst(count) }
            return Array(logits.prefix(count))
        }
    }

    /// What stands of a window that gave `rows`, whose first logits are known.
    private func judge(
        _ work: inout RingTable.Work, _ rows: [Float], _ known: [[Float]?]
    ) throws(EngineError) -> DraftJudge.Finding? {
        let hidden = stage.model.architecture.hidden
        let first = work.judge?.firstRows(of: work.window)
        let finding = try work.judge?.judge(work.window) { range in
            if range == first { return known }
            return stage.logitRows(
                of: Array(rows[range.lowerBound * hidden..<range.upperBound * hidden]))
        }
        if let finding { try work.session.truncate(to: finding.through) }
        return finding
    }

    /// Hands out what came of a window if it is still wanted.
    private func finish(_ work: RingTable.Work, _ output: Output?, hasEnded: Bool) {
        let isWanted = state.withLock { $0.table.finish(work, hasEnded: hasEnded) }
        if isWanted, let output { emit(work.job, output) }
    }
}

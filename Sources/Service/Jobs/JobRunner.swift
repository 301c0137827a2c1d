public import Clearing
import Cryptography
import Economics
import Inference
import Logging
public import Primitives
import Storage
import Synchronization
import Verification

/// Opens jobs and runs them to their delivery.
public final class JobRunner: Sendable {
    /// One stage of a matched pipeline, as the runner needs it.
    struct Stage: Hashable, Sendable {
        let node: PublicKey
        let layers: LayerRange
        let weights: Digest
        /// The arithmetic its receipts name.
        let profile: Digest
        let numerics: Numerics
        let provider: String
    }

    /// What runs share.
    struct Context: Sendable {
        let hub: NodeHub
        let sequencer: Sequencer
        let evidence: EvidenceStore
        let metrics: HouseMetrics
        let log: Logger
        let patience: JobSpec.Patience
        let load = NodeLoad()
        private let origin = ContinuousClock.now

        init(
            hub: NodeHub, sequencer: Sequencer, evidence: EvidenceStore, metrics: HouseMetrics,
            log: Logger, patience: JobSpec.Patience
        ) {
            self.hub = hub
            self.sequencer = sequencer
            self.evidence = evidence
            self.metrics = metrics
            self.log = log
            self.patience = patience
        }

        /// Milliseconds on a clock that only moves on.
        func milliseconds() -> UInt64 {
            let (seconds, attoseconds) = origin.duration(to: .now).components
            return UInt64(seconds) * 1_000 + UInt64(attoseconds / 1_000_000_000_000_000)
        }

        /// Submits a command; its events, or why not.
        func submit(_ command: Command) async throws(JobFailure) -> [Event] {
            let outcome: Sequencer.Outcome
            do {
                outcome = try await sequencer.submit(command)
            } catch {
                throw .unavailable("\(error)")
            }
            switch outcome {
            case .success(let events): return events
            case .failure(let rejection): throw .rejected(rejection)
            }
        }

        /// Submits a command that a busy house must take in the end: tries again for some seconds.
        func insist(_ command: Command) async throws(JobFailure) -> [Event] {
            for delay in [50, 100, 200, 400, 800, 1_600, 3_200] {
                do throws(JobFailure) {
                    return try await submit(command)
                } catch {
                    guard case .unavailable = error, !sequencer.isStopping else { throw error }
                }
                try? await Task.sleep(for: .milliseconds(delay))
            }
            return try await submit(command)
        }

        /// The current attempt of a job and its pipeline.
        func pipeline(of id: JobID) async -> (attempt: UInt32, stages: [Stage])? {
            let found = try? await sequencer.read { house -> (UInt32, [Stage])? in
                house.job(id).map { job in
                    (job.attempt, job.pipeline.compactMap { Stage($0, in: house) })
                }
            }
            return found ?? nil
        }

        /// Makes evidence durable.
        func keep(_ bundle: EvidenceBundle) async throws(JobFailure) {
            let bytes = bundle.canonicalBytes()
            var receipts = ByteWriter()
            receipts.write(bundle.stages.compactMap(\.receipt))
            do throws(JournalError) {
                try await evidence.keep(
                    bytes, job: bundle.job, digest: SHA256.hash(bytes), receipts: receipts.bytes)
            } catch {
                throw .unavailable("the evidence cannot be written: \(error)")
            }
        }
    }

    private let context: Context
    private let runs = Mutex<[JobID: JobRun]>([:])
    private let stopping = Mutex(false)

    init(context: Context) {
        self.context = context
    }

    /// How many jobs run.
    public var count: Int { runs.withLock { $0.count } }

    /// Opens a job and starts it. What comes of it arrives in `outputs`; nobody has to read it.
    ///
    /// Dropping the running job is the same as cancelling it.
    public func start(_ request: JobRequest) async throws(JobFailure) -> RunningJob {
        if stopping.withLock({ $0 }) { throw .unavailable("the house is stopping") }
        // What cannot be kept as evidence cannot be audited.
        let positions = request.prompt.count + Int(request.maxTokens)
        guard 4 * request.model.manifest.hidden * positions <= EvidenceBundle.maximumBoundary else {
            throw .rejected(.contextExceeded)
        }
        let opened = context.milliseconds()
        var request = request
        request.sampling = request.sampling.committed(to: request.prompt)
        let sampling = request.sampling.canonicalBytes()
        let input = Transcript.request(prompt: request.prompt[...], sampling: sampling)
        var demand = Demand(
            buyer: request.buyer, request: request.request, model: request.model.id,
            promptTokens: UInt32(request.prompt.count), maxTokens: request.maxTokens, input: input)
        demand.maxInputPrice = request.routing.maxInputPrice
        demand.maxOutputPrice = request.routing.maxOutputPrice
        demand.order = request.routing.order
        demand.only = request.routing.only
        demand.ignore = request.routing.ignore
        demand.allowFallbacks = request.routing.allowFallbacks
        // Only our own engine is known to give log probabilities that follow from the logits.
        demand.acceptsStatistical = request.routing.acceptsStatistical && request.scores == nil
        let events = try await context.submit(.openJob(demand))
        var held: JobID?
        for event in events { if case .jobHeld(let id, _) = event { held = id } }
        guard let id = held, let (_, pipeline) = await context.pipeline(of: id) else {
            throw .unavailable("the house is stopping")
        }
        let seconds = (try? await context.sequencer.read { $0.parameters?.jobTimeoutSeconds ?? 0 })
        // Signed for with a quarter of the time left, or as long as receipts may take.
        let timeout = 1_000 * UInt64(seconds ?? 0)
        let reserve = min(timeout / 4, context.patience.receipts + 5_000)
        let (outputs, sink) = AsyncStream.makeStream(
            of: JobOutput.self, bufferingPolicy: .unbounded)
        let run = JobRun(
            job: id, request: request, input: input, context: context,
            endBy: opened + timeout - reserve, output: sink)
        runs.withLock { $0[id] = run }
        Task {
            await run.run(pipeline)
            runs.withLock { $0[id] = nil }
        }
        return RunningJob(
            id: id, providers: pipeline.map(\.provider), outputs: outputs
        ) { run.push(.cancel) }
    }

    /// A node hands in a receipt. Why it is refused, or `nil` once it is in the books.
    public func submit(_ receipt: Signed<Receipt>, logits: [Digest]) async -> Rejection? {
        guard let run = runs.withLock({ $0[receipt.body.job] }), run.involves(receipt.signer)
        else { return .wrongJobState }
        return await withCheckedContinuation { continuation in
            run.push(.receipt(receipt, logits) { continuation.resume(returning: $0) })
        }
    }

    func receive(_ frame: WireFrame, from node: PublicKey) {
        runs.withLock { $0[frame.job] }?.push(frame, from: node)
    }

    func lose(_ node: PublicKey) {
        // While the house stops, nodes that lose their link have done nothing wrong.
        if stopping.withLock({ $0 }) { return }
        let all = runs.withLock { Array($0.values) }
        for run in all where run.involves(node) { run.push(.lost(node)) }
    }

    /// The clearing ended a job by itself.
    func ended(_ job: JobID, _ reason: FailureReason) {
        runs.withLock { $0[job] }?.push(.ended(reason))
    }

    /// Takes no new jobs, lets those that run finish for as long as `patience`, and ends the rest
    /// uncharged without blaming anyone.
    func finish(patience: Duration) async {
        stopping.withLock { $0 = true }
        await wait(patience)
        for run in runs.withLock({ Array($0.values) }) { run.push(.interrupt) }
        await wait(.seconds(3))
    }

    private func wait(_ patience: Duration) async {
        let start = ContinuousClock.now
        while count > 0, start.duration(to: .now) < patience {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension JobRunner.Stage {
    init?(_ assignment: StageAssignment, in house: borrowing ClearingHouse) {
        guard let node = house.node(assignment.node), let offer = house.offer(assignment.offer),
            let model = house.model(offer.draft.model)
        else { return nil }
        let party = house.party(assignment.party)
        self.init(
            node: node.key, layers: assignment.layers, weights: offer.draft.weights,
            profile: offer.profile(of: model.draft), numerics: offer.draft.numerics,
            provider: party.map(\.publicName) ?? "")
    }
}

extension Party {
    /// The name people see: the one it gave itself, or `party-N`.
    public var publicName: String { name.isEmpty ? "party-\(id)" : name }
}

/// A job that was opened and runs.
public struct RunningJob: Sendable {
    /// Its number.
    public let id: JobID
    /// Who was matched first, in order of stage.
    public let providers: [String]
    /// What comes of it: text, then exactly one end.
    public let outputs: AsyncStream<JobOutput>
    private let owner: Owner

    /// Cancels when the last copy of the running job is gone.
    private final class Owner: Sendable {
        let onCancel: @Sendable () -> Void

        init(_ onCancel: @escaping @Sendable () -> Void) { self.onCancel = onCancel }

        deinit { onCancel() }
    }

    init(
        id: JobID, providers: [String], outputs: AsyncStream<JobOutput>,
        onCancel: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.providers = providers
        self.outputs = outputs
        owner = Owner(onCancel)
    }

    /// The buyer went away: what was chosen so far is charged, or nothing if there was nothing.
    public func cancel() { owner.onCancel() }
}

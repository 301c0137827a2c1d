import Clearing
import Cryptography
import Inference
import Logging
import Primitives
import Storage
import Synchronization
import Verification

/// One job from its match to its delivery: takes what comes one after the other, lets `JobMachine`
/// decide, and carries out what it says.
final class JobRun: Sendable {
    /// What can happen to a running job.
    enum Input: Sendable {
        case frame(PublicKey, WireFrame)
        case lost(PublicKey)
        case receipt(Signed<Receipt>, [Digest], @Sendable (Rejection?) -> Void)
        case tick
        case cancel
        /// The clearing ended the job by itself.
        case ended(FailureReason)
        /// The house stops: the job ends uncharged, and nobody is blamed.
        case interrupt
    }

    let job: JobID
    private let request: JobRequest
    private let input: Digest
    let context: JobRunner.Context
    private let endBy: UInt64
    private let inputs: AsyncStream<Input>
    private let sink: AsyncStream<Input>.Continuation
    private let output: AsyncStream<JobOutput>.Continuation
    private let nodes: Mutex<[PublicKey]>
    /// Inputs that may wait: a node that sends more than it is asked for is lost.
    private static let waitingInputs = 4_096

    init(
        job: JobID, request: JobRequest, input: Digest, context: JobRunner.Context,
        endBy: UInt64, output: AsyncStream<JobOutput>.Continuation
    ) {
        self.job = job
        self.request = request
        self.input = input
        self.context = context
        self.endBy = endBy
        self.output = output
        (inputs, sink) = AsyncStream.makeStream(
            of: Input.self, bufferingPolicy: .bufferingOldest(Self.waitingInputs))
        nodes = Mutex([])
    }

    /// Whether the node has a stage of the current attempt.
    func involves(_ node: PublicKey) -> Bool { nodes.withLock { $0.contains(node) } }

    /// A frame of a node: nothing of strangers, and nothing larger than any frame it may send.
    func push(_ frame: WireFrame, from node: PublicKey) {
        let largest = JobMachine.rowsPerFrame * max(4 * request.model.manifest.hidden, 256)
        guard involves(node) else { return }
        if frame.payload.count <= largest {
            push(.frame(node, frame))
        } else {
            push(.lost(node))
        }
    }

    func push(_ input: Input) {
        if case .enqueued = sink.yield(input) { return }
        if case .receipt(_, _, let reply) = input { reply(.wrongJobState) }
    }

    /// Runs to the end. The answer's last word has been said when this returns.
    func run(_ pipeline: [JobRunner.Stage]) async {
        let ticker = Task { [sink] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(Int(Punctuality.interval)))
                sink.yield(.tick)
            }
        }
        var state = State(
            machine: JobMachine(
                spec: spec(), stages: pipeline.count, runsAhead: Self.runsAhead(pipeline),
                at: context.milliseconds()),
            pipeline: pipeline)
        adopt(state)
        state.meter.begin(stages: pipeline.count)
        await carryOut(state.machine.begin(), &state)
        if !state.isOver {
            for await input in inputs {
                await take(input, &state)
                if state.isOver { break }
            }
        }
        ticker.cancel()
        sink.finish()
        context.load.change(from: state.load, to: [])
        for reply in state.replies { reply(.wrongJobState) }
        for await left in inputs {
            if case .receipt(_, _, let reply) = left { reply(.wrongJobState) }
        }
        output.finish()
    }

    /// What changes while the job runs.
    struct State: Sendable {
        var machine: JobMachine
        var meter = PaceMeter()
        var pipeline: [JobRunner.Stage]
        var receipts: [Int: Signed<Receipt>] = [:]
        var logits: [Digest] = []
        var check: ReceiptCheck?
        /// Who waits to hear that its receipt is in the books.
        var replies: [@Sendable (Rejection?) -> Void] = []
        /// What this job has told `NodeLoad`.
        var load: [(PublicKey, Int)] = []
        /// How often the clock has beaten, and when stand-ins are looked for again.
        var ticks = 0
        var seeksAt = 0
        /// Who computes which stage along, and who did.
        var standIns: [Int: StandIn] = [:]
        var formerStandIns: Set<PublicKey> = []
        var isOver = false
    }

    private func spec() -> JobSpec {
        let model = request.model
        let tokenizer = model.file.tokenizer
        return JobSpec(
            job: job, prompt: request.prompt, maxTokens: Int(request.maxTokens),
            rowBytes: 4 * model.manifest.hidden, vocabulary: Int32(model.manifest.vocabulary),
            isEnd: { tokenizer.isEnd($0) },
            text: AnswerText(tokenizer: tokenizer, stops: request.stops), scores: request.scores,
            patience: context.patience, endBy: endBy)
    }

    /// An engine that is not ours chooses its tokens without the house feeding each back.
    private static func runsAhead(_ pipeline: [JobRunner.Stage]) -> Bool {
        pipeline.contains { $0.numerics == .statistical }
    }

    func adopt(_ state: State) {
        nodes.withLock { $0 = state.pipeline.map(\.node) + state.standIns.values.map(\.key) }
    }

    private func take(_ input: Input, _ state: inout State) async {
        let now = context.milliseconds()
        var effects: [JobMachine.Effect] = []
        switch input {
        case .frame(let node, let frame):
            let stage = Int(frame.stage)
            guard stage < state.pipeline.count else { return }
            if state.pipeline[stage].node == node {
                measure(frame, &state)
                effects = state.machine.receive(frame, at: now)
            } else if state.standIns[stage]?.key == node {
                effects = state.machine.receiveFromStandIn(frame)
            }
        case .lost(let node):
            for (stage, place) in state.pipeline.enumerated() where place.node == node {
                effects += state.machine.hangUp(stage: stage, at: now)
            }
            for (stage, standIn) in state.standIns where standIn.key == node {
                state.machine.loseStandIn(of: stage)
            }
        case .receipt(let receipt, let logits, let reply):
            accept(receipt, logits, reply, &state)
        case .tick:
            effects = tick(at: now, &state)
            effects += await seekStandIns(&state)
        case .cancel:
            effects = state.machine.cancel()
        case .ended(let reason):
            effects = state.machine.abort()
            fail(reason, &state)
        case .interrupt:
            effects = state.machine.abort()
            await submitFailure(.interrupted, &state)
        }
        effects += state.machine.feedStandIns()
        let settled = Set(state.receipts.keys).union(state.machine.unsigned).count
        if state.check != nil, settled == state.pipeline.count { effects.append(.close) }
        await carryOut(effects, &state)
        settleStandIns(&state)
        let load = zip(state.pipeline, state.machine.waiting).map { ($0.node, $1) }
        context.load.change(from: state.load, to: load)
        state.load = load
    }

    /// Whether nothing of other jobs waits at a stage's node.
    private func isIdle(_ stage: Int, _ state: State) -> Bool {
        let node = state.pipeline[stage].node
        let own = state.load.reduce(0) { $1.0 == node ? $0 + $1.1 : $0 }
        return context.load.waiting(at: node) <= own
    }

    /// Notes how long a stage took for what comes from it.
    private func measure(_ frame: WireFrame, _ state: inout State) {
        let stage = Int(frame.stage)
        guard frame.attempt == state.machine.attempt else { return }
        let place = state.pipeline[stage]
        let isIdle = isIdle(stage, state)
        let sample = state.meter.received(
            frame, from: stage, isIdle: isIdle,
            runsAhead: place.numerics == .statistical,
            roundTrip: context.hub.roundTrip(of: place.node) ?? 0, at: context.microseconds())
        guard let sample else { return }
        let work = PaceBook.Work(
            node: place.node, model: request.model.id, layers: place.layers)
        context.paces.add(sample, of: work)
    }

    private func tick(at now: UInt64, _ state: inout State) -> [JobMachine.Effect] {
        let queued = state.pipeline.map { context.load.waiting(at: $0.node) }
        state.ticks += 1
        let silent = state.pipeline.map { context.hub.silence(of: $0.node) }
        return state.machine.beat(at: now, queued: queued, silent: silent)
    }

    private func carryOut(_ effects: [JobMachine.Effect], _ state: inout State) async {
        for effect in effects {
            switch effect {
            case .assign(let stage):
                let event = assignment(stage, state)
                if !context.hub.send(event, to: state.pipeline[stage].node) {
                    let lost = state.machine.lose(stage: stage, "not connected")
                    return await carryOut(lost, &state)
                }
            case .send(let frame, let stage):
                // A frame that cannot be sent means a link that is lost, which is told apart.
                context.hub.send(frame, to: state.pipeline[stage].node)
                let isIdle = isIdle(stage, state)
                state.meter.sent(
                    frame, to: stage, isIdle: isIdle, at: context.microseconds())
            case .dismiss(let stage):
                context.hub.send(dismissal(state), to: state.pipeline[stage].node)
            case .standIn(let order, let stage): carryOut(order, stage: stage, &state)
            case .deliver(let text, let tokens, let scores):
                context.metrics.delivered(tokens: tokens)
                output.yield(.text(text, tokens: tokens, scores: scores))
            case .replace(let stage, let code, let reason):
                let command = Command.replaceStage(
                    job, attempt: state.machine.attempt, stage: UInt16(stage), code: code)
                _ = await replace(stage, code, by: command, reason, &state)
            case .doubt(let stage):
                let command = Command.replaceDoubted(
                    job, attempt: state.machine.attempt, stage: UInt16(stage))
                // Stages of a new attempt have new numbers: other doubts come again.
                let reason = "not heard for a while"
                if await replace(stage, .declined, by: command, reason, &state) { return }
            case .collect:
                state.check = receiptCheck(state)
            case .close:
                state.machine.close()
                await deliver(&state)
            case .fail(let cause):
                let reason: FailureReason = cause == .diverged ? .diverged : .cancelled
                await submitFailure(reason, &state)
            }
        }
    }

    // MARK: Replacement

    /// Lets the clearing put another node in a stage's place, its stand-in if there is one; false
    /// if it has none for a stage that is only doubted.
    private func replace(
        _ stage: Int, _ code: FaultCode, by command: Command, _ reason: String,
        _ state: inout State
    ) async -> Bool {
        do throws(JobFailure) {
            let taken = try await replaceByStandIn(stage, code: code, state)
            let events = if let taken { taken } else { try await context.insist(command) }
            context.log.notice(
                "stage lost",
                metadata: [
                    "job": "\(job)", "stage": "\(stage)", "reason": "\(reason)",
                    "stand-in": "\(taken != nil)",
                ])
            for event in events {
                guard case .jobFailed(_, let reason) = event else { continue }
                await carryOut(state.machine.abort(), &state)
                fail(reason, &state)
                return true
            }
            guard let (attempt, pipeline) = await context.pipeline(of: job) else {
                await carryOut(state.machine.abort(), &state)
                await submitFailure(.interrupted, &state)
                return true
            }
            let effects = await goOn(attempt, pipeline, without: stage, &state)
            await carryOut(effects, &state)
        } catch {
            if error == .rejected(.noAlternative) { return false }
            await carryOut(state.machine.abort(), &state)
            end(.failed(error), &state)
        }
        return true
    }

    /// Goes on with a new pipeline: whoever computed something of it before keeps that.
    private func goOn(
        _ attempt: UInt32, _ pipeline: [JobRunner.Stage], without lost: Int, _ state: inout State
    ) async -> [JobMachine.Effect] {
        let kept = kept(by: pipeline, of: state, without: lost)
        let promoted = promoted(to: pipeline, state)
        let nodes = Set(pipeline.map(\.node))
        let staying = state.standIns.filter { old, standIn in
            kept.contains(old) && !nodes.contains(standIn.key)
        }
        let release = state.machine.release(
            but: Set(kept.compactMap(\.self)),
            standIns: Set(staying.keys).union(promoted.values))
        await carryOut(release, &state)
        state.standIns = [:]
        for (place, old) in kept.enumerated() {
            if let old { state.standIns[place] = staying[old] }
        }
        state.pipeline = pipeline
        state.meter.begin(stages: pipeline.count)
        adopt(state)
        return state.machine.restart(
            attempt: attempt, kept: kept, promoted: promoted, runsAhead: Self.runsAhead(pipeline),
            at: context.milliseconds())
    }

    /// For each stage of a new pipeline the old one whose node goes on with the same layers.
    private func kept(
        by pipeline: [JobRunner.Stage], of state: State, without lost: Int
    ) -> [Int?] {
        pipeline.map { stage in
            guard state.machine.canResume, stage.numerics == .exact else { return nil }
            return state.pipeline.indices.first { old in
                old != lost && state.pipeline[old] == stage
            }
        }
    }

    private func submitFailure(_ reason: FailureReason, _ state: inout State) async {
        if state.isOver { return }
        do throws(JobFailure) {
            _ = try await context.insist(.failJob(job, reason: reason))
            fail(reason, &state)
        } catch {
            end(.failed(error), &state)
        }
    }

    private func fail(_ reason: FailureReason, _ state: inout State) {
        end(.failed(.failed(job, reason)), &state)
    }

    private func end(_ last: JobOutput, _ state: inout State) {
        guard !state.isOver else { return }
        state.isOver = true
        state.machine.close()
        output.yield(last)
    }

    // MARK: Delivery

    private func receiptCheck(_ state: State) -> ReceiptCheck {
        ReceiptCheck(
            job: job, attempt: state.machine.attempt, model: request.model.manifest.root,
            stages: state.pipeline,
            promptTokens: request.prompt.count, output: state.machine.output,
            sampling: request.sampling.canonicalBytes(),
            boundaryRoots: state.machine.boundaries.map {
                Transcript.root(boundary: $0, width: 4 * request.model.manifest.hidden)
            })
    }

    /// Takes a receipt. Its node hears of a refusal at once, of success when it is in the books.
    private func accept(
        _ receipt: Signed<Receipt>, _ logits: [Digest],
        _ reply: @escaping @Sendable (Rejection?) -> Void, _ state: inout State
    ) {
        guard let check = state.check else { return reply(.wrongJobState) }
        if let refusal = check.refusal(receipt, logits: logits) { return reply(refusal) }
        let stage = Int(receipt.body.stage)
        // The same receipt again is a repeated request whose answer was lost.
        if let known = state.receipts[stage], known.body != receipt.body {
            return reply(.duplicateReceipt)
        }
        state.receipts[stage] = receipt
        state.replies.append(reply)
        if stage == state.pipeline.count - 1 { state.logits = check.logits(logits) }
    }

    /// Writes the evidence down, then moves the money: what is charged can be audited.
    private func deliver(_ state: inout State) async {
        if state.isOver { return }
        if state.receipts.isEmpty { return await submitFailure(.unsigned, &state) }
        let bundle = evidence(state)
        do throws(JobFailure) {
            try await context.keep(bundle)
            let events = try await context.insist(
                .submitReceipts(
                    Delivery(
                        job: job, attempt: state.machine.attempt,
                        outputTokens: UInt32(state.machine.output.count),
                        output: Self.hash(state.machine.output),
                        receipts: bundle.stages.compactMap(\.receipt))))
            var cost = Amount.zero
            for event in events {
                if case .jobFailed(_, let reason) = event { return fail(reason, &state) }
                if case .jobDelivered(_, let amount) = event { cost = amount }
            }
            for reply in state.replies { reply(nil) }
            state.replies = []
            end(
                .done(
                    JobResult(
                        promptTokens: request.prompt.count,
                        outputTokens: state.machine.output.count,
                        finish: state.machine.finish?.rawValue ?? "stop", cost: cost,
                        providers: state.pipeline.map(\.provider),
                        attempt: state.machine.attempt,
                        numerics: Self.runsAhead(state.pipeline) ? .statistical : .exact)), &state)
        } catch {
            // Nothing is charged for what cannot be kept.
            context.log.error(
                "an answer could not be booked", metadata: ["job": "\(job)", "why": "\(error)"])
            _ = try? await context.submit(.failJob(job, reason: .interrupted))
            end(.failed(error), &state)
        }
    }

    private func evidence(_ state: State) -> EvidenceBundle {
        let output = state.machine.output
        return EvidenceBundle(
            job: job, attempt: state.machine.attempt, model: request.model.manifest.root,
            profile: state.pipeline.first?.profile ?? .zero, request: input,
            promptTokens: UInt32(request.prompt.count),
            tokens: request.prompt + output.dropLast(), output: output, logits: state.logits,
            sampling: request.sampling.canonicalBytes(),
            stages: state.pipeline.enumerated().map { place, stage in
                .init(
                    layers: stage.layers, weights: stage.weights, receipt: state.receipts[place])
            },
            boundaries: state.machine.boundaries)
    }

    /// The hash of delivered tokens: SHA-256 of their number (u32) and each token (i32).
    private static func hash(_ tokens: [Int32]) -> Digest {
        var writer = ByteWriter()
        writer.write(UInt32(tokens.count))
        for token in tokens { writer.write(UInt32(bitPattern: token)) }
        return SHA256.hash(writer.bytes)
    }

    private func resume(_ place: Int, _ state: State, _ isStandIn: Bool) -> [String] {
        let found =
            isStandIn
            ? state.machine.resumeOfStandIn(stage: place) : state.machine.resume(stage: place)
        guard let (attempt, position) = found else { return [] }
        return ["\"resume\":{\"attempt\":\(attempt),\"position\":\(position)}"]
    }

    /// What only the last stage is told of how tokens are chosen.
    private func choice(_ place: Int, _ state: State) -> [String] {
        guard place == state.pipeline.count - 1 else { return [] }
        var fields: [String] = []
        if request.sampling.countsPrompt {
            let tokens = SamplingParameters.distinct(request.prompt).map { "\($0)" }
            fields.append("\"prompt_set\":[\(tokens.joined(separator: ","))]")
        }
        if let scores = request.scores { fields.append("\"logprobs\":\(scores)") }
        return fields
    }

    /// The event that has a node drop the attempt.
    func dismissal(_ state: State) -> NodeEvent {
        NodeEvent("cancel", "{\"job\":\(job),\"attempt\":\(state.machine.attempt)}")
    }

    /// The `job` event of a stage, for its node or its stand-in.
    func assignment(_ place: Int, _ state: State, isStandIn: Bool = false) -> NodeEvent {
        let stage = state.pipeline[place]
        let manifest = request.model.manifest
        let fields =
            [
                "\"job\":\(job)", "\"attempt\":\(state.machine.attempt)", "\"stage\":\(place)",
                "\"stages\":\(state.pipeline.count)",
                "\"layers\":[\(stage.layers.first),\(stage.layers.end)]",
                "\"model\":\"\(manifest.root.hex)\"", "\"weights\":\"\(stage.weights.hex)\"",
                "\"profile\":\"\(stage.profile.hex)\"",
                "\"prompt_tokens\":\(request.prompt.count)", "\"max_tokens\":\(request.maxTokens)",
                "\"chosen_tokens\":\(state.machine.output.count)",
                "\"sampling\":\"\(Hex.encode(request.sampling.canonicalBytes()))\"",
            ] + choice(place, state) + resume(place, state, isStandIn)
            + (isStandIn ? ["\"stand_in\":true"] : [])
        return NodeEvent("job", "{" + fields.joined(separator: ",") + "}")
    }
}

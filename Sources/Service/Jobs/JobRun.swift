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
    private let context: JobRunner.Context
    private let endBy: UInt64
    private let inputs: AsyncStream<Input>
    private let sink: AsyncStream<Input>.Continuation
    private let output: AsyncStream<JobOutput>.Continuation
    private let nodes: Mutex<[PublicKey]>
    /// Inputs that may wait: a node that sends more than it is asked for is lost.
    private static let waitingInputs = 4_096
    private static let tickMilliseconds: UInt64 = 250

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
                try? await Task.sleep(for: .milliseconds(Int(Self.tickMilliseconds)))
                sink.yield(.tick)
            }
        }
        var state = State(
            machine: JobMachine(
                spec: spec(), stages: pipeline.count, runsAhead: Self.runsAhead(pipeline),
                at: context.milliseconds()),
            pipeline: pipeline)
        adopt(pipeline)
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
    private struct State {
        var machine: JobMachine
        var pipeline: [JobRunner.Stage]
        var receipts: [Int: Signed<Receipt>] = [:]
        var logits: [Digest] = []
        var check: ReceiptCheck?
        /// Who waits to hear that its receipt is in the books.
        var replies: [@Sendable (Rejection?) -> Void] = []
        /// What this job has told `NodeLoad`.
        var load: [(PublicKey, Int)] = []
        /// When time last passed.
        var ticked: UInt64?
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

    private func adopt(_ pipeline: [JobRunner.Stage]) {
        nodes.withLock { $0 = pipeline.map(\.node) }
    }

    private func take(_ input: Input, _ state: inout State) async {
        let now = context.milliseconds()
        var effects: [JobMachine.Effect] = []
        switch input {
        case .frame(let node, let frame):
            guard Int(frame.stage) < state.pipeline.count,
                state.pipeline[Int(frame.stage)].node == node
            else { return }
            effects = state.machine.receive(frame, at: now)
        case .lost(let node):
            for (stage, place) in state.pipeline.enumerated() where place.node == node {
                effects += state.machine.lose(stage: stage, "the connection was lost")
            }
        case .receipt(let receipt, let logits, let reply):
            accept(receipt, logits, reply, &state)
        case .tick:
            effects = tick(at: now, &state)
        case .cancel:
            effects = state.machine.cancel()
        case .ended(let reason):
            effects = state.machine.abort()
            fail(reason, &state)
        case .interrupt:
            effects = state.machine.abort()
            await submitFailure(.interrupted, &state)
        }
        let settled = Set(state.receipts.keys).union(state.machine.unsigned).count
        if state.check != nil, settled == state.pipeline.count { effects.append(.close) }
        await carryOut(effects, &state)
        let load = zip(state.pipeline, state.machine.waiting).map { ($0.node, $1) }
        context.load.change(from: state.load, to: load)
        state.load = load
    }

    private func tick(at now: UInt64, _ state: inout State) -> [JobMachine.Effect] {
        let queued = state.pipeline.map { context.load.waiting(at: $0.node) }
        // A house that was held up itself has not heard anyone.
        let isLate = state.ticked.map { now - $0 > 2 * Self.tickMilliseconds } ?? true
        state.ticked = now
        // Asked in any case: from then on the nodes are pinged often.
        let silent = state.pipeline.map { context.hub.silence(of: $0.node) }
        return state.machine.tick(at: now, queued: queued, silent: isLate ? [] : silent)
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
            case .dismiss(let stage):
                let data = "{\"job\":\(job),\"attempt\":\(state.machine.attempt)}"
                context.hub.send(NodeEvent("cancel", data), to: state.pipeline[stage].node)
            case .deliver(let text, let tokens, let scores):
                context.metrics.delivered(tokens: tokens)
                output.yield(.text(text, tokens: tokens, scores: scores))
            case .replace(let stage, let code, let reason):
                await replace(stage, code, reason, &state)
            case .doubt(let stage):
                guard await hasAlternative(to: stage) else { continue }
                let lost = state.machine.lose(
                    stage: stage, "not heard for a while", code: .declined)
                await carryOut(lost, &state)
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

    private func replace(
        _ stage: Int, _ code: FaultCode, _ reason: String, _ state: inout State
    ) async {
        context.log.notice(
            "stage lost",
            metadata: ["job": "\(job)", "stage": "\(stage)", "reason": "\(reason)"])
        do throws(JobFailure) {
            let events = try await context.insist(
                .replaceStage(
                    job, attempt: state.machine.attempt, stage: UInt16(stage), code: code))
            for event in events {
                guard case .jobFailed(_, let reason) = event else { continue }
                await carryOut(state.machine.abort(), &state)
                return fail(reason, &state)
            }
            guard let (attempt, pipeline) = await context.pipeline(of: job) else {
                await carryOut(state.machine.abort(), &state)
                return await submitFailure(.interrupted, &state)
            }
            let kept = kept(by: pipeline, of: state, without: stage)
            await carryOut(state.machine.release(but: Set(kept.compactMap(\.self))), &state)
            state.pipeline = pipeline
            adopt(pipeline)
            let effects = state.machine.restart(
                attempt: attempt, kept: kept, runsAhead: Self.runsAhead(pipeline),
                at: context.milliseconds())
            await carryOut(effects, &state)
        } catch {
            await carryOut(state.machine.abort(), &state)
            end(.failed(error), &state)
        }
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

    /// Whether the clearing has other nodes for a stage: a doubt alone ends no job.
    private func hasAlternative(to stage: Int) async -> Bool {
        let found = try? await context.sequencer.read { house in
            house.hasAlternative(to: stage, of: self.job)
        }
        return found ?? false
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

    private func resume(_ place: Int, _ state: State) -> [String] {
        guard let (attempt, position) = state.machine.resume(stage: place) else { return [] }
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

    /// The `job` event of a stage.
    private func assignment(_ place: Int, _ state: State) -> NodeEvent {
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
            ] + choice(place, state) + resume(place, state)
        return NodeEvent("job", "{" + fields.joined(separator: ",") + "}")
    }
}

import Dispatch
import Primitives
import Synchronization

/// Runs a whole model for many callers at once: their tokens share the passes over the weights, and
/// each gets the bytes that it would get alone.
///
/// Passes run one after the other outside the threads that tasks share. Callers beyond `running`
/// wait in order; beyond `waiting` they are refused.
public final class BatchGenerator: Sendable {
    /// The stage with all layers.
    public let stage: Stage
    /// The most answers in work at a time.
    public let running: Int
    /// The most callers that wait for one of them to end.
    public let waiting: Int

    /// What the callers' threads and the engine's share.
    private struct Inbox {
        var arrived: [Request] = []
        var cancelled: Set<UInt64> = []
        /// Callers that were not answered yet.
        var open = 0
        var number: UInt64 = 0
        var isRunning = false
    }

    private let inbox = Mutex(Inbox())
    private let queue = DispatchQueue(label: "exchequer.batch", qos: .userInitiated)
    private let batch: Mutex<Batch>

    /// Runs `stage`, which has all layers of its model.
    public init(stage: Stage, running: Int = 16, waiting: Int = 256) {
        precondition(stage.isFirst && stage.isLast, "a stage with all layers")
        precondition(running > 0 && waiting >= 0, "room for at least one answer")
        self.stage = stage
        self.running = running
        self.waiting = waiting
        batch = Mutex(Batch(stage: stage, running: running))
    }

    /// Continues `prompt` as `Generator.generate` does. A task that is cancelled ends after the
    /// pass that is running, with what it has.
    ///
    /// - Parameters:
    ///   - scope: with whom pages are shared if the prompts begin alike; `nil` for nobody.
    ///   - scores: how many of the most likely tokens to give the log probabilities of, beside
    ///     the chosen one; `nil` for none at all.
    ///   - onToken: called with each token as it is chosen, on the engine's thread, which it must
    ///     not hold up; `false` stops.
    /// - Throws: `queueFull` besides what `Generator.generate` throws.
    public func generate(
        prompt: [Int32], parameters: SamplingParameters = .greedy, maxTokens: Int,
        scope: PrefixScope? = nil, scores: Int? = nil,
        onToken: @escaping @Sendable (Int32) -> Bool = { _ in true }
    ) async throws(EngineError) -> Generation {
        let context = stage.model.architecture.contextLength
        if prompt.isEmpty { throw .emptyInput }
        try stage.check(prompt)
        guard prompt.count < context else {
            throw .tooManyPositions(capacity: context, needed: prompt.count + 1)
        }
        let sampler = try Sampler(parameters, constraints: stage.model.constraints)
        if maxTokens <= 0 { return Generation(tokens: [], reason: .length) }
        let id = inbox.withLock { inbox in
            inbox.number += 1
            return inbox.number
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                submit(
                    Request(
                        id: id, prompt: prompt, sampler: sampler,
                        limit: min(maxTokens, context - prompt.count), scope: scope,
                        scores: scores, onToken: onToken,
                        onEnd: { continuation.resume(returning: $0) }))
            }
        } onCancel: {
            inbox.withLock { _ = $0.cancelled.insert(id) }
        }
        inbox.withLock { _ = $0.cancelled.remove(id) }
        return try result.get()
    }

    private func submit(_ request: Request) {
        let isFull = inbox.withLock { inbox in
            guard inbox.open < running + waiting else { return true }
            inbox.open += 1
            inbox.arrived.append(request)
            if !inbox.isRunning {
                inbox.isRunning = true
                queue.async { self.work() }
            }
            return false
        }
        if isFull { request.onEnd(.failure(.queueFull)) }
    }

    /// Runs passes until nobody waits for an answer.
    private func work() {
        while true {
            let news = inbox.withLock { inbox in
                defer { inbox.arrived = [] }
                if inbox.open == 0 { inbox.isRunning = false }
                return (inbox.isRunning, inbox.arrived, inbox.cancelled)
            }
            guard news.0 else { return }
            let ended = batch.withLock { batch in
                batch.take(news.1, cancelled: news.2)
                return batch.step()
            }
            inbox.withLock { $0.open -= ended.count }
            for (request, result) in ended { request.onEnd(result) }
        }
    }
}

/// What a caller asked for.
struct Request: Sendable {
    let id: UInt64
    let prompt: [Int32]
    let sampler: Sampler
    /// The most tokens of the answer; the last of them is not run.
    let limit: Int
    let scope: PrefixScope?
    let scores: Int?
    let onToken: @Sendable (Int32) -> Bool
    let onEnd: @Sendable (Result<Generation, EngineError>) -> Void
}

/// The answers in work, and what was asked for and has not begun.
private struct Batch: Sendable {
    typealias End = (Request, Result<Generation, EngineError>)

    private struct Answer {
        let request: Request
        let session: StageSession
        var tokens: [Int32] = []
        var history: TokenHistory
        var scores: [PositionScore] = []
        /// What goes into the stage next, from the session's position on.
        var next: ArraySlice<Int32>
    }

    private let stage: Stage
    private let running: Int
    private var waiting: [Request] = []
    private var answers: [UInt64: Answer] = [:]
    private var scheduler = BatchScheduler<UInt64>()
    private var ended: [End] = []

    init(stage: Stage, running: Int) {
        self.stage = stage
        self.running = running
    }

    /// Hears what happened since the last pass.
    mutating func take(_ arrived: [Request], cancelled: Set<UInt64>) {
        waiting += arrived
        for request in waiting where cancelled.contains(request.id) {
            ended.append((request, .success(Generation(tokens: [], reason: .cancelled))))
        }
        waiting.removeAll { cancelled.contains($0.id) }
        for id in cancelled.sorted() {
            if let answer = answers[id] { end(answer, .cancelled) }
        }
    }

    /// Begins what has room, runs one pass, and returns who got an answer.
    mutating func step() -> [End] {
        begin()
        let shares = scheduler.next()
        let work = shares.compactMap { share in
            answers[share.id].map {
                StageWork($0.session, .tokens(Array($0.next.prefix(share.positions))))
            }
        }
        var rows: [Float] = []
        var choosers: [UInt64] = []
        for (share, result) in zip(shares, stage.run(work)) {
            guard var answer = answers[share.id] else { continue }
            switch result {
            case .success(let output):
                answer.next = answer.next.dropFirst(share.positions)
                answers[share.id] = answer
                guard answer.next.isEmpty else { continue }
                rows += output.suffix(stage.model.architecture.hidden)
                choosers.append(share.id)
            case .failure(let error): end(answer, error)
            }
        }
        choose(choosers, stage.logitRows(of: rows))
        defer { ended = [] }
        return ended
    }

    private mutating func begin() {
        while answers.count < running, let request = waiting.first {
            do throws(EngineError) {
                let session = try stage.makeSession(
                    capacity: request.prompt.count + request.limit - 1, scope: request.scope)
                answers[request.id] = Answer(
                    request: request, session: session,
                    history: TokenHistory(
                        for: request.sampler.parameters,
                        constraint: request.sampler.constraint, prompt: request.prompt),
                    next: request.prompt[...])
                scheduler.set(request.id, positions: request.prompt.count)
            } catch {
                // What is in work will free its pages.
                if case .poolExhausted = error, !answers.isEmpty { return }
                ended.append((request, .failure(error)))
            }
            waiting.removeFirst()
        }
    }

    private mutating func choose(_ ids: [UInt64], _ logits: [[Float]?]) {
        for (id, logits) in zip(ids, logits) {
            guard var answer = answers.removeValue(forKey: id) else { continue }
            guard let logits else {
                end(answer, EngineError.resultNotFinite)
                continue
            }
            let request = answer.request
            let token = request.sampler.sample(
                logits: logits, position: request.prompt.count + answer.tokens.count,
                after: answer.history)
            answer.tokens.append(token)
            answer.history.append(token)
            if let top = request.scores {
                answer.scores.append(LogProbabilities(logits: logits).score(token, top: top))
            }
            answer.next = [token]
            answers[id] = answer
            let goesOn = request.onToken(token)
            if stage.model.tokenizer.isEnd(token) {
                end(answer, .stop)
            } else if !goesOn {
                end(answer, .cancelled)
            } else if answer.tokens.count == request.limit {
                end(answer, .length)
            } else {
                scheduler.set(id, positions: 1)
            }
        }
    }

    private mutating func end(_ answer: Answer, _ reason: FinishReason) {
        let generation = Generation(
            tokens: answer.tokens, reason: reason, scores: answer.scores)
        end(answer, .success(generation))
    }

    private mutating func end(_ answer: Answer, _ error: EngineError) {
        end(answer, .failure(error))
    }

    private mutating func end(_ answer: Answer, _ result: Result<Generation, EngineError>) {
        answers[answer.request.id] = nil
        scheduler.remove(answer.request.id)
        ended.append((answer.request, result))
    }
}

public import Primitives

/// The head of one request on a ring, as a value: verdicts and times in, windows out. It knows no
/// link, no clock and no engine, and keeps every token, which is enough to run the request again.
///
/// Windows are sent ahead of what is known: first the prompt in chunks, then guesses. A wrong guess
/// starts a new epoch, whose first window begins at the wrong position and so takes back all that
/// was built on it; verdicts of older epochs are old news.
public struct PipelineHead: Sendable {
    /// Why a verdict cannot be: the ring is broken or lies.
    public enum Violation: Error, Hashable, Sendable {
        /// An epoch that has not begun.
        case unknownEpoch
        /// Positions that are not the next ones.
        case wrongPosition
        /// A token that is not in the vocabulary.
        case tokenOutOfRange(Int32)
    }

    /// What a verdict brought.
    public struct Progress: Hashable, Sendable {
        /// Tokens that are certain now.
        public var tokens: [Int32] = []
        /// Whether a guess was wrong while windows after it were under way: they can be discarded.
        public var isRewound = false
    }

    /// What happened so far.
    public struct Counts: Hashable, Sendable {
        /// Windows and positions sent, the prompt included.
        public var (windows, positions) = (0, 0)
        /// Guesses judged, and right ones among them.
        public var (guessed, right) = (0, 0)
        /// Guesses taken back without a judgement.
        public var discarded = 0

        /// Nothing yet.
        public init() {}
    }

    /// What does not change during a request.
    public struct Limits: Hashable, Sendable {
        /// The most output tokens, at least 1.
        public var maxTokens: Int
        /// Positions in one frame of the prompt.
        public var chunkRows = 64
        /// Frames of the prompt under way; stages + 1 keeps all stages busy.
        public var chunks = 3
        /// Tokens have ids below this.
        public var vocabulary: Int

        /// Limits for a model.
        public init(maxTokens: Int, vocabulary: Int) {
            self.maxTokens = maxTokens
            self.vocabulary = vocabulary
        }
    }

    private struct Flight {
        let end: Int
        let rows: Int
        let guesses: Int
        let evidence: Int
        let sentAt: Duration
        /// Whether nothing else was under way when it was sent.
        let wasAlone: Bool
    }

    /// Tokens in the prompt.
    public let promptTokens: Int
    /// All tokens that are certain, the prompt included.
    public private(set) var tokens: [Int32]
    /// How many times something was taken back.
    public private(set) var epoch: UInt32 = 0
    /// Why the answer ended, once it has.
    public private(set) var finish: FinishReason?
    /// What happened so far.
    public private(set) var counts = Counts()
    /// What it learned about times and chances.
    public private(set) var controller: DraftController
    private let limits: Limits
    private let isEnd: @Sendable (Int32) -> Bool
    private var draft: any DraftSource
    /// Guesses after `tokens` that were sent.
    private var pending: [Int32] = []
    /// Where the next window starts.
    private var sentEnd = 0
    private var flights: [Flight] = []

    /// A request for what follows `prompt`, which has at least one token.
    ///
    /// - Parameter isEnd: whether a token ends the answer.
    public init(
        prompt: [Int32], limits: Limits, draft: any DraftSource,
        controller: DraftController = DraftController(),
        isEnd: @escaping @Sendable (Int32) -> Bool
    ) {
        promptTokens = prompt.count
        tokens = prompt
        self.limits = limits
        self.draft = draft
        self.controller = controller
        self.isEnd = isEnd
        self.draft.append(prompt)
    }

    /// How many positions can be run: the prompt and all output but the last token.
    public var capacity: Int { promptTokens + limits.maxTokens - 1 }

    /// Tokens chosen so far.
    public var output: ArraySlice<Int32> { tokens[promptTokens...] }

    /// Whether windows are under way.
    public var isWaiting: Bool { !flights.isEmpty }

    /// Whether guessing takes as long as running a model.
    public var draftsSlowly: Bool { draft.isSlow }

    /// The next window to send, if one is to be sent before the next verdict.
    ///
    /// - Parameter load: how many requests share the stages.
    public mutating func next(at now: Duration, load: Int = 1) -> RingWindow? {
        guard finish == nil else { return nil }
        let known = tokens.count - sentEnd
        if sentEnd < promptTokens {
            guard flights.count < limits.chunks else { return nil }
            let count = min(known, limits.chunkRows)
            return send(Array(tokens[sentEnd..<sentEnd + count]), guesses: 0, at: now)
        }
        let evidence = draft.evidence
        let plan = controller.plan(evidence: evidence, load: load)
        guard known > 0 || flights.count < plan.windows else { return nil }
        let certain = max(known, 0)
        let wanted = min(plan.rows - certain, capacity - sentEnd - certain)
        let guesses = wanted > 0 ? draft.draft(after: pending, count: wanted) : []
        guard certain + guesses.count > 0 else { return nil }
        let window = Array(tokens[(tokens.count - certain)...]) + guesses
        pending += guesses
        return send(window, guesses: guesses.count, evidence: evidence, at: now)
    }

    private mutating func send(
        _ window: [Int32], guesses: Int, evidence: Int = 0, at now: Duration
    ) -> RingWindow {
        let start = sentEnd
        sentEnd += window.count
        flights.append(
            Flight(
                end: sentEnd, rows: window.count, guesses: guesses, evidence: evidence,
                sentAt: now, wasAlone: flights.isEmpty))
        counts.windows += 1
        counts.positions += window.count
        return RingWindow(
            epoch: epoch, settled: UInt32(min(start, tokens.count)), start: UInt32(start),
            tokens: window)
    }

    /// Takes a verdict of the last stage.
    public mutating func receive(
        _ verdict: RingVerdict, at now: Duration
    ) throws(Violation) -> Progress {
        guard finish == nil, verdict.epoch != epoch else {
            return finish == nil ? try judge(verdict, at: now) : Progress()
        }
        if verdict.epoch > epoch { throw .unknownEpoch }
        return Progress()
    }

    private mutating func judge(
        _ verdict: RingVerdict, at now: Duration
    ) throws(Violation) -> Progress {
        // A token comes after each position from the prompt's last on, and all in order.
        let isDue = verdict.through >= promptTokens
        guard verdict.through <= sentEnd, isDue != verdict.tokens.isEmpty,
            !isDue || Int(verdict.position) == tokens.count - 1
        else { throw .wrongPosition }
        if let stranger = verdict.tokens.first(where: { $0 < 0 || Int($0) >= limits.vocabulary }) {
            throw .tokenOutOfRange(stranger)
        }
        measure(verdict, at: now)
        var progress = Progress()
        for (place, token) in verdict.tokens.enumerated() {
            let guess = pending.first
            if let guess, guess != token {
                guard place == verdict.tokens.count - 1 else { throw .wrongPosition }
                progress.isRewound = flights.contains { $0.end - $0.rows >= tokens.count }
                take(token, &progress)
                rewind()
                return progress
            }
            if guess != nil { pending.removeFirst() }
            take(token, &progress)
            if finish != nil { return progress }
        }
        land(through: verdict.through)
        return progress
    }

    /// Makes a token certain.
    private mutating func take(_ token: Int32, _ progress: inout Progress) {
        tokens.append(token)
        draft.append([token])
        progress.tokens.append(token)
        if isEnd(token) {
            finish = .stop
        } else if output.count == limits.maxTokens {
            finish = .length
        }
    }

    /// Everything after the last certain token but one is void.
    private mutating func rewind() {
        counts.discarded += pending.count - 1
        pending = []
        flights = []
        sentEnd = tokens.count - 1
        epoch += 1
    }

    private mutating func land(through: Int) {
        while let first = flights.first, first.end <= through { flights.removeFirst() }
    }

    /// Learns from a verdict: how long the oldest window took, and which guesses were right.
    private mutating func measure(_ verdict: RingVerdict, at now: Duration) {
        guard let first = flights.first else { return }
        // Windows that came together were run together.
        let rows = flights.prefix { $0.end <= verdict.through }.reduce(0) { $0 + $1.rows }
        let slowest = Double(verdict.slowest) / 1e6
        if first.wasAlone, rows <= first.rows {
            controller.observe(
                rows: first.rows, roundTrip: (now - first.sentAt) / .seconds(1), slowest: slowest)
        } else if rows > 0 {
            controller.observe(rows: rows, slowest: slowest)
        }
        var right = 0
        for (guess, token) in zip(pending, verdict.tokens) {
            counts.guessed += 1
            if guess != token {
                controller.observe(evidence: first.evidence, right: right, failed: true)
                counts.right += right
                return
            }
            right += 1
        }
        counts.right += right
        if right > 0 { controller.observe(evidence: first.evidence, right: right, failed: false) }
    }

    /// The caller wants no more, if the answer has not ended anyway. What a verdict brought beyond
    /// the `count` tokens of the output that were wanted is forgotten.
    public mutating func cancel(after count: Int? = nil) {
        if let count, count < output.count {
            tokens.removeLast(output.count - count)
            finish = .cancelled
        }
        finish = finish ?? .cancelled
    }
}

public import Inference
public import Primitives

/// How one job runs, as a value: frames, losses and time in, effects out. It knows no link, no
/// clock and no ledger; `JobRun` carries its effects out.
///
/// All positions pass through the house, which keeps every boundary: they are the evidence, and
/// what a replaced stage is fed again. What it computes from them must be, byte for byte, what the
/// one before it gave; the other stages go on where they were.
public struct JobMachine: Sendable {
    /// Where the attempt stands.
    public enum Phase: Hashable, Sendable {
        /// Waits for every stage to say that it is ready.
        case assigning
        /// Positions run.
        case running
        /// The answer has ended; receipts are due.
        case signing
        /// The attempt broke down; the clearing looks for other nodes.
        case replacing
        /// Nothing more happens.
        case over
    }

    /// Why the answer ended.
    public enum Finish: String, Hashable, Sendable {
        /// The model ended it, or a stop string did.
        case stop
        /// As many tokens as were asked for.
        case length
        /// The buyer went away.
        case cancelled
    }

    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send the stage's node its assignment.
        case assign(stage: Int)
        /// Send this frame to the stage's node.
        case send(WireFrame, stage: Int)
        /// These tokens were chosen; the text is what can be shown, with the scores of its tokens
        /// if they were asked for.
        case deliver(text: String, tokens: Int, scores: [PositionScore] = [])
        /// Tell the stage's node, where it gets its assignments, to drop the attempt.
        case dismiss(stage: Int)
        /// The stage's node has not been heard for a while: replace it if there is another.
        case doubt(stage: Int)
        /// The attempt is over because of this stage: ask the clearing for another pipeline.
        case replace(stage: Int, code: FaultCode, reason: String)
        /// Tell the node that stands in for a stage.
        case standIn(StandInOrder, stage: Int)
        /// All stages were told the end: receipts are due.
        case collect
        /// No more receipts are waited for.
        case close
        /// Nothing can be charged.
        case fail(FailureCause)
    }

    /// Why a job fails for good.
    public enum FailureCause: Hashable, Sendable {
        /// The tokens of two attempts differ.
        case diverged
        /// The buyer went away before the first token.
        case cancelled
    }

    /// The most rows in one frame.
    public static let rowsPerFrame = 256

    /// What the job computes.
    public let spec: JobSpec
    /// The current attempt, from 1.
    public private(set) var attempt: UInt32
    /// Where the attempt stands.
    public private(set) var phase = Phase.assigning
    /// Stages of the attempt's pipeline.
    public private(set) var stageCount = 0
    /// Tokens chosen so far.
    public private(set) var output: [Int32] = []
    /// Rows that went from each stage to the next, as they travelled.
    public private(set) var boundaries: [[UInt8]] = []
    /// Why the answer ended, once it has.
    public private(set) var finish: Finish?
    private var text: AnswerText
    /// What the last stage thought of the tokens that it sends next, and the first's position.
    private var scores: (position: UInt32, rows: [PositionScore]) = (0, [])
    /// Whether the only stage chooses token after token without each being fed back.
    private(set) var runsAhead: Bool
    private var isCancelled = false
    private var isLate = false
    private var hasDiverged = false
    /// The attempt before, and where each stage that was kept from it goes on; `nil` where a stage
    /// begins.
    private(set) var previousAttempt: UInt32 = 0
    private var resumeAt: [Int?] = []
    /// Stages that will not sign any more.
    public private(set) var unsigned: Set<Int> = []
    private var isReady: [Bool] = []
    /// Positions that each stage was sent, and that came out of it.
    private(set) var sent: [Int] = []
    private(set) var done: [Int] = []
    /// Who computes along, by stage.
    var standIns: [Int: StandIn] = [:]
    /// When each stage was last heard or given something while it owed nothing.
    private var since: [UInt64] = []
    /// The most that an attempt is excused, in milliseconds, and what it was.
    public static let mostExcused: UInt64 = 60_000
    private var excused: UInt64 = 0
    private var punctuality: Punctuality

    /// A job whose first attempt begins now, with as many stages; times are in milliseconds of any
    /// clock that only moves on. `runsAhead` is for a pipeline of one stage that chooses token
    /// after token without each being fed back.
    public init(spec: JobSpec, stages: Int, runsAhead: Bool = false, at now: UInt64) {
        self.spec = spec
        self.runsAhead = runsAhead
        attempt = 1
        text = spec.text
        punctuality = Punctuality(from: now)
        reset(stages: stages, at: now)
    }

    /// Nothing has come of the attempt yet.
    private mutating func reset(stages: Int, at now: UInt64) {
        phase = .assigning
        scores = (0, [])
        unsigned = []
        stageCount = stages
        isReady = Array(repeating: false, count: stages)
        resumeAt = Array(repeating: nil, count: stages)
        sent = Array(repeating: 0, count: stages)
        done = sent
        since = Array(repeating: now, count: stages)
        excused = 0
        boundaries = Array(repeating: [], count: max(stages - 1, 0))
        standIns = [:]
    }

    /// Positions of the whole answer: the last token is never fed back.
    public var positions: Int { spec.prompt.count + max(output.count - 1, 0) }

    /// What every attempt begins with.
    public func begin() -> [Effect] { (0..<stageCount).map { .assign(stage: $0) } }

    /// Where a stage goes on with what its node did in an earlier attempt; `nil` if it begins.
    public func resume(stage: Int) -> (attempt: UInt32, position: Int)? {
        resumeAt[stage].map { (previousAttempt, $0) }
    }

    /// Whether stages of the attempt that broke down can go on: not after two attempts gave
    /// different results, when nothing that was computed is beyond doubt.
    public var canResume: Bool { !hasDiverged }

    /// Of the attempt that broke down only the stages in `kept` go on, and the stand-ins of the
    /// stages in `standIns`: the others are told to drop it. Comes before `restart`, while stages
    /// still have their old numbers.
    public mutating func release(but kept: Set<Int>, standIns: Set<Int> = []) -> [Effect] {
        cancelAll(but: kept) + dropStandIns(but: standIns)
    }

    /// Other nodes took over. `kept` says for each stage of the new pipeline which stage of the
    /// old one goes on in its place, with the same node and layers, and `promoted` whose stand-in
    /// does; `nil` for those that begin. Stand-ins of kept stages go on as such.
    public mutating func restart(
        attempt: UInt32, kept: [Int?], promoted: [Int: Int] = [:], runsAhead: Bool = false,
        at now: UInt64
    ) -> [Effect] {
        let (reached, rows, along) = (done, boundaries, standIns)
        previousAttempt = self.attempt
        self.attempt = attempt
        self.runsAhead = runsAhead
        reset(stages: kept.count, at: now)
        for stage in kept.indices {
            guard let old = kept[stage] ?? promoted[stage] else { continue }
            // A stand-in is behind its stage.
            let place = kept[stage] == nil ? along[old]?.done ?? 0 : reached[old]
            resumeAt[stage] = place
            if stage < boundaries.count, old < rows.count { boundaries[stage] = rows[old] }
            if stage > 0, old > 0 { boundaries[stage - 1] = rows[old - 1] }
            (sent[stage], done[stage]) = (place, place)
        }
        var effects = begin()
        for stage in kept.indices {
            guard let old = kept[stage], let other = along[old] else { continue }
            standIns[stage] = StandIn(resumeAt: other.done)
            effects.append(.standIn(.assign, stage: stage))
        }
        return effects
    }

    /// Takes a frame of the node that has `stage`. Frames of other attempts are old news.
    public mutating func receive(_ frame: WireFrame, at now: UInt64) -> [Effect] {
        let stage = Int(frame.stage)
        guard frame.attempt == attempt, stage < stageCount else { return [] }
        if frame.kind == .fault {
            let fault = frame.fault ?? (0, "")
            let code: FaultCode = Self.declining.contains(fault.code) ? .declined : .abandoned
            return lose(
                stage: stage, "node fault \(fault.code): \(fault.text.prefix(200))", code: code)
        }
        switch (phase, frame.kind) {
        case (.assigning, .ready):
            let position = Int(frame.position)
            guard position == 0 || position == resumeAt[stage] else {
                return lose(stage: stage, "ready at a position it was not asked for")
            }
            isReady[stage] = true
            (sent[stage], done[stage]) = (position, position)
            return isReady.allSatisfy(\.self) ? start(at: now) : []
        case (.running, .activations) where stage < stageCount - 1:
            return pass(frame, stage, at: now)
        case (.running, .scores) where stage == stageCount - 1 && spec.scores != nil:
            scores = (frame.position, frame.positionScores)
            return []
        case (.running, .sampled) where stage == stageCount - 1:
            return choose(frame, stage, at: now)
        case (.running, _), (.assigning, _):
            return lose(stage: stage, "a \(frame.kind) frame where none belongs")
        case (.signing, _), (.replacing, _), (.over, _):
            return []
        }
    }

    /// The node of a stage is gone, or broke the protocol. While receipts are due it only means
    /// that this stage signs no more.
    public mutating func lose(
        stage: Int, _ reason: String, code: FaultCode = .abandoned
    ) -> [Effect] {
        switch phase {
        case .assigning, .running:
            phase = .replacing
            return [.replace(stage: stage, code: code, reason: reason)]
        case .signing:
            unsigned.insert(stage)
            return []
        case .replacing, .over:
            return []
        }
    }

    /// The connection to a stage's node was lost. Whoever gave up a house that was held up itself
    /// is not to blame.
    public mutating func hangUp(stage: Int, at now: UInt64) -> [Effect] {
        let code: FaultCode = punctuality.mayBeGivenUp(at: now) ? .declined : .abandoned
        return lose(stage: stage, "the connection was lost", code: code)
    }

    /// The house's clock beats, every `Punctuality.interval` milliseconds while nothing holds it
    /// up: excuses what was late, and lets time pass as `tick` does. Before the second beat, and
    /// after a late one, nobody's silence says anything: nodes are not asked for signs of life
    /// before the first.
    public mutating func beat(at now: UInt64, queued: [Int], silent: [UInt64]) -> [Effect] {
        let isFirst = punctuality.isNew
        let late = punctuality.beat(at: now)
        if late > 0 { excuse(late, at: now) }
        return tick(at: now, queued: queued, silent: isFirst || late > 0 ? [] : silent)
    }

    /// Lets time pass: whoever owes something for too long is lost. `queued` says how many
    /// positions of all jobs wait at the node of each stage: what is behind others takes longer.
    /// `silent` says for how long each stage's node has not been heard.
    public mutating func tick(
        at now: UInt64, queued: [Int], silent: [UInt64] = []
    ) -> [Effect] {
        func allowance(_ stage: Int) -> UInt64 {
            spec.patience.position * UInt64(stage < queued.count ? max(queued[stage], 0) : 0)
        }
        if let end = spec.endBy, now >= end { isLate = true }
        switch phase {
        case .assigning:
            let late = (0..<stageCount).first { stage in
                !isReady[stage] && now > since[stage] + spec.patience.ready + allowance(stage)
            }
            return late.map { lose(stage: $0, "not ready in time") } ?? []
        case .running:
            let late = (0..<stageCount).first { stage in
                owes(stage) && now > since[stage] + spec.patience.step + allowance(stage)
            }
            if let late { return lose(stage: late, "no result in time") }
            return silent.indices.filter { stage in
                stage < stageCount && owes(stage) && silent[stage] > spec.patience.silence
            }.map { .doubt(stage: $0) }
        case .signing:
            guard now > since[0] + spec.patience.receipts else { return [] }
            phase = .over
            return [.close]
        case .replacing, .over:
            return []
        }
    }

    /// The house was held up itself for so many milliseconds, which count against nobody, up to
    /// `mostExcused` an attempt. Receipts are waited for as long as leaves time to book them.
    public mutating func excuse(_ milliseconds: UInt64, at now: UInt64) {
        let granted = min(milliseconds, Self.mostExcused - excused)
        excused += granted
        let end = phase == .signing ? min(now, spec.endBy ?? now) : now
        for stage in since.indices {
            since[stage] = max(since[stage], min(since[stage] + granted, end))
        }
    }

    /// The buyer went away. If tokens were chosen, the one in flight is the last; otherwise there
    /// is nothing to charge.
    public mutating func cancel() -> [Effect] {
        guard phase != .signing, phase != .over else { return [] }
        isCancelled = true
        if !output.isEmpty { return [] }
        phase = .over
        return cancelAll() + dropStandIns() + [.fail(.cancelled)]
    }

    /// The clearing ended the job: the nodes are told.
    public mutating func abort() -> [Effect] {
        guard phase != .over else { return [] }
        phase = .over
        return cancelAll() + dropStandIns()
    }

    /// Receipts of all stages are there, or nothing more can come of the job.
    public mutating func close() { phase = .over }

    // MARK: Running

    private mutating func start(at now: UInt64) -> [Effect] {
        phase = .running
        // What was chosen before is fed again, so that it must be chosen again.
        let tokens = spec.prompt + output
        var effects = feed(Array(tokens[sent[0]...]), at: now)
        for stage in boundaries.indices { effects += replay(stage, at: now) }
        return effects
    }

    /// Sends the rows that are kept of a boundary to the stage behind it, from where that stage is.
    private mutating func replay(_ boundary: Int, at now: UInt64) -> [Effect] {
        var effects: [Effect] = []
        let (stage, width) = (boundary + 1, spec.rowBytes)
        let count = boundaries[boundary].count / width
        touch(stage, at: now)
        while sent[stage] < count {
            let end = min(sent[stage] + Self.rowsPerFrame, count)
            let rows = boundaries[boundary][sent[stage] * width..<end * width]
            effects.append(
                .send(rowsFrame(rows, position: sent[stage], to: stage), stage: stage))
            sent[stage] = end
        }
        return effects
    }

    /// Sends tokens to the first stage, in frames of at most `rowsPerFrame`.
    private mutating func feed(_ tokens: [Int32], at now: UInt64) -> [Effect] {
        var effects: [Effect] = []
        var start = 0
        touch(0, at: now)
        while start < tokens.count {
            let part = Array(tokens[start..<min(start + Self.rowsPerFrame, tokens.count)])
            let frame = tokensFrame(part, position: sent[0])
            sent[0] += part.count
            start += part.count
            effects.append(.send(frame, stage: 0))
        }
        return effects
    }

    /// Hands a stage's rows on to the next and keeps them. Rows that an earlier attempt gave must
    /// be the same again; the next stage has them.
    private mutating func pass(_ frame: WireFrame, _ stage: Int, at now: UInt64) -> [Effect] {
        let rows = Int(frame.count)
        guard Int(frame.position) == done[stage], rows <= sent[stage] - done[stage],
            frame.payload.count == rows * spec.rowBytes
        else { return lose(stage: stage, "rows that are not those of the next positions") }
        guard Self.areFinite(frame.payload) else {
            return lose(stage: stage, "rows that are not finite")
        }
        let place = done[stage] * spec.rowBytes
        let again = min(boundaries[stage].count - place, frame.payload.count)
        guard boundaries[stage][place..<place + again] == frame.payload[..<again] else {
            return diverge(stage)
        }
        touch(stage, at: now, always: true)
        done[stage] += rows
        let new = frame.payload[again...]
        if new.isEmpty { return [] }
        boundaries[stage] += new
        touch(stage + 1, at: now)
        let position = sent[stage + 1]
        sent[stage + 1] = done[stage]
        return [.send(rowsFrame(new, position: position, to: stage + 1), stage: stage + 1)]
    }

    /// Takes the tokens the last stage chose.
    private mutating func choose(_ frame: WireFrame, _ stage: Int, at now: UInt64) -> [Effect] {
        let first = Int(frame.position) - (spec.prompt.count - 1)
        let tokens = frame.tokenIDs
        let most = runsAhead ? spec.prompt.count - 1 + spec.maxTokens : sent[stage]
        guard Int(frame.position) == max(done[stage], spec.prompt.count - 1),
            Int(frame.position) + tokens.count <= most,
            tokens.allSatisfy({ $0 >= 0 && $0 < spec.vocabulary })
        else { return lose(stage: stage, "tokens that are not those of the next positions") }
        guard areScored(frame) else {
            return lose(stage: stage, "log probabilities that cannot be those of the tokens")
        }
        touch(stage, at: now, always: true)
        done[stage] = Int(frame.position) + tokens.count
        if runsAhead { sent[stage] = max(sent[stage], done[stage] + 1) }
        var effects: [Effect] = []
        for (place, token) in tokens.enumerated() {
            if first + place < output.count {
                if output[first + place] == token { continue }
                return diverge(stage)
            }
            // New is only the token after the last position fed, or what was chosen ahead.
            effects += take(token, spec.scores == nil ? nil : scores.rows[place], at: now)
            guard runsAhead, phase == .running else { break }
        }
        return effects
    }

    /// Two attempts gave different rows or tokens. One of them is wrong, and nobody can say here
    /// which: another pipeline is tried once from the beginning, without blame; then the job fails.
    private mutating func diverge(_ stage: Int) -> [Effect] {
        if !hasDiverged {
            hasDiverged = true
            return lose(
                stage: stage, "another result than an earlier attempt's", code: .declined)
        }
        phase = .over
        return cancelAll() + dropStandIns() + [.fail(.diverged)]
    }

    /// Whether the scores that came belong to these tokens, or none are wanted.
    private func areScored(_ frame: WireFrame) -> Bool {
        guard let top = spec.scores else { return true }
        let tokens = frame.tokenIDs
        return scores.position == frame.position && scores.rows.map(\.chosen.token) == tokens
            && scores.rows.allSatisfy { $0.isPossible(top: top, vocabulary: spec.vocabulary) }
    }

    private mutating func take(
        _ token: Int32, _ score: PositionScore?, at now: UInt64
    ) -> [Effect] {
        output.append(token)
        var piece = text.append(token, score: score)
        if spec.isEnd(token) || text.isStopped {
            finish = .stop
        } else if output.count == spec.maxTokens || isLate {
            finish = .length
        } else if isCancelled {
            finish = .cancelled
        }
        guard finish != nil else {
            let fed = runsAhead ? [] : feed([token], at: now)
            return [.deliver(text: piece, tokens: 1, scores: text.takeScores())] + fed
        }
        piece += text.finish()
        return [.deliver(text: piece, tokens: 1, scores: text.takeScores())] + end(at: now)
    }

    private mutating func end(at now: UInt64) -> [Effect] {
        phase = .signing
        since = Array(repeating: now, count: stageCount)
        return (0..<stageCount).map {
            .send(frame(.end, stage: $0, position: UInt32(positions)), stage: $0)
        } + dropStandIns() + [.collect]
    }

    // MARK: Parts

    /// Positions that wait at each stage: sent, and not come out.
    public var waiting: [Int] {
        phase == .running ? zip(sent, done).map { $0 - $1 } : Array(repeating: 0, count: stageCount)
    }

    /// Node faults that are no failure: busy, shutting down, and an upstream that is gone.
    private static let declining: Set<UInt16> = [203, 206, 207]

    /// By frame, which stops what is queued, and by event, which comes before the next assignment.
    private func cancelAll(but left: Set<Int> = []) -> [Effect] {
        (0..<stageCount).filter { !left.contains($0) }.flatMap { stage -> [Effect] in
            [.send(frame(.cancel, stage: stage), stage: stage), .dismiss(stage: stage)]
        }
    }

    /// Whether a stage has been sent what it has not answered. The last stage answers nothing
    /// inside the prompt.
    private func owes(_ stage: Int) -> Bool {
        let isLast = stage == stageCount - 1
        return done[stage] < sent[stage] && (!isLast || sent[stage] >= spec.prompt.count)
    }

    /// A stage that owed nothing until now has its patience from now.
    private mutating func touch(_ stage: Int, at now: UInt64, always: Bool = false) {
        if always || !owes(stage) { since[stage] = now }
    }

    func frame(_ kind: WireFrame.Kind, stage: Int, position: UInt32 = 0) -> WireFrame {
        do {
            return try WireFrame(
                kind: kind, stage: UInt16(stage), job: spec.job, attempt: attempt,
                position: position)
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
    }

    func tokensFrame(_ tokens: [Int32], position: Int) -> WireFrame {
        do {
            return try .tokens(
                tokens, stage: 0, job: spec.job, attempt: attempt, position: UInt32(position))
        } catch {
            preconditionFailure("256 tokens always fit: \(error)")
        }
    }

    func rowsFrame(
        _ rows: ArraySlice<UInt8>, position: Int, to stage: Int
    ) -> WireFrame {
        do {
            return try WireFrame(
                kind: .activations, stage: UInt16(stage), job: spec.job, attempt: attempt,
                position: UInt32(position), count: UInt32(rows.count / spec.rowBytes),
                payload: Array(rows))
        } catch {
            preconditionFailure("what came in a frame fits one: \(error)")
        }
    }

    /// Whether no F32 in the bytes is infinite or not a number: no exponent of all ones.
    private static func areFinite(_ bytes: [UInt8]) -> Bool {
        var place = 3
        while place < bytes.count {
            if bytes[place] & 0x7F == 0x7F, bytes[place - 1] & 0x80 != 0 { return false }
            place += 4
        }
        return true
    }
}

import Cryptography
import Inference
import Primitives
import Verification

/// One stage of one attempt at one job: takes the house's frames in order, gives the frames to
/// send.
struct NodeSession: Sendable {
    /// What the house said and has not been done.
    enum Item: Sendable {
        /// Run the positions of this frame.
        case run(WireFrame)
        /// Sign; the house counts so many positions, 0 if it gave no count.
        case end(positions: UInt32)
        /// The work is over: this was wrong with it.
        case fail(NodeFault)
    }

    /// What came out for the first positions of a frame.
    private struct Done {
        var positions = 0
        var rows: [Float] = []
        var first = 0
        var tokens: [Int32] = []
        var scores: [PositionScore] = []
    }

    private(set) var assignment: Assignment
    /// Which of the node's stages this runs on.
    let place: Int
    let startedAt: Timestamp
    private(set) var runner: StageRunner
    private var inbox: [Item] = []
    /// Positions of the frames in the inbox.
    private var waiting = 0
    /// What came out for the first positions of the first frame.
    private var done = Done()
    /// The most rows or tokens in one frame.
    static let maximumRows = 256

    init(
        _ assignment: Assignment, on served: ServedStage, place: Int, at now: Timestamp
    ) throws(NodeFault) {
        self.assignment = assignment
        self.place = place
        startedAt = now
        do {
            runner = try StageRunner(
                stage: served.stage, promptTokens: Int(assignment.promptTokens),
                capacity: assignment.capacity, sampling: assignment.sampling,
                prompt: assignment.promptSet, scores: assignment.scores)
        } catch {
            throw NodeFault(error)
        }
    }

    /// Says that the session stands, and at which position.
    var ready: WireFrame { frame(.ready, position: UInt32(runner.positions)) }

    /// Whether `next` is a later attempt at the same work, which this session can go on with.
    func canResume(_ next: Assignment) -> Bool {
        guard let resume = next.resume, Int(resume.position) <= runner.positions else {
            return false
        }
        var same = next
        same.attempt = assignment.attempt
        same.stage = assignment.stage
        same.stages = assignment.stages
        same.chosenTokens = assignment.chosenTokens
        same.resume = assignment.resume
        same.isStandIn = assignment.isStandIn
        return same == assignment
    }

    /// Goes on as a later attempt, from the position it names. Only if `canResume`.
    mutating func resume(_ next: Assignment) throws(NodeFault) {
        do throws(EngineError) {
            try runner.rewind(to: Int(next.resume?.position ?? 0))
        } catch {
            throw NodeFault(error)
        }
        assignment = next
        (inbox, waiting, done) = ([], 0, Done())
    }

    /// What is to be done first.
    var next: Item? { inbox.first }

    /// Takes a frame. One that cannot be is a fault when its turn comes; after it, and after the
    /// end, nothing counts.
    mutating func take(_ frame: WireFrame) {
        switch inbox.last {
        case .end, .fail: return
        case .run, nil: break
        }
        do throws(NodeFault) {
            if frame.kind == .end {
                inbox.append(.end(positions: frame.position))
            } else {
                try check(frame)
                inbox.append(.run(frame))
                waiting += Int(frame.count)
            }
        } catch {
            inbox.append(.fail(error))
        }
    }

    /// The work is over once what came before is done.
    mutating func take(_ fault: NodeFault) { inbox.append(.fail(fault)) }

    private func check(_ frame: WireFrame) throws(NodeFault) {
        guard frame.kind == (runner.stage.isFirst ? .tokens : .activations) else {
            throw NodeFault(.wrongKind, "this stage does not take \(frame.kind) frames")
        }
        guard Int(frame.count) <= Self.maximumRows else {
            throw NodeFault(
                .oversizedFrame, "\(frame.count) rows in one frame, at most \(Self.maximumRows)")
        }
        let reached = runner.positions - done.positions + waiting
        guard Int(frame.position) == reached else {
            throw NodeFault(
                .outOfOrder,
                "the frame starts at position \(frame.position), the next is \(reached)")
        }
        guard Int(frame.count) <= runner.capacity - reached else {
            throw NodeFault(
                .tooManyPositions,
                "\(reached + Int(frame.count)) positions where \(runner.capacity) fit")
        }
        let hidden = runner.stage.model.architecture.hidden
        guard frame.kind == .tokens || frame.rowWidth == hidden else {
            throw NodeFault(
                EngineError.wrongActivationCount(
                    expected: Int(frame.count) * hidden, found: frame.payload.count / 4))
        }
    }

    /// How many positions of the first frame have not been run.
    var positionsToRun: Int {
        guard case .run(let frame) = inbox.first else { return 0 }
        return Int(frame.count) - done.positions
    }

    /// The next `count` positions of the first frame.
    func input(_ count: Int) -> PassInput {
        guard case .run(let frame) = inbox.first else { return .tokens([]) }
        let range = done.positions..<done.positions + count
        if frame.kind == .tokens { return .tokens(Array(frame.tokenIDs[range])) }
        let hidden = runner.stage.model.architecture.hidden
        return .activations(
            Array(frame.activationValues[range.lowerBound * hidden..<range.upperBound * hidden]))
    }

    /// The next `count` positions of the first frame were run and gave `output`. Returns what the
    /// house is sent if they were its last.
    mutating func advance(_ count: Int, _ output: StageRunner.PassOutput) -> [WireFrame] {
        guard case .run(let frame) = inbox.first else { return [] }
        do throws(EngineError) {
            let output = try runner.take(output)
            done.positions += count
            switch output {
            case .nothing: break
            case .activations(let rows): done.rows += rows
            case .sampled(let first, let tokens):
                if done.tokens.isEmpty { done.first = first }
                done.tokens += tokens
                done.scores += runner.scores
            }
        } catch {
            inbox = [.fail(NodeFault(error))]
            return []
        }
        guard done.positions == Int(frame.count) else { return [] }
        defer {
            inbox.removeFirst()
            waiting -= Int(frame.count)
            done = Done()
        }
        return reply(to: frame)
    }

    /// What the house is sent for a whole frame.
    private func reply(to frame: WireFrame) -> [WireFrame] {
        let (stage, job, attempt) = (assignment.stage, assignment.job, assignment.attempt)
        let first = UInt32(done.first)
        do {
            var frames: [WireFrame] = []
            if !done.rows.isEmpty {
                frames.append(
                    try .activations(
                        done.rows, rows: frame.count, stage: stage, job: job, attempt: attempt,
                        position: frame.position))
            }
            if !done.scores.isEmpty {
                frames.append(
                    try .scores(
                        done.scores, stage: stage, job: job, attempt: attempt, position: first))
            }
            if !done.tokens.isEmpty {
                frames.append(
                    try .tokens(
                        done.tokens, kind: .sampled, stage: stage, job: job, attempt: attempt,
                        position: first))
            }
            return frames
        } catch {
            preconditionFailure("as many rows as came in fit a frame: \(error)")
        }
    }

    /// What this stage can sign when the house says that the job is over. `positions` is the
    /// house's count, 0 if it gave none.
    func receipt(
        positions: UInt32, previous: Digest, at now: Timestamp
    ) throws(NodeFault) -> Receipt {
        guard runner.positions >= Int(assignment.promptTokens) else {
            throw NodeFault(
                .wrongEnd, "the job ended after \(runner.positions) positions, inside the prompt")
        }
        guard positions == 0 || Int(positions) == runner.positions else {
            throw NodeFault(
                .wrongEnd, "the house counts \(positions) positions, here are \(runner.positions)")
        }
        return Receipt(
            job: assignment.job, attempt: assignment.attempt, stage: assignment.stage,
            stages: assignment.stages, layers: assignment.layers, model: assignment.model,
            weights: assignment.weights, profile: assignment.profile,
            positions: UInt32(runner.positions), promptTokens: assignment.promptTokens,
            outputTokens: UInt32(runner.positions) + 1 - assignment.promptTokens,
            inputRoot: runner.transcript.inputRoot, outputRoot: runner.transcript.outputRoot,
            startedAt: startedAt, finishedAt: now, previous: previous)
    }

    private func frame(_ kind: WireFrame.Kind, position: UInt32) -> WireFrame {
        do {
            return try WireFrame(
                kind: kind, stage: assignment.stage, job: assignment.job,
                attempt: assignment.attempt, position: position)
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
    }
}

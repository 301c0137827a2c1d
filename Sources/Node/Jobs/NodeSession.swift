import Cryptography
import Inference
import Primitives
import Verification

/// One stage of one attempt at one job: takes the house's frames, gives the frames to send.
struct NodeSession: Sendable {
    private(set) var assignment: Assignment
    let startedAt: Timestamp
    private(set) var runner: StageRunner
    /// The most rows or tokens in one frame.
    static let maximumRows = 256

    init(_ assignment: Assignment, on served: ServedStage, at now: Timestamp) throws(NodeFault) {
        self.assignment = assignment
        startedAt = now
        do {
            runner = try StageRunner(
                stage: served.stage, promptTokens: Int(assignment.promptTokens),
                capacity: assignment.capacity, sampling: assignment.sampling)
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
    }

    /// Runs what a frame brings. A fault means that the session is over.
    mutating func receive(_ frame: WireFrame) throws(NodeFault) -> WireFrame? {
        guard frame.kind == (runner.stage.isFirst ? .tokens : .activations) else {
            throw NodeFault(.wrongKind, "this stage does not take \(frame.kind) frames")
        }
        guard Int(frame.count) <= Self.maximumRows else {
            throw NodeFault(
                .oversizedFrame, "\(frame.count) rows in one frame, at most \(Self.maximumRows)")
        }
        guard Int(frame.position) == runner.positions else {
            throw NodeFault(
                .outOfOrder,
                "the frame starts at position \(frame.position), the next is \(runner.positions)")
        }
        guard Int(frame.count) <= runner.capacity - runner.positions else {
            throw NodeFault(
                .tooManyPositions,
                "\(Int(frame.position) + Int(frame.count)) positions where \(runner.capacity) fit")
        }
        do throws(EngineError) {
            switch frame.kind {
            case .tokens: return reply(try runner.run(tokens: frame.tokenIDs), to: frame)
            default: return reply(try runner.run(activations: try rows(frame)), to: frame)
            }
        } catch {
            throw NodeFault(error)
        }
    }

    private func rows(_ frame: WireFrame) throws(EngineError) -> [Float] {
        let hidden = runner.stage.model.architecture.hidden
        guard frame.rowWidth == hidden else {
            throw .wrongActivationCount(
                expected: Int(frame.count) * hidden, found: frame.payload.count / 4)
        }
        return frame.activationValues
    }

    /// What the house is sent for a run of positions; `nil` where nothing is due.
    private func reply(_ output: StageOutput, to frame: WireFrame) -> WireFrame? {
        do {
            switch output {
            case .nothing:
                return nil
            case .activations(let rows):
                return try .activations(
                    rows, rows: frame.count, stage: assignment.stage, job: assignment.job,
                    attempt: assignment.attempt, position: frame.position)
            case .sampled(let first, let tokens):
                return try .tokens(
                    tokens, kind: .sampled, stage: assignment.stage, job: assignment.job,
                    attempt: assignment.attempt, position: UInt32(first))
            }
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

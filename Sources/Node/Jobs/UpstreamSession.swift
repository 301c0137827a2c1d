import Cryptography
import Inference
import Primitives
import Verification

/// One attempt at one job whose tokens an upstream chooses: takes the house's frames and the
/// upstream's tokens, gives the frames to send.
///
/// The upstream runs ahead: its tokens go to the house as they come, and are not fed back. What was
/// chosen in an earlier attempt is fed behind the prompt; it is taken as it is and continued. It is
/// repeated with the first new token and not before: until then the house grants time for the
/// whole prompt, which the upstream has to read.
struct UpstreamSession: Sendable {
    let assignment: Assignment
    let startedAt: Timestamp
    private let vocabulary: Int32
    /// The prompt and what was chosen before, as far as it came.
    private var fed: [Int32] = []
    /// All tokens after the prompt.
    private var output: [Int32] = []

    init(_ assignment: Assignment, on served: ServedUpstream, at now: Timestamp) {
        self.assignment = assignment
        startedAt = now
        vocabulary = served.vocabulary
    }

    private var promptTokens: Int { Int(assignment.promptTokens) }
    private var chosenBefore: Int { Int(assignment.chosenTokens) }

    var ready: WireFrame {
        do {
            return try WireFrame(
                kind: .ready, stage: assignment.stage, job: assignment.job,
                attempt: assignment.attempt)
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
    }

    /// Takes tokens of the prompt; gives the request once all are there.
    mutating func receive(_ frame: WireFrame) throws(NodeFault) -> UpstreamRequest? {
        guard frame.kind == .tokens else {
            throw NodeFault(.wrongKind, "this stage does not take \(frame.kind) frames")
        }
        guard Int(frame.count) <= NodeSession.maximumRows else {
            throw NodeFault(
                .oversizedFrame,
                "\(frame.count) tokens in one frame, at most \(NodeSession.maximumRows)")
        }
        guard Int(frame.position) == fed.count else {
            throw NodeFault(
                .outOfOrder,
                "the frame starts at position \(frame.position), the next is \(fed.count)")
        }
        let tokens = frame.tokenIDs
        let wanted = promptTokens + chosenBefore
        guard fed.count + tokens.count <= wanted else {
            throw NodeFault(
                .tooManyPositions, "\(fed.count + tokens.count) positions where \(wanted) fit")
        }
        try check(tokens, .tokenOutOfRange)
        fed += tokens
        guard fed.count == wanted else { return nil }
        return UpstreamRequest(
            job: assignment.job, attempt: assignment.attempt, prompt: fed,
            maxTokens: Int(assignment.maxTokens) - chosenBefore,
            sampling: assignment.sampling)
    }

    /// Takes tokens the upstream chose; gives the frames that tell the house.
    mutating func choose(_ tokens: [Int32]) throws(NodeFault) -> [WireFrame] {
        let tokens = output.isEmpty ? fed.dropFirst(promptTokens) + tokens : tokens
        guard output.count + tokens.count <= Int(assignment.maxTokens) else {
            throw NodeFault(.upstreamFailed, "the upstream chose more tokens than were asked for")
        }
        try check(tokens, .upstreamFailed)
        var frames: [WireFrame] = []
        var rest = tokens[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(NodeSession.maximumRows))
            frames.append(sampled(part, position: promptTokens - 1 + output.count))
            output += part
            rest = rest.dropFirst(part.count)
        }
        return frames
    }

    /// What this node can sign when the house says that the job is over. `positions` is the house's
    /// count, 0 if it gave none; tokens beyond it were chosen ahead and are not part of the answer.
    func receipt(
        positions: UInt32, previous: Digest, at now: Timestamp
    ) throws(NodeFault) -> Receipt {
        let count = positions == 0 ? output.count : Int(positions) + 1 - promptTokens
        guard count > 0, count <= output.count else {
            throw NodeFault(
                .wrongEnd,
                "the house counts \(positions) positions of \(promptTokens) prompt tokens and "
                    + "\(output.count) chosen ones")
        }
        var transcript = Transcript()
        for token in fed.prefix(promptTokens) + output.prefix(count - 1) {
            transcript.receive(token: token)
        }
        let answer = Array(output.prefix(count))
        let root = Transcript.root(
            sampled: answer, logits: Array(repeating: .zero, count: count),
            sampling: SHA256.hash(assignment.sampling.canonicalBytes()),
            promptTokens: promptTokens)
        return Receipt(
            job: assignment.job, attempt: assignment.attempt, stage: assignment.stage,
            stages: assignment.stages, layers: assignment.layers, model: assignment.model,
            weights: assignment.weights, profile: assignment.profile,
            positions: UInt32(promptTokens + count - 1), promptTokens: assignment.promptTokens,
            outputTokens: UInt32(count), inputRoot: transcript.inputRoot,
            outputRoot: root ?? .zero, startedAt: startedAt, finishedAt: now, previous: previous)
    }

    private func check(
        _ tokens: [Int32], _ code: NodeFault.Code
    ) throws(NodeFault) {
        if let strange = tokens.first(where: { $0 < 0 || $0 >= vocabulary }) {
            throw NodeFault(code, "token \(strange) is not in the vocabulary")
        }
    }

    private func sampled(_ tokens: [Int32], position: Int) -> WireFrame {
        do {
            return try .tokens(
                tokens, kind: .sampled, stage: assignment.stage, job: assignment.job,
                attempt: assignment.attempt, position: UInt32(position))
        } catch {
            preconditionFailure("so few tokens fit a frame: \(error)")
        }
    }
}

import Primitives

/// Takes the time of each stage of a job from what passes through the house: how long a stage has
/// something until it comes back, without the way there and back. Only pieces that meet nothing
/// else at the stage count, so a pace is that of a node with nothing else to do.
struct PaceMeter {
    /// What was found out about a stage.
    enum Sample: Hashable {
        /// Microseconds for one position.
        case token(UInt32)
        /// Nanoseconds for each position of a prompt.
        case prompt(UInt32)
    }

    /// A prompt is measured by at least so many positions at once.
    static let promptPositions = 16

    private struct Piece {
        let first: Int
        let count: Int
        let sentAt: UInt64
    }

    /// What each stage has; `nil` if it has nothing, or more than one piece.
    private var pieces: [Piece?] = []
    private var waiting: [Int] = []
    /// When the last token of a stage that runs ahead came.
    private var lastAhead: UInt64?

    /// Another pipeline begins.
    mutating func begin(stages: Int) {
        pieces = Array(repeating: nil, count: stages)
        waiting = Array(repeating: 0, count: stages)
        lastAhead = nil
    }

    /// Positions go to a stage at `now`, in microseconds; `isIdle` says that nothing of other jobs
    /// waits at its node.
    mutating func sent(_ frame: WireFrame, to stage: Int, isIdle: Bool, at now: UInt64) {
        guard frame.kind == .tokens || frame.kind == .activations else { return }
        let isAlone = waiting[stage] == 0 && isIdle
        waiting[stage] += Int(frame.count)
        pieces[stage] =
            isAlone
            ? Piece(first: Int(frame.position), count: Int(frame.count), sentAt: now) : nil
    }

    /// A stage's result comes at `now`. `runsAhead` says that it is not fed its own tokens.
    mutating func received(
        _ frame: WireFrame, from stage: Int, isIdle: Bool, runsAhead: Bool, roundTrip: UInt32,
        at now: UInt64
    ) -> Sample? {
        guard frame.kind == .activations || frame.kind == .sampled else { return nil }
        if runsAhead { return ahead(frame, stage, isIdle, roundTrip, now) }
        let piece = pieces[stage]
        pieces[stage] = nil
        // The last stage answers a prompt with the one token after it.
        let answered =
            frame.kind == .sampled
            ? waiting[stage] : min(waiting[stage], Int(frame.count))
        waiting[stage] -= answered
        guard let piece, isIdle, answered == piece.count else { return nil }
        return Self.sample(piece, roundTrip, now)
    }

    private mutating func ahead(
        _ frame: WireFrame, _ stage: Int, _ isIdle: Bool, _ roundTrip: UInt32, _ now: UInt64
    ) -> Sample? {
        defer { lastAhead = now }
        guard let last = lastAhead else {
            defer { pieces[stage] = nil }
            return isIdle ? pieces[stage].flatMap { Self.sample($0, roundTrip, now) } : nil
        }
        guard isIdle, frame.count > 0 else { return nil }
        return .token(UInt32(clamping: max((now - last) / UInt64(frame.count), 1)))
    }

    private static func sample(_ piece: Piece, _ roundTrip: UInt32, _ now: UInt64) -> Sample? {
        let time = max(Int64(now - piece.sentAt) - Int64(roundTrip), 1)
        if piece.count == 1 { return .token(UInt32(clamping: time)) }
        guard piece.count >= promptPositions else { return nil }
        return .prompt(UInt32(clamping: max(time * 1_000 / Int64(piece.count), 1)))
    }
}

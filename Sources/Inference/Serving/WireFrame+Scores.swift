public import Primitives

extension WireFrame {
    /// What the last stage thought of the tokens of the `sampled` frame that follows: all with as
    /// many likely tokens. Throws for none, for different numbers of likely tokens and for more
    /// than fit a frame.
    public static func scores(
        _ scores: [PositionScore], stage: UInt16, job: JobID, attempt: UInt32, position: UInt32
    ) throws(WireFrameError) -> WireFrame {
        var writer = ByteWriter()
        for score in scores {
            guard score.top.count == scores[0].top.count else { throw .payloadMismatch }
            for entry in [score.chosen] + score.top {
                writer.write(UInt32(bitPattern: entry.token))
                writer.write(entry.logProbability.bitPattern)
            }
        }
        return try WireFrame(
            kind: .scores, stage: stage, job: job, attempt: attempt, position: position,
            count: UInt32(clamping: scores.count), payload: writer.bytes)
    }

    /// The scores of a `scores` frame; empty for other kinds. Their numbers can be anything.
    public var positionScores: [PositionScore] {
        guard kind == .scores else { return [] }
        let entries = payload.count / Int(count) / Self.scoreBytes
        var reader = ByteReader(payload)
        do {
            return try (0..<count).map { _ in
                let row = try (0..<entries).map { _ in
                    TokenProbability(
                        token: Int32(bitPattern: try reader.readUInt32()),
                        logProbability: Double(bitPattern: try reader.readUInt64()))
                }
                return PositionScore(chosen: row[0], top: Array(row.dropFirst()))
            }
        } catch {
            preconditionFailure("a frame's payload fits its kind: \(error)")
        }
    }
}

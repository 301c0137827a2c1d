import Inference
import Primitives
import Testing

/// Log probabilities on the wire, and which can be.
@Suite struct ScoreFrameTests {
    private static func entry(_ token: Int32, _ value: Double) -> TokenProbability {
        TokenProbability(token: token, logProbability: value)
    }

    /// The likely tokens are 0, 1, ...
    private static func score(_ token: Int32, _ values: [Double]) -> PositionScore {
        let top = values.enumerated().map { entry(Int32($0), $1) }
        return PositionScore(chosen: entry(token, -9), top: top)
    }

    @Test func scoresTravelAsDocumented() throws {
        let scores = [Self.score(258, [-0.5]), Self.score(-1, [0.25])]
        let frame = try WireFrame.scores(
            scores, stage: 1, job: JobID(2), attempt: 3, position: 4)
        #expect(frame.positionScores == scores)
        #expect(
            Hex.encode(frame.payload) == "02010000" + "00000000000022c0" + "00000000"
                + "000000000000e0bf" + "ffffffff" + "00000000000022c0" + "00000000"
                + "000000000000d03f")
        #expect(frame.count == 2 && frame.position == 4)
        for scores in [
            [], [Self.score(1, [-1]), Self.score(1, [-1, -2])],
            [Self.score(1, [Double](repeating: -1, count: 21))],
        ] {
            #expect(throws: WireFrameError.payloadMismatch) {
                try WireFrame.scores(scores, stage: 1, job: JobID(2), attempt: 3, position: 4)
            }
        }
        for (count, bytes) in [(0, 12), (1, 11), (1, 0), (2, 12), (5, 12), (1, 22 * 12)] {
            #expect(throws: WireFrameError.payloadMismatch) {
                try WireFrame(
                    kind: .scores, stage: 1, job: JobID(2), attempt: 1, count: UInt32(count),
                    payload: [UInt8](repeating: 0, count: bytes))
            }
        }
        #expect(
            try WireFrame(kind: .ping, stage: 0, job: JobID(1), attempt: 0).positionScores == [])
    }

    @Test func scoresThatCannotBeAreTold() {
        func fits(_ chosen: TokenProbability, _ top: [TokenProbability], count: Int = 2) -> Bool {
            PositionScore(chosen: chosen, top: top).isPossible(top: count, vocabulary: 10)
        }
        let top = [Self.entry(3, -0.5), Self.entry(1, -2)]
        #expect(fits(top[0], top) && fits(top[1], top) && fits(Self.entry(0, -2.5), top))
        #expect(fits(Self.entry(7, -2), top) && fits(Self.entry(9, -1), [], count: 0))
        // Equal, but before the last of the likely ones.
        #expect(!fits(Self.entry(0, -2), top))
        #expect(!fits(Self.entry(0, -1), top) && !fits(Self.entry(3, -0.6), top))
        #expect(!fits(top[0], top, count: 3) && !fits(top[0], top, count: 1))
        #expect(!fits(top[0], top.reversed()) && !fits(top[0], [top[0], top[0]]))
        #expect(!fits(top[0], [top[0], Self.entry(3, -1)]))
        for bad in [
            Self.entry(10, -1), Self.entry(-1, -1), Self.entry(3, .nan), Self.entry(3, -.infinity),
            Self.entry(3, 0.1),
        ] {
            #expect(!fits(bad, [], count: 0) && !fits(bad, [bad, Self.entry(1, -2)]))
        }
        // A vocabulary may be smaller than what was asked for.
        let all = (0..<10).map { Self.entry(Int32($0), -Double($0)) }
        #expect(fits(all[4], all, count: 20))
    }
}

import Primitives
import Testing

struct WireFrameTests {
    private func frames() throws -> [WireFrame] {
        let job = JobID(0x0102_0304_0506_0708)
        var frames = [
            try WireFrame.tokens([1, -1, .max], stage: 1, job: job, attempt: 2, position: 3),
            try WireFrame.tokens(
                [42], kind: .sampled, stage: 2, job: job, attempt: 2, position: 9),
            try WireFrame.activations(
                [1.5, -0.0, .infinity, 3, 4, 5], rows: 3, stage: 1, job: job, attempt: 2,
                position: 7),
            WireFrame.fault(code: 302, text: "gone", stage: 0, job: job, attempt: 1),
            try WireFrame(kind: .ready, stage: 0, job: job, attempt: 1, payload: [9, 9]),
            try RingFrameTests.open.frame(stage: 0, job: job),
            try RingFrameTests.window.frame(stage: 1, job: job),
            try RingFrameTests.verdict.frame(stage: 2, job: job),
            WireFrame.discard(before: 7, stage: 0, job: job),
            try WireFrame.scores(
                [Self.score(5, [-0.5, -1]), Self.score(6, [-0.25, -3])], stage: 2, job: job,
                attempt: 2, position: 9),
        ]
        for kind in [WireFrame.Kind.end, .cancel, .ping, .pong] {
            frames.append(try WireFrame(kind: kind, stage: 1, job: job, attempt: 1))
        }
        return frames
    }

    @Test func everyKindSurvivesARoundTripAndAnyCutIsRefused() throws {
        var seen: Set<WireFrame.Kind> = []
        for frame in try frames() {
            let bytes = frame.encoded()
            #expect(try WireFrame(bytes) == frame)
            for length in 0..<bytes.count {
                #expect(throws: WireFrameError.truncated) { try WireFrame(Array(bytes[..<length])) }
            }
            #expect(throws: WireFrameError.trailingBytes) { try WireFrame(bytes + [0]) }
            seen.insert(frame.kind)
        }
        #expect(seen.count == WireFrame.Kind.allCases.count)
    }

    @Test func theBytesAreAsDocumented() throws {
        let frame = try WireFrame.tokens([258], stage: 5, job: JobID(6), attempt: 7, position: 8)
        #expect(
            frame.encoded() == [
                1, 2, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0,
                2, 1, 0, 0,
            ])
    }

    @Test func payloadsReadAsWhatTheyAre() throws {
        let all = try frames()
        #expect(all[0].tokenIDs == [1, -1, .max] && all[0].activationValues.isEmpty)
        #expect(
            all[2].activationValues.map(\.bitPattern)
                == [1.5, -0.0, .infinity, 3, 4, 5].map { (value: Float) in value.bitPattern })
        #expect(all[2].rowWidth == 2 && all[2].tokenIDs.isEmpty)
        #expect(all[3].fault?.code == 302 && all[3].fault?.text == "gone")
        let long = WireFrame.fault(
            code: 1, text: String(repeating: "é", count: 5_000), stage: 0, job: .none, attempt: 0)
        #expect(long.fault?.text == String(repeating: "é", count: 500))
    }

    @Test(arguments: [
        ([0, 2], WireFrameError.unknownVersion(0)),
        ([2, 2], .unknownVersion(2)),
        ([1, 0], .unknownKind(0)),
        ([1, 14], .unknownKind(14)),
        ([1, 255], .unknownKind(255)),
    ])
    func garbageHeadersHaveTheirOwnErrors(start: [UInt8], error: WireFrameError) {
        let bytes = start + [UInt8](repeating: 0, count: 26)
        #expect(throws: error) { try WireFrame(bytes) }
    }

    /// Kind, count, payload: what the header promises and the payload does not hold.
    @Test(
        arguments: [
            (2, 0, []), (2, 2, [0, 0, 0, 0]), (2, 1, [0, 0, 0]), (2, 0xffff_ffff, [0, 0, 0, 0]),
            (3, 0, []), (3, 0, [0, 0, 0, 0]), (3, 2, [0, 0, 0, 0]), (3, 1, [0, 0, 0, 0, 0]),
            (3, 1, []),
            (4, 1, []), (4, 0, [1]), (5, 0, [1]), (6, 0, [1]), (6, 1, [1, 0]), (7, 0, [0]),
            (8, 1, []),
            (9, 0, []), (1, 1, []), (10, 0, []), (10, 1, [1]), (11, 0, []),
            (11, 0, [UInt8](repeating: 0, count: 12)), (11, 1, [UInt8](repeating: 0, count: 15)),
            (11, 2, [UInt8](repeating: 0, count: 24)), (11, 0xffff_ffff, [0, 0, 0, 0]),
            (12, 1, [UInt8](repeating: 0, count: 8)), (12, 0, [UInt8](repeating: 0, count: 7)),
            (13, 0, [0, 0, 0]), (13, 1, [0, 0, 0, 0]),
        ] as [(UInt8, UInt32, [UInt8])])
    func payloadsThatDoNotFitAreRefused(kind: UInt8, count: UInt32, payload: [UInt8]) {
        var writer = ByteWriter()
        writer.writeRaw([1, kind])
        writer.writeRaw([UInt8](repeating: 0, count: 18))
        writer.write(count)
        writer.write(payload)
        #expect(throws: WireFrameError.payloadMismatch) { try WireFrame(writer.bytes) }
    }

    @Test func limitsAndTextAreChecked() throws {
        var header: [UInt8] = [1, 2] + [UInt8](repeating: 0, count: 22)
        header += [0xff, 0xff, 0xff, 0xff]
        #expect(throws: WireFrameError.payloadTooLarge(.max)) { try WireFrame(header) }
        let frame = try frames()[0].encoded()
        #expect(throws: WireFrameError.payloadTooLarge(12)) { try WireFrame(frame, limit: 11) }
        #expect(throws: WireFrameError.badText) {
            try WireFrame(
                kind: .fault, stage: 0, job: .none, attempt: 0, payload: [1, 0, 0xc3, 0x28])
        }
        #expect(throws: WireFrameError.payloadTooLarge(UInt32(WireFrame.maximumPayload) + 1)) {
            try WireFrame(
                kind: .ready, stage: 0, job: .none, attempt: 0,
                payload: [UInt8](repeating: 0, count: WireFrame.maximumPayload + 1))
        }
    }

    @Test func randomBytesNeverDecodeToSomethingElse() {
        var random = SplitMix(state: 7)
        var accepted = 0
        for round in 0..<20_000 {
            var bytes = random.bytes(28 + Int(random.next() % 3) * 4)
            bytes[0] = 1
            bytes[1] = UInt8(round % 14)
            bytes.replaceSubrange(20..<28, with: [UInt8(random.next() % 3), 0, 0, 0])
            bytes.insert(contentsOf: [UInt8(bytes.count - 24), 0, 0, 0], at: 24)
            if let frame = try? WireFrame(bytes) {
                accepted += 1
                #expect(frame.encoded() == bytes)
            }
        }
        #expect(accepted > 100)
    }

    // MARK: Scores

    private static func entry(_ token: Int32, _ value: Double) -> TokenProbability {
        TokenProbability(token: token, logProbability: value)
    }

    /// The chosen token is the last of the likely ones, whose numbers are 0, 1, ...
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

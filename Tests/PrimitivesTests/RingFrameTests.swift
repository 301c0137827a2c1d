import Primitives
import Testing

/// The payloads of a ring's frames, byte by byte as docs/reference/wire.md has them.
struct RingFrameTests {
    static let open = RingOpen(
        model: digest(0xA1), head: PublicKey(digest(0xB2)),
        answers: JobID(0x0908_0706_0504_0302), layer: 15, promptTokens: 3, capacity: 258,
        sampling: [1, 2], hops: [.init(key: PublicKey(digest(0xC3)), address: "a:1")])
    static let window = RingWindow(
        epoch: 2, settled: 5, start: 6, slowest: 258, tokens: [-1, 7],
        rows: [1.0, -2.0, 0.5, 0.0])
    static let verdict = RingVerdict(epoch: 3, position: 9, slowest: 1, tokens: [513])

    private static func digest(_ byte: UInt8) -> Digest { Digest(repeated(byte)) ?? .zero }

    private static func repeated(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

    @Test func theBytesAreAsDocumented() throws {
        let open = try Self.open.frame(stage: 0, job: JobID(1))
        var expected = Self.repeated(0xA1) + Self.repeated(0xB2)
        expected += [2, 3, 4, 5, 6, 7, 8, 9, 15, 0, 3, 0, 0, 0, 2, 1, 0, 0, 2, 0, 0, 0, 1, 2]
        expected += [1, 0, 0, 0] + Self.repeated(0xC3) + [3, 0, 0, 0, 0x61, 0x3A, 0x31]
        #expect(open.payload == expected)
        #expect(open.kind == .open && open.count == 0)
        let window = try Self.window.frame(stage: 1, job: JobID(1))
        #expect(
            window.encoded() == [
                1, 11, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 36, 0, 0,
                0,
                2, 0, 0, 0, 5, 0, 0, 0, 2, 1, 0, 0, 255, 255, 255, 255, 7, 0, 0, 0,
                0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0,
            ])
        let verdict = try Self.verdict.frame(stage: 2, job: JobID(1))
        #expect(verdict.payload == [3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0])
        #expect(verdict.position == 9 && verdict.count == 1)
        let discard = WireFrame.discard(before: 258, stage: 0, job: JobID(1))
        #expect(discard.payload == [2, 1, 0, 0] && discard.discardedEpoch == 258)
    }

    @Test func surveysAreAsDocumented() throws {
        let survey = RingSurvey(model: Self.digest(0xA1), neighbours: Self.open.hops)
        let hop = Self.repeated(0xC3) + [3, 0, 0, 0, 0x61, 0x3A, 0x31]
        #expect(survey.canonicalBytes() == Self.repeated(0xA1) + [1, 0, 0, 0] + hop)
        #expect(try RingSurvey(canonicalBytes: survey.canonicalBytes()) == survey)
        let report = RingReport(
            layerTime: 1, promptTime: 2, outputTime: 3, freeBytes: 4, roundTrips: [258])
        #expect(
            report.canonicalBytes() == [
                1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0,
            ])
        #expect(try RingReport(canonicalBytes: report.canonicalBytes()) == report)
        let layers = try #require(LayerRange(5, 9))
        let order = RingPrepare(model: Self.digest(0xA1), layers: layers)
        #expect(order.canonicalBytes() == Self.repeated(0xA1) + [5, 0, 9, 0])
        #expect(try RingPrepare(canonicalBytes: order.canonicalBytes()) == order)
        var many = survey
        many.neighbours = Array(repeating: Self.open.hops[0], count: RingOpen.maximumHops + 1)
        #expect(throws: CodecError.self) { try RingSurvey(canonicalBytes: many.canonicalBytes()) }
        var long = report
        long.roundTrips = Array(repeating: 1, count: RingOpen.maximumHops + 1)
        #expect(throws: CodecError.self) { try RingReport(canonicalBytes: long.canonicalBytes()) }
    }

    @Test func payloadsReadAsWhatTheyAre() throws {
        let job = JobID(4)
        #expect(
            try RingWindow(WireFrame(Self.window.frame(stage: 1, job: job).encoded()))
                == Self.window)
        #expect(
            try RingVerdict(WireFrame(Self.verdict.frame(stage: 1, job: job).encoded()))
                == Self.verdict)
        #expect(
            try RingOpen(canonicalBytes: Self.open.frame(stage: 1, job: job).payload) == Self.open)
        var tokens = Self.window
        tokens.rows = []
        #expect(try RingWindow(tokens.frame(stage: 0, job: job)) == tokens)
        #expect(Self.verdict.through == 10)
        // No token was due: the position says how far the prompt was run.
        let passed = RingVerdict(epoch: 0, position: 64, slowest: 9, tokens: [])
        #expect(try RingVerdict(passed.frame(stage: 1, job: job)) == passed)
        #expect(passed.through == 64)
        let ping = try WireFrame(kind: .ping, stage: 0, job: job, attempt: 0)
        #expect(RingWindow(ping) == nil && RingVerdict(ping) == nil && ping.discardedEpoch == nil)
    }

    @Test func whatCannotBeIsRefused() throws {
        var ragged = Self.window
        ragged.rows.removeLast()
        #expect(throws: WireFrameError.payloadMismatch) {
            try ragged.frame(stage: 0, job: JobID(1))
        }
        ragged.tokens = []
        #expect(throws: WireFrameError.payloadMismatch) {
            try ragged.frame(stage: 0, job: JobID(1))
        }
        let bytes = try Self.open.frame(stage: 0, job: JobID(1)).payload
        for length in 0..<bytes.count {
            #expect(throws: (any Error).self) {
                try RingOpen(canonicalBytes: Array(bytes[..<length]))
            }
        }
        #expect(throws: (any Error).self) { try RingOpen(canonicalBytes: bytes + [0]) }
        var many = Self.open
        many.hops = Array(repeating: many.hops[0], count: RingOpen.maximumHops + 1)
        #expect(throws: (any Error).self) { try RingOpen(canonicalBytes: many.canonicalBytes()) }
        var long = Self.open
        long.hops[0].address = String(repeating: "x", count: 256)
        #expect(throws: (any Error).self) { try RingOpen(canonicalBytes: long.canonicalBytes()) }
    }
}

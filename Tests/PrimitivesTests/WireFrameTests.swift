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
            try WireFrame(
                kind: .scores, stage: 2, job: job, attempt: 2, position: 9, count: 2,
                payload: [UInt8](repeating: 3, count: 4 * WireFrame.scoreBytes)),
        ]
        for kind in [WireFrame.Kind.survey, .report, .prepare] {
            frames.append(
                try WireFrame(kind: kind, stage: 0, job: job, attempt: 1, payload: [4, 5]))
        }
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
        ([1, 18], .unknownKind(18)),
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
            (2, 1, [UInt8](repeating: 0, count: 8)), (9, 1, [0, 0, 0, 0, 0]),
            (3, 0, []), (3, 0, [0, 0, 0, 0]), (3, 2, [0, 0, 0, 0]), (3, 1, [0, 0, 0, 0, 0]),
            (3, 1, []),
            (4, 1, []), (4, 0, [1]), (5, 0, [1]), (6, 0, [1]), (6, 1, [1, 0]), (7, 0, [0]),
            (8, 1, []),
            (9, 0, []), (1, 1, []), (10, 0, []), (10, 1, [1]), (11, 0, []),
            (11, 0, [UInt8](repeating: 0, count: 12)), (11, 1, [UInt8](repeating: 0, count: 15)),
            (11, 2, [UInt8](repeating: 0, count: 24)), (11, 0xffff_ffff, [0, 0, 0, 0]),
            (12, 1, [UInt8](repeating: 0, count: 8)), (12, 0, [UInt8](repeating: 0, count: 7)),
            (12, 0, [UInt8](repeating: 0, count: 12)),
            (13, 0, [0, 0, 0]), (13, 1, [0, 0, 0, 0]), (14, 0, []), (14, 1, [1]), (15, 0, []),
            (15, 1, [1]), (16, 0, []), (16, 1, [1]),
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
        var random = SplitMix64(seed: 7)
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
}

import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Testing
import Verification

/// Frames in, effects out: what a node does with a job, and with everything that is not one.
@Suite(.serialized) struct JobTableTests {
    private static let now = Timestamp(seconds: 100)
    private static let width = 576

    private func table(_ stages: [Stage]? = nil, concurrency: Int = 2) throws -> JobTable {
        let manifest = try NodeFixture.manifest.get()
        let stages = try stages ?? [NodeFixture.middle.get()]
        return JobTable(
            identity: try NodeFixture.key(3),
            served: stages.map {
                ServedStage(stage: $0, manifest: manifest, concurrency: concurrency, context: 64)
            })
    }

    private func assignment(
        _ layers: LayerRange, stage: UInt16, stages: UInt16 = 3, job: UInt64 = 5
    ) throws -> Assignment {
        let manifest = try NodeFixture.manifest.get()
        return Assignment(
            job: JobID(job), attempt: 1, stage: stage, stages: stages, layers: layers,
            model: manifest.root, weights: manifest.weightsRoot(of: layers),
            profile: manifest.profile, promptTokens: 2, maxTokens: 3, sampling: .greedy)
    }

    private func middle() throws -> Assignment {
        try assignment(NodeFixture.range(10, 11), stage: 1)
    }

    private func rows(
        _ count: Int, at position: UInt32 = 0, stage: UInt16 = 1, job: UInt64 = 5,
        attempt: UInt32 = 1, width: Int = JobTableTests.width, value: Float = 0.5
    ) throws -> WireFrame {
        try .activations(
            [Float](repeating: value, count: count * width), rows: UInt32(count), stage: stage,
            job: JobID(job), attempt: attempt, position: position)
    }

    private func plain(_ kind: WireFrame.Kind, position: UInt32 = 0) throws -> WireFrame {
        try WireFrame(kind: kind, stage: 1, job: JobID(5), attempt: 1, position: position)
    }

    private func faults(_ effects: [JobTable.Effect]) -> [UInt16] {
        effects.compactMap { effect in
            if case .send(let frame) = effect { frame.fault?.code } else { nil }
        }
    }

    @Test func aMiddleStageServesAndSigns() throws {
        var table = try table()
        let assignment = try middle()
        let start = table.assign(assignment, at: Self.now)
        #expect(start == [.started(assignment), .send(try plain(.ready))])
        var transcript = Transcript()
        for (position, count) in [(0, 2), (2, 1), (3, 1)] {
            let input = try rows(count, at: UInt32(position))
            let effects = table.settle(input, at: Self.now)
            guard case .send(let reply)? = effects.first else {
                Issue.record("no reply to position \(position): \(effects)")
                return
            }
            #expect(reply.kind == .activations)
            #expect(reply.position == UInt32(position))
            #expect(reply.count == UInt32(count))
            #expect(reply.stage == 1)
            for row in 0..<count {
                let slice = row * Self.width..<(row + 1) * Self.width
                transcript.receive(row: input.activationValues[slice])
                transcript.send(row: reply.activationValues[slice])
            }
        }
        let effects = table.settle(try plain(.end, position: 4), at: Timestamp(seconds: 101))
        guard case .submit(let signed, let logits)? = effects.first else {
            Issue.record("no receipt: \(effects)")
            return
        }
        let receipt = try #require(signed.verified()).body
        #expect(signed.signer == (try NodeFixture.key(3).publicKey))
        #expect(receipt.inputRoot == transcript.inputRoot)
        #expect(receipt.outputRoot == transcript.outputRoot)
        #expect(receipt.positions == 4)
        #expect(receipt.promptTokens == 2)
        #expect(receipt.outputTokens == 3)
        #expect(receipt.startedAt == Self.now)
        #expect(receipt.finishedAt == Timestamp(seconds: 101))
        #expect(receipt.previous == .zero)
        #expect(logits.isEmpty)
        #expect(table.count == 0)
    }

    @Test func receiptsAreChained() throws {
        var table = try table()
        var previous = Digest.zero
        for job in [UInt64(5), 6, 7] {
            let assignment = try assignment(NodeFixture.range(10, 11), stage: 1, job: job)
            _ = table.assign(assignment, at: Self.now)
            _ = table.settle(try rows(2, job: job), at: Self.now)
            let end = try WireFrame(kind: .end, stage: 1, job: JobID(job), attempt: 1)
            guard case .submit(let receipt, _)? = table.settle(end, at: Self.now).first else {
                Issue.record("no receipt for job \(job)")
                return
            }
            #expect(receipt.body.previous == previous)
            previous = receipt.body.digest
        }
    }

    @Test func theEndsOfThePipelineTakeTokensAndGiveTokens() throws {
        var table = try table([NodeFixture.first.get(), NodeFixture.last.get()])
        let head = try assignment(NodeFixture.range(0, 1), stage: 0)
        let tail = try assignment(NodeFixture.range(29, 30), stage: 2, job: 6)
        _ = table.assign(head, at: Self.now)
        _ = table.assign(tail, at: Self.now)
        let tokens = try WireFrame.tokens(
            [3, 4], stage: 0, job: JobID(5), attempt: 1, position: 0)
        guard case .send(let activations)? = table.settle(tokens, at: Self.now).first else {
            Issue.record("the first stage gave nothing")
            return
        }
        #expect(activations.kind == .activations)
        #expect(activations.rowWidth == Self.width)
        // Position 0 is inside the prompt of two: nothing is sampled.
        #expect(table.settle(try rows(1, stage: 2, job: 6), at: Self.now).isEmpty)
        guard
            case .send(let sampled)? = table.settle(
                try rows(2, at: 1, stage: 2, job: 6), at: Self.now
            ).first
        else {
            Issue.record("the last stage gave nothing")
            return
        }
        #expect(sampled.kind == .sampled)
        #expect(sampled.position == 1)
        #expect(sampled.count == 2)
        let end = try WireFrame(kind: .end, stage: 2, job: JobID(6), attempt: 1, position: 3)
        guard case .submit(let receipt, let logits)? = table.settle(end, at: Self.now).first else {
            Issue.record("no receipt")
            return
        }
        #expect(
            Transcript.root(
                sampled: sampled.tokenIDs, logits: logits,
                sampling: SHA256.hash(SamplingParameters.greedy.canonicalBytes()), promptTokens: 2)
                == receipt.body.outputRoot)
    }

    /// A later attempt goes on where the house says, and signs as if there had been only one.
    @Test func aLaterAttemptGoesOnWithTheSession() throws {
        var table = try table()
        var next = try middle()
        _ = table.assign(next, at: Self.now)
        for position in 0..<4 { _ = table.settle(try rows(1, at: UInt32(position)), at: Self.now) }
        next.attempt = 2
        next.stage = 2
        next.stages = 4
        next.chosenTokens = 1
        next.resume = .init(attempt: 1, position: 2)
        let ready = try WireFrame(
            kind: .ready, stage: 2, job: JobID(5), attempt: 2, position: 2)
        #expect(table.assign(next, at: Self.now) == [.started(next), .send(ready)])
        #expect(table.count == 1)
        // What was under way for the attempt before is no news.
        #expect(table.settle(try rows(1, at: 4), at: Self.now).isEmpty)
        _ = table.settle(try rows(2, at: 2, stage: 2, attempt: 2), at: Self.now)
        let end = try WireFrame(kind: .end, stage: 2, job: JobID(5), attempt: 2, position: 4)
        guard case .submit(let resumed, _)? = table.settle(end, at: Self.now).first else {
            Issue.record("no receipt")
            return
        }
        var whole = try self.table()
        _ = whole.assign(try middle(), at: Self.now)
        _ = whole.settle(try rows(4), at: Self.now)
        guard
            case .submit(let straight, _)? = whole.settle(
                try plain(.end, position: 4), at: Self.now
            ).first
        else {
            Issue.record("no receipt")
            return
        }
        #expect(resumed.body.inputRoot == straight.body.inputRoot)
        #expect(resumed.body.outputRoot == straight.body.outputRoot)
        #expect(resumed.body.positions == 4)
        #expect(resumed.body.attempt == 2)
        #expect(resumed.body.stages == 4)
    }

    /// What cannot go on begins at position 0, and says so.
    @Test func whatCannotGoOnBegins() throws {
        let changes: [(inout Assignment) -> Void] = [
            { $0.resume = .init(attempt: 2, position: 1) },
            { $0.resume = .init(attempt: 1, position: 3) },
            { $0.promptTokens = 1 },
            { $0.sampling = SamplingParameters(temperature: 1, seed: 4) },
        ]
        for change in changes {
            var table = try table()
            _ = table.assign(try middle(), at: Self.now)
            _ = table.settle(try rows(2), at: Self.now)
            var next = try middle()
            next.attempt = 3
            next.resume = .init(attempt: 1, position: 1)
            change(&next)
            let ready = try WireFrame(kind: .ready, stage: 1, job: JobID(5), attempt: 3)
            #expect(table.assign(next, at: Self.now) == [.started(next), .send(ready)])
        }
    }

    struct BadFrame: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: NodeFault.Code
        let frame: @Sendable (JobTableTests) throws -> WireFrame

        init(
            _ name: String, _ code: NodeFault.Code,
            _ frame: @escaping @Sendable (JobTableTests) throws -> WireFrame
        ) {
            testDescription = name
            self.code = code
            self.frame = frame
        }
    }

    static let badFrames: [BadFrame] = [
        BadFrame("other stage", .wrongStage) { try $0.rows(1, stage: 2) },
        BadFrame("tokens", .wrongKind) { _ in
            try .tokens([1], stage: 1, job: JobID(5), attempt: 1, position: 0)
        },
        BadFrame("sampled", .wrongKind) { _ in
            try .tokens([1], kind: .sampled, stage: 1, job: JobID(5), attempt: 1, position: 0)
        },
        BadFrame("ready", .wrongKind) { try $0.plain(.ready) },
        BadFrame("position skipped", .outOfOrder) { try $0.rows(1, at: 1) },
        BadFrame("huge position", .outOfOrder) { try $0.rows(1, at: .max) },
        BadFrame("narrow rows", .wrongActivationCount) { try $0.rows(2, width: 575) },
        BadFrame("wide rows", .wrongActivationCount) { try $0.rows(1, width: 577) },
        BadFrame("one value", .wrongActivationCount) { try $0.rows(1, width: 1) },
        BadFrame("not a number", .notFinite) { try $0.rows(2, value: .nan) },
        BadFrame("infinite", .notFinite) { try $0.rows(1, value: -.infinity) },
        BadFrame("more than the job", .tooManyPositions) { try $0.rows(5) },
        BadFrame("oversized", .oversizedFrame) { try $0.rows(257, width: 1) },
        BadFrame("end inside the prompt", .wrongEnd) { try $0.plain(.end) },
    ]

    /// Each bad frame ends the job with its number; the node takes the next job.
    @Test(arguments: badFrames)
    func aBadFrameEndsTheJobOnly(_ row: BadFrame) throws {
        var table = try table()
        _ = table.assign(try middle(), at: Self.now)
        let bad = try row.frame(self)
        let effects = table.settle(bad, at: Self.now)
        #expect(faults(effects) == [row.code.rawValue])
        #expect(effects.count == 2)
        #expect(table.count == 0)
        // Late frames of the dropped job are no news.
        #expect(table.settle(try rows(1), at: Self.now).isEmpty)
        let next = try assignment(NodeFixture.range(10, 11), stage: 1, job: 6)
        #expect(faults(table.assign(next, at: Self.now)).isEmpty)
        #expect(table.settle(try rows(1, job: 6), at: Self.now).count == 1)
    }

    @Test func aBadTokenEndsTheJob() throws {
        var table = try table([NodeFixture.first.get()])
        _ = table.assign(try assignment(NodeFixture.range(0, 1), stage: 0), at: Self.now)
        let frame = try WireFrame.tokens(
            [1, 49_152], stage: 0, job: JobID(5), attempt: 1, position: 0)
        #expect(
            faults(table.settle(frame, at: Self.now))
                == [NodeFault.Code.tokenOutOfRange.rawValue])
    }

    @Test func aWrongEndIsNotSignedFor() throws {
        var table = try table()
        _ = table.assign(try middle(), at: Self.now)
        _ = table.settle(try rows(3), at: Self.now)
        #expect(
            faults(table.settle(try plain(.end, position: 2), at: Self.now))
                == [NodeFault.Code.wrongEnd.rawValue])
    }

    @Test func bytesThatAreNoFrameChangeNothing() throws {
        var table = try table()
        _ = table.assign(try middle(), at: Self.now)
        let good = try rows(1).encoded()
        var version = good
        version[0] = 9
        var kind = good
        kind[1] = 200
        let garbage: [[UInt8]] = [
            [], [1, 2, 3], [UInt8](repeating: 255, count: 4_096), version, kind,
            Array(good.dropLast()), good + [0],
        ]
        for bytes in garbage {
            #expect(
                faults(table.settle(bytes, at: Self.now))
                    == [NodeFault.Code.unreadableFrame.rawValue])
        }
        #expect(table.count == 1)
        #expect(faults(table.settle(good, at: Self.now)).isEmpty)
    }

    @Test func strangersJobsAreUnknown() throws {
        var table = try table()
        _ = table.assign(try middle(), at: Self.now)
        for frame in [try rows(1, job: 6), try rows(1, attempt: 2)] {
            #expect(
                faults(table.settle(frame, at: Self.now))
                    == [NodeFault.Code.unknownJob.rawValue])
        }
        #expect(table.count == 1)
    }

    @Test func pingsAreAnsweredAndCancelsObeyed() throws {
        var table = try table()
        let ping = try WireFrame(kind: .ping, stage: 0, job: .none, attempt: 0, position: 77)
        let pong = try WireFrame(kind: .pong, stage: 0, job: .none, attempt: 0, position: 77)
        #expect(table.settle(ping, at: Self.now) == [.send(pong)])
        #expect(table.settle(pong, at: Self.now).isEmpty)
        _ = table.assign(try middle(), at: Self.now)
        let dropped = JobTable.Effect.dropped(JobID(5), attempt: 1, nil)
        #expect(table.settle(try plain(.cancel), at: Self.now) == [dropped])
        #expect(table.cancel(job: JobID(5), attempt: 1).isEmpty)
        let other = try assignment(NodeFixture.range(10, 11), stage: 1, job: 8)
        _ = table.assign(other, at: Self.now)
        #expect(table.loseLink() == [.dropped(JobID(8), attempt: 1, nil)])
        #expect(table.count == 0)
    }

    @Test func aRepeatedAssignmentIsTheSameJob() throws {
        var table = try table()
        _ = table.assign(try middle(), at: Self.now)
        #expect(table.assign(try middle(), at: Self.now) == [.send(try plain(.ready))])
        #expect(table.count == 1)
    }

    @Test func assignmentsThatCannotBeAreRefused() throws {
        let good = try middle()
        let rows: [(NodeFault.Code, (inout Assignment) throws -> Void)] = [
            (.notOffered, { $0.layers = try NodeFixture.range(9, 10) }),
            (.notOffered, { $0.weights = .zero }),
            (.notOffered, { $0.model = .zero }),
            (.notOffered, { $0.profile = .zero }),
            (.badAssignment, { $0.stage = 0 }),
            (.badAssignment, { $0.stage = 2 }),
            (.contextTooLong, { $0.maxTokens = 63 }),
            (
                .contextTooLong,
                {
                    $0.promptTokens = .max; $0.maxTokens = .max
                }
            ),
        ]
        for (code, change) in rows {
            var table = try table()
            var bad = good
            try change(&bad)
            #expect(faults(table.assign(bad, at: Self.now)) == [code.rawValue])
            #expect(table.count == 0)
        }
        var full = try table(concurrency: 1)
        _ = full.assign(good, at: Self.now)
        let second = try assignment(NodeFixture.range(10, 11), stage: 1, job: 6)
        #expect(faults(full.assign(second, at: Self.now)) == [NodeFault.Code.busy.rawValue])
        var stopping = try table()
        stopping.stop()
        #expect(faults(stopping.assign(good, at: Self.now)) == [NodeFault.Code.stopping.rawValue])
    }
}

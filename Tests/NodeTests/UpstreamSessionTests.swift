import Cryptography
import Inference
import Node
import Primitives
import Testing
import Verification

/// Frames and an upstream's tokens in, effects out: a job that another server computes.
struct UpstreamSessionTests {
    private static let now = Timestamp(seconds: 100)
    private static let prompt: [Int32] = [7, 8, 9]

    private func table(concurrency: Int = 2) throws -> JobTable {
        let manifest = try NodeFixture.manifest.get()
        return JobTable(
            identity: try NodeFixture.key(3), served: [],
            upstream: ServedUpstream(
                manifest: manifest, layers: try NodeFixture.range(0, 30), concurrency: concurrency,
                context: 1_024))
    }

    private func assignment(
        maxTokens: UInt32 = 4, chosen: UInt32 = 0, promptTokens: UInt32 = 3, job: UInt64 = 5,
        profile: Digest = Numerics.statisticalProfile
    ) throws -> Assignment {
        let manifest = try NodeFixture.manifest.get()
        let layers = try NodeFixture.range(0, 30)
        return Assignment(
            job: JobID(job), attempt: 1, stage: 0, stages: 1, layers: layers,
            model: manifest.root, weights: manifest.weightsRoot(of: layers), profile: profile,
            promptTokens: promptTokens, maxTokens: maxTokens, chosenTokens: chosen,
            sampling: .greedy)
    }

    private func tokens(
        _ ids: [Int32], at position: UInt32, kind: WireFrame.Kind = .tokens
    ) throws -> WireFrame {
        try .tokens(ids, kind: kind, stage: 0, job: JobID(5), attempt: 1, position: position)
    }

    private func end(_ position: UInt32) throws -> WireFrame {
        try WireFrame(kind: .end, stage: 0, job: JobID(5), attempt: 1, position: position)
    }

    private func request(_ prompt: [Int32], _ maxTokens: Int) -> UpstreamRequest {
        UpstreamRequest(
            job: JobID(5), attempt: 1, prompt: prompt, maxTokens: maxTokens, sampling: .greedy)
    }

    private func faults(_ effects: [JobTable.Effect]) -> [UInt16] {
        effects.compactMap { effect in
            if case .send(let frame) = effect { frame.fault?.code } else { nil }
        }
    }

    @Test func itsProfileIsTheHashOfItsContract() {
        #expect(
            Numerics.statisticalProfile == SHA256.hash(Array(Numerics.statisticalContract.utf8)))
        #expect(Numerics.statisticalProfile != NumericsProfile.id)
    }

    @Test func itAsksOnceThePromptIsThereAndSignsForWhatTheHouseCounts() throws {
        var table = try table()
        _ = table.assign(try assignment(), at: Self.now)
        #expect(table.receive(try tokens([7, 8], at: 0), at: Self.now) == [])
        #expect(
            table.receive(try tokens([9], at: 2), at: Self.now) == [.ask(request(Self.prompt, 4))])
        #expect(
            table.receive(tokens: [20, 21], job: JobID(5), attempt: 1)
                == [.send(try tokens([20, 21], at: 2, kind: .sampled))])
        #expect(
            table.receive(tokens: [22], job: JobID(5), attempt: 1)
                == [.send(try tokens([22], at: 4, kind: .sampled))])
        // The house stopped after the second token; the third was chosen ahead.
        let effects = table.receive(try end(4), at: Timestamp(seconds: 101))
        #expect(effects.first == .hangUp(JobID(5), attempt: 1))
        guard case .submit(let receipt, let logits)? = effects.last else {
            Issue.record("no receipt: \(effects)")
            return
        }
        #expect(logits.isEmpty)
        #expect(receipt.verified() != nil)
        let body = receipt.body
        #expect(body.positions == 4 && body.promptTokens == 3 && body.outputTokens == 2)
        #expect(body.profile == Numerics.statisticalProfile)
        #expect(body.inputRoot == Transcript.root(tokens: [7, 8, 9, 20]))
        #expect(
            body.outputRoot
                == Transcript.root(
                    sampled: [20, 21], logits: [.zero, .zero],
                    sampling: SHA256.hash(SamplingParameters.greedy.canonicalBytes()),
                    promptTokens: 3))
        #expect(table.count == 0)
        #expect(table.receive(tokens: [23], job: JobID(5), attempt: 1) == [])
    }

    /// What an earlier attempt chose comes behind the prompt, perhaps in a later frame; it is
    /// repeated as it is, with the first new token, and continued.
    @Test func itContinuesWhatAnotherBegan() throws {
        var table = try table()
        _ = table.assign(
            try assignment(maxTokens: 6, chosen: 2, promptTokens: 256), at: Self.now)
        let prompt = [Int32](repeating: 5, count: 256)
        #expect(table.receive(try tokens(prompt, at: 0), at: Self.now) == [])
        #expect(
            table.receive(try tokens([30, 31], at: 256), at: Self.now)
                == [.ask(request(prompt + [30, 31], 4))])
        #expect(
            table.receive(tokens: [32], job: JobID(5), attempt: 1)
                == [.send(try tokens([30, 31, 32], at: 255, kind: .sampled))])
        #expect(
            table.receive(tokens: [33], job: JobID(5), attempt: 1)
                == [.send(try tokens([33], at: 258, kind: .sampled))])
    }

    @Test func whatTheUpstreamDoesWrongIsNobodysWork() throws {
        var tooMany = try table()
        _ = tooMany.assign(try assignment(), at: Self.now)
        _ = tooMany.receive(try tokens(Self.prompt, at: 0), at: Self.now)
        let effects = tooMany.receive(tokens: [1, 2, 3, 4, 5], job: JobID(5), attempt: 1)
        #expect(faults(effects) == [NodeFault.Code.upstreamFailed.rawValue])
        #expect(effects.first == .hangUp(JobID(5), attempt: 1))

        var strange = try table()
        _ = strange.assign(try assignment(), at: Self.now)
        _ = strange.receive(try tokens(Self.prompt, at: 0), at: Self.now)
        #expect(
            faults(strange.receive(tokens: [49_152], job: JobID(5), attempt: 1)) == [
                NodeFault.Code.upstreamFailed.rawValue
            ])

        var gone = try table()
        _ = gone.assign(try assignment(), at: Self.now)
        _ = gone.receive(try tokens(Self.prompt, at: 0), at: Self.now)
        let fault = NodeFault(.upstreamFailed, "gone")
        #expect(faults(gone.fail(job: JobID(5), attempt: 1, fault)) == [207])
        #expect(gone.fail(job: JobID(5), attempt: 1, fault) == [])
        #expect(gone.count == 0)
    }

    @Test func whatTheHouseMustNotSendIsRefused() throws {
        let cases: [(WireFrame, NodeFault.Code)] = [
            (try tokens([7], at: 1), .outOfOrder),
            (try tokens([7, 8, 9, 10], at: 0), .tooManyPositions),
            (try tokens([-1], at: 0), .tokenOutOfRange),
            (try tokens([7], at: 0, kind: .sampled), .wrongKind),
            (try end(3), .wrongEnd),
        ]
        for (frame, code) in cases {
            var table = try table()
            _ = table.assign(try assignment(), at: Self.now)
            #expect(faults(table.receive(frame, at: Self.now)) == [code.rawValue])
            #expect(table.count == 0)
        }
        var table = try table(concurrency: 1)
        var held = try assignment()
        held.sampling.format = .jsonObject
        #expect(faults(table.assign(held, at: Self.now)) == [201])
        let exact = try assignment(profile: NodeFixture.manifest.get().profile)
        #expect(faults(table.assign(exact, at: Self.now)) == [202])
        _ = table.assign(try assignment(), at: Self.now)
        #expect(faults(table.assign(try assignment(job: 6), at: Self.now)) == [203])
        #expect(
            faults(table.assign(try assignment(maxTokens: 2_000, job: 7), at: Self.now)) == [204])
    }

    @Test func aBuyerWhoLeavesMakesItHangUp() throws {
        var table = try table()
        _ = table.assign(try assignment(), at: Self.now)
        _ = table.receive(try tokens(Self.prompt, at: 0), at: Self.now)
        #expect(
            table.cancel(job: JobID(5), attempt: 1) == [
                .hangUp(JobID(5), attempt: 1), .dropped(JobID(5), attempt: 1, nil),
            ])
        _ = table.assign(try assignment(job: 8), at: Self.now)
        #expect(table.loseLink().first == .hangUp(JobID(8), attempt: 1))
    }
}

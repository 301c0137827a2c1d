import Inference
import Primitives
import Testing

/// Guessing and judging as values: a ring without links whose model is a hash or the small
/// synthetic one.
struct SpeculationTests {
    // MARK: Guesses from the text

    @Test func aTextThatRepeatsIsCopied() {
        var draft = SuffixDraft(capacity: 64)
        draft.append([1, 2, 3, 4, 5, 6, 7, 1, 2])
        #expect(draft.draft(after: [], count: 4) == [3, 4, 5, 6])
        #expect(draft.draft(after: [3, 4], count: 2) == [5, 6])
        #expect(draft.draft(after: [3, 9], count: 2) == [])
        #expect(draft.evidence == 1)
        // The copy reaches into itself.
        #expect(draft.draft(after: [], count: 9) == [3, 4, 5, 6, 7, 1, 2, 3, 4])
        draft.append([3, 4, 5, 6])
        #expect(draft.evidence == 3)
        draft.append([42])
        #expect(draft.draft(after: [], count: 3) == [])
    }

    @Test func theLongestPlaceWinsAndABrokenCopyGoesOn() {
        var draft = SuffixDraft(capacity: 256)
        draft.append([10, 11, 12, 13, 14, 15, 90, 14, 15, 91, 5, 10, 11, 12, 13, 14, 15])
        #expect(draft.draft(after: [], count: 1) == [90])
        var copy = SuffixDraft(capacity: 256)
        let text = (100..<130).map(Int32.init)
        copy.append(text + [1] + text.prefix(12))
        #expect(copy.draft(after: [], count: 2) == [112, 113])
        copy.append([7])
        #expect(copy.evidence == 0)
        #expect(copy.draft(after: [], count: 2) == [113, 114])
    }

    @Test func hashesAreCheckedAndNothingIsInvented() {
        var draft = SuffixDraft(capacity: 1)
        var state: UInt32 = 1
        var text: [Int32] = []
        for _ in 0..<5_000 {
            state = state &* 1_664_525 &+ 1_013_904_223
            text.append(Int32(state >> 20))
            draft.append([text[text.count - 1]])
            let guess = draft.draft(after: [], count: 3)
            #expect(guess.isEmpty || text.contains(guess[0]))
        }
    }

    // MARK: The controller

    private func taught(_ trip: Double, _ stage: Double, rowCost: Double) -> DraftController {
        var controller = DraftController()
        for rows in [1, 8, 1, 16, 1, 4] {
            let more = Double(rows - 1) * rowCost
            controller.observe(rows: rows, roundTrip: trip + more, slowest: stage + more)
        }
        return controller
    }

    @Test func goodGuessesFillTheRingAndBadOnesDoNot() {
        var controller = taught(0.025, 0.002, rowCost: 0.0003)
        for _ in 0..<40 { controller.observe(evidence: 5, right: 20, failed: false) }
        let full = controller.plan(evidence: 5)
        #expect(full.rows >= 8 && full.windows >= 3)
        #expect(full.windows <= DraftController.maximumWindows)
        for _ in 0..<600 { controller.observe(evidence: 5, right: 0, failed: true) }
        let bad = controller.plan(evidence: 5)
        #expect(bad.rows <= 2)
        #expect(controller.chance(evidence: 5) < 0.1)
        // Another class has not been judged with it.
        #expect(controller.chance(evidence: 4) > 0.8)
    }

    @Test func guessesThatCostTooMuchAreNotMade() {
        var controller = taught(0.002, 0.002, rowCost: 0.002)
        for _ in 0..<50 { controller.observe(evidence: 1, right: 0, failed: true) }
        #expect(controller.plan(evidence: 1) == .init(rows: 1, windows: 1))
        let none = DraftController(maximumRows: 0)
        #expect(none.plan(evidence: 5) == .init(rows: 1, windows: 1))
        // Nonsense from a stage is bounded.
        controller.observe(rows: 1, roundTrip: -.infinity, slowest: .infinity)
        controller.observe(evidence: 99, right: 1, failed: true)
        #expect(controller.plan(evidence: 6, load: 1_000).windows >= 1)
    }

    // MARK: Head and judge together

    /// The token that the model of these tests chooses after a text.
    private static func choice(_ text: ArraySlice<Int32>) -> Int32 {
        let hash = text.suffix(5).reduce(UInt32(17)) {
            ($0 ^ UInt32(bitPattern: $1)) &* 2_654_435_761
        }
        return Int32(hash >> 28)
    }

    /// Guesses with a chance to be right.
    private struct Coin: DraftSource {
        var text: [Int32] = []
        let oneIn: UInt32
        var tosses: UInt32 = 1

        mutating func append(_ tokens: [Int32]) { text += tokens }
        mutating func draft(after pending: [Int32], count: Int) -> [Int32] {
            var all = text + pending
            for _ in 0..<count {
                tosses = tosses &* 1_664_525 &+ 1_013_904_223
                let right = SpeculationTests.choice(all[...])
                all.append(oneIn == 0 || (tosses >> 16) % oneIn != 0 ? right : right ^ 1)
            }
            return Array(all.suffix(count))
        }
        var evidence: Int { 3 }
        var isSlow: Bool { false }
    }

    /// Runs a request on two queues: windows arrive late, verdicts arrive late.
    private func simulate(oneIn: UInt32, seed: UInt32, maxTokens: Int) throws -> PipelineHead {
        var limits = PipelineHead.Limits(maxTokens: maxTokens, vocabulary: 16)
        limits.chunkRows = 3
        var head = PipelineHead(
            prompt: [1, 2, 3, 4, 5, 6, 7], limits: limits, draft: Coin(oneIn: oneIn)
        ) { $0 == 99 }
        let first = try DraftJudge(promptTokens: 7, sampling: .greedy)
        var ring = (judge: first, text: [Int32](), epoch: UInt32(0), void: UInt32?.none)
        var (windows, verdicts): ([RingWindow], [RingVerdict]) = ([], [])
        var (state, clock) = (seed, 0)
        while head.finish == nil {
            clock += 1
            #expect(clock < 100_000)
            if clock >= 100_000 { break }
            state = state &* 1_664_525 &+ 1_013_904_223
            switch (state >> 16) % 3 {
            case 0:
                while let window = head.next(at: .milliseconds(clock)) {
                    #expect(window.settled <= window.start)
                    windows.append(window)
                }
            case 1 where !windows.isEmpty:
                if let verdict = try judge(windows.removeFirst(), &ring) {
                    verdicts.append(verdict)
                }
            case 2 where !verdicts.isEmpty:
                _ = try head.receive(verdicts.removeFirst(), at: .milliseconds(clock))
            default: break
            }
        }
        return head
    }

    private func judge(
        _ window: RingWindow,
        _ ring: inout (judge: DraftJudge, text: [Int32], epoch: UInt32, void: UInt32?)
    ) throws -> RingVerdict? {
        if window.epoch == ring.void { return nil }
        guard ring.judge.admits(window, continues: window.epoch == ring.epoch) else {
            ring.void = window.epoch
            return nil
        }
        ring.epoch = window.epoch
        #expect(Int(window.start) <= ring.text.count)
        ring.text = Array(ring.text.prefix(Int(window.start))) + window.tokens
        let text = ring.text
        let finding = try ring.judge.judge(window) { rows in
            rows.map { row -> [Float]? in
                var logits = [Float](repeating: 0, count: 16)
                logits[Int(Self.choice(text[...(Int(window.start) + row)]))] = 1
                return logits
            }
        }
        ring.text = Array(ring.text.prefix(finding.through))
        if finding.hasEnded { ring.void = window.epoch }
        return RingVerdict(
            epoch: window.epoch, position: UInt32(finding.first), slowest: 50,
            tokens: finding.tokens)
    }

    /// Always right, mostly, half, always wrong; many orders of arrival.
    @Test(arguments: [0, 9, 3, 2, 1] as [UInt32])
    func whateverIsGuessedTheTokensAreTheSame(oneIn: UInt32) throws {
        var truth: [Int32] = [1, 2, 3, 4, 5, 6, 7]
        for _ in 0..<60 { truth.append(Self.choice(truth[...])) }
        var (right, guessed) = (0, 0)
        for seed in UInt32(1)...40 {
            let head = try simulate(oneIn: oneIn, seed: seed, maxTokens: 60)
            #expect(head.tokens == truth)
            #expect(head.finish == .length)
            right += head.counts.right
            guessed += head.counts.guessed
        }
        #expect(guessed > 0)
        if oneIn == 0 { #expect(right == guessed) }
        if oneIn == 1 { #expect(right == 0) }
        if oneIn == 2 { #expect(right > 0 && right < guessed) }
    }

    @Test func verdictsThatCannotBeAreRefused() throws {
        func head() -> PipelineHead {
            var head = PipelineHead(
                prompt: [1, 2, 3], limits: .init(maxTokens: 9, vocabulary: 16), draft: NoDraft()
            ) { _ in false }
            _ = head.next(at: .zero)
            return head
        }
        let cases: [(PipelineHead.Violation, RingVerdict)] = [
            (.unknownEpoch, RingVerdict(epoch: 1, position: 2, slowest: 0, tokens: [4])),
            (.wrongPosition, RingVerdict(epoch: 0, position: 1, slowest: 0, tokens: [4])),
            (.wrongPosition, RingVerdict(epoch: 0, position: 2, slowest: 0, tokens: [4, 5])),
            (.wrongPosition, RingVerdict(epoch: 0, position: 3, slowest: 0, tokens: [])),
            (.wrongPosition, RingVerdict(epoch: 0, position: .max, slowest: 0, tokens: [1])),
            (.tokenOutOfRange(16), RingVerdict(epoch: 0, position: 2, slowest: 0, tokens: [16])),
            (.tokenOutOfRange(-1), RingVerdict(epoch: 0, position: 2, slowest: 0, tokens: [-1])),
        ]
        for (violation, verdict) in cases {
            var head = head()
            #expect(throws: violation) { _ = try head.receive(verdict, at: .zero) }
            #expect(head.tokens == [1, 2, 3])
        }
        var fine = head()
        let verdict = RingVerdict(epoch: 0, position: 2, slowest: 0, tokens: [4])
        #expect(try fine.receive(verdict, at: .zero).tokens == [4])
    }

    // MARK: With an engine

    /// Two stages of the synthetic model, windows of any size, guesses half of which are wrong.
    @Test(arguments: [
        SamplingParameters.greedy, SamplingParameters(temperature: 1, seed: 3),
        PenaltyTests.penalised(seed: 4), PenaltyTests.penalised(seed: 5, temperature: 0),
        StructuredOutputTests.parameters(.jsonObject, temperature: 1, seed: 6),
    ])
    func aSplitModelGivesTheSameTokens(sampling: SamplingParameters) throws {
        let model = try SyntheticModel().model()
        let generator = try Generator(model: model, threads: 1)
        let prompt: [Int32] = [5, 9, 200, 31, 7]
        let wanted = try generator.generate(prompt: prompt, parameters: sampling, maxTokens: 40)
        let lower = try Stage(model: model, layers: try #require(LayerRange(0, 1)), threads: 1)
        let upper = try Stage(model: model, layers: try #require(LayerRange(1, 3)), threads: 1)
        let truth = prompt + wanted.tokens
        var head = PipelineHead(
            prompt: prompt, limits: .init(maxTokens: 40, vocabulary: model.architecture.vocabulary),
            draft: HalfWrong(truth: truth)
        ) { model.tokenizer.isEnd($0) }
        let (first, second) = (
            try lower.makeSession(capacity: head.capacity),
            try upper.makeSession(capacity: head.capacity)
        )
        var judge = try DraftJudge(
            promptTokens: prompt.count, sampling: sampling, constraints: model.constraints)
        var epoch: UInt32 = 0
        while head.finish == nil, let window = head.next(at: .zero) {
            let start = Int(window.start)
            if judge.admits(window, continues: window.epoch == epoch) == false { continue }
            epoch = window.epoch
            for session in [first, second] where session.position > start {
                try session.truncate(to: start)
            }
            let rows = try first.run(tokens: window.tokens)
            let out = try second.run(activations: rows, count: window.tokens.count)
            let hidden = model.architecture.hidden
            let finding = try judge.judge(window) { range in
                upper.logitRows(
                    of: Array(out[range.lowerBound * hidden..<range.upperBound * hidden]))
            }
            _ = try head.receive(
                RingVerdict(
                    epoch: epoch, position: UInt32(finding.first), slowest: 1,
                    tokens: finding.tokens), at: .milliseconds(1))
        }
        #expect(Array(head.output) == wanted.tokens)
        #expect(head.finish == wanted.reason)
    }

    private struct HalfWrong: DraftSource {
        let truth: [Int32]
        var count = 0
        mutating func append(_ tokens: [Int32]) { count += tokens.count }
        mutating func draft(after pending: [Int32], count wanted: Int) -> [Int32] {
            (count + pending.count..<count + pending.count + wanted).map {
                let right = $0 < truth.count ? truth[$0] : 0
                return $0.isMultiple(of: 2) ? right : (right + 1) % 269
            }
        }
        var evidence: Int { 4 }
        var isSlow: Bool { false }
    }
}

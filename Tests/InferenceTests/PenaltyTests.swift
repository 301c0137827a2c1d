import Inference
import Primitives
import Testing

/// What is done to logits before a token is chosen, and the bytes that say so.
@Suite struct PenaltyTests {
    /// Numbers from a seed.
    private struct Dice {
        var state: UInt64

        mutating func roll(_ sides: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % sides
        }
    }

    private static let vocabulary = 40

    private static func parameters(_ dice: inout Dice) -> SamplingParameters {
        var parameters = SamplingParameters()
        if dice.roll(2) == 0 { parameters.repetitionPenalty = [0.7, 1.3, 2][dice.roll(3)] }
        if dice.roll(2) == 0 { parameters.presencePenalty = [-1.5, 0.3, 2][dice.roll(3)] }
        if dice.roll(2) == 0 { parameters.frequencyPenalty = [-0.25, 0.1, 1][dice.roll(3)] }
        for token in 0..<vocabulary + 4 where dice.roll(8) == 0 {
            let value = Float(dice.roll(9) - 4) / 2
            if value != 0 { parameters.logitBias.append(.init(token: Int32(token), value: value)) }
        }
        return parameters
    }

    /// The formulas written down once more, over plain lists.
    private static func changed(
        _ logits: [Float], _ parameters: SamplingParameters, prompt: [Int32], output: [Int32]
    ) -> [Float] {
        logits.enumerated().map { token, logit in
            var x = logit
            for bias in parameters.logitBias where bias.token == token { x += bias.value }
            let count = output.count { $0 == token }
            if parameters.repetitionPenalty != 1, count > 0 || prompt.contains(Int32(token)) {
                x = x > 0 ? x / parameters.repetitionPenalty : x * parameters.repetitionPenalty
            }
            x -= Float(count) * parameters.frequencyPenalty
            if count > 0 { x -= parameters.presencePenalty }
            return x
        }
    }

    @Test func penaltiesFollowTheirFormulas() throws {
        var dice = Dice(state: 1)
        var differing = 0
        for _ in 0..<2_000 {
            let parameters = Self.parameters(&dice)
            // Few values, so that there are equals.
            let logits = (0..<Self.vocabulary).map { _ in Float(dice.roll(13) - 6) / 2 }
            let prompt = (0..<dice.roll(12)).map { _ in Int32(dice.roll(Self.vocabulary)) }
            let output = (0..<dice.roll(20)).map { _ in Int32(dice.roll(Self.vocabulary)) }
            var history = TokenHistory(for: parameters, prompt: prompt)
            for token in output { history.append(token) }
            let wanted = Sampler.largest(
                Self.changed(logits, parameters, prompt: prompt, output: output))
            let sampler = try Sampler(parameters)
            let position = prompt.count + output.count
            #expect(sampler.sample(logits: logits, position: position, after: history) == wanted)
            if wanted != Sampler.largest(logits) { differing += 1 }
        }
        #expect(differing > 1_000)
    }

    @Test func whatIsTooLargeIsTheLargestNumber() throws {
        var parameters = SamplingParameters()
        parameters.repetitionPenalty = 0.01
        parameters.frequencyPenalty = -100
        var history = TokenHistory(for: parameters, prompt: [1, 2])
        history.append(1)
        let logits: [Float] = [0, 3e38, 3e38, -3e38]
        let sampler = try Sampler(parameters)
        #expect(sampler.sample(logits: logits, position: 3, after: history) == 1)
        parameters.temperature = 1
        let warm = try Sampler(parameters)
        #expect([1, 2].contains(warm.sample(logits: logits, position: 3, after: history)))
    }

    /// A rewound history is that of the tokens that are left.
    @Test func whatWasTakenBackDoesNotCount() throws {
        var dice = Dice(state: 5)
        var parameters = SamplingParameters()
        parameters.repetitionPenalty = 1.5
        parameters.frequencyPenalty = 0.5
        let sampler = try Sampler(parameters)
        let logits = (0..<Self.vocabulary).map { Float($0 % 7) - 1 }
        var (prompt, output): ([Int32], [Int32]) = ([], [])
        var history = TokenHistory(for: parameters)
        for _ in 0..<2_000 {
            switch dice.roll(5) {
            case 0 where output.isEmpty:
                let more = (0..<dice.roll(9)).map { _ in Int32(dice.roll(Self.vocabulary)) }
                prompt += more
                history.append(prompt: more)
            case 1 where output.isEmpty:
                prompt = Array(prompt.prefix(dice.roll(prompt.count + 1)))
                history.truncate(prompt: prompt.count)
            case 2:
                output = Array(output.prefix(dice.roll(output.count + 1)))
                history.truncate(output: output.count)
            default:
                output.append(Int32(dice.roll(Self.vocabulary)))
                history.append(output[output.count - 1])
            }
            var fresh = TokenHistory(for: parameters, prompt: prompt)
            for token in output { fresh.append(token) }
            #expect(
                sampler.sample(logits: logits, position: 1, after: history)
                    == sampler.sample(logits: logits, position: 1, after: fresh))
        }
    }

    @Test(arguments: [(UInt32(0), Float(1)), (5, 1), (0, 0.97)])
    func minPKeepsWhatIsLikelyBesideTheBest(topK: UInt32, topP: Float) throws {
        // Probabilities 1, 0.5, 0.25, ... of the best at temperature 1; the square at 0.5.
        let logits: [Float] = [-2, 0, -1, -3, -4, -5].map { $0 * 0.6931472 }
        var parameters = SamplingParameters(temperature: 0.5, topK: topK, topP: topP, seed: 3)
        parameters.minP = 0.06
        let sampler = try Sampler(parameters)
        let seen = Set((0..<2_000).map { sampler.sample(logits: logits, position: $0) })
        #expect(seen == [0, 1, 2])
        parameters.minP = 1
        let best = try Sampler(parameters)
        #expect((0..<100).allSatisfy { best.sample(logits: logits, position: $0) == 1 })
    }

    // MARK: Bytes

    private static func extended() -> SamplingParameters {
        var parameters = SamplingParameters(temperature: 0.5, topK: 3, topP: 1, seed: 9)
        parameters.minP = 0.25
        parameters.repetitionPenalty = 2
        parameters.presencePenalty = -0.5
        parameters.logitBias = [.init(token: 1, value: -100), .init(token: 258, value: 1)]
        return parameters
    }

    @Test func plainParametersKeepTheirTwentyBytes() throws {
        let plain = SamplingParameters(temperature: 0.5, topK: 3, topP: 1, seed: 9)
        #expect(Hex.encode(plain.canonicalBytes()) == "0000003f030000000000803f0900000000000000")
        #expect(plain.committed(to: [1, 2]) == plain)
    }

    @Test func theExtensionIsAsDocumented() throws {
        let parameters = Self.extended()
        let bytes = parameters.canonicalBytes()
        #expect(
            Hex.encode(bytes) == "0000003f030000000000803f0900000000000000" + "01" + "0000803e"
                + "00000040" + "000000bf" + "00000000" + "00" + "02000000" + "01000000" + "0000c8c2"
                + "02010000" + "0000803f")
        #expect(try SamplingParameters(canonicalBytes: bytes) == parameters)
        let committed = parameters.committed(to: [7, 3, 7, 5])
        #expect(committed.promptHash == SamplingParameters.promptHash(of: [3, 5, 7]))
        #expect(committed.canonicalBytes().count == bytes.count + 32)
        #expect(
            try SamplingParameters(canonicalBytes: committed.canonicalBytes()) == committed)
        var full = committed
        full.logitBias = (0..<300).map { .init(token: $0, value: 1) }
        #expect(full.canonicalBytes().count == 2_474)
        #expect(2_474 <= SamplingParameters.maximumBytes)
        #expect(SamplingParameters.maximumBytes <= RingOpen.maximumSampling)
    }

    @Test func onlyOneSpellingIsRead() throws {
        let good = Self.extended().canonicalBytes()
        for length in 0..<good.count where length != 20 {
            #expect(throws: CodecError.truncated) {
                try SamplingParameters(canonicalBytes: Array(good[..<length]))
            }
        }
        func refused(_ field: String, _ change: (inout [UInt8]) -> Void) {
            var bytes = good
            change(&bytes)
            #expect(throws: CodecError.invalidValue(field)) {
                try SamplingParameters(canonicalBytes: bytes)
            }
        }
        refused("sampling version") { $0[20] = 3 }
        refused("minP") { $0[24] = 0xbe }
        refused("repetitionPenalty") { $0[28] = 0x80 }
        refused("presencePenalty") { $0.replaceSubrange(29..<33, with: [0, 0, 0, 0x80]) }
        refused("frequencyPenalty") { $0.replaceSubrange(33..<37, with: [0, 0, 0xc0, 0x7f]) }
        refused("flag") { $0[37] = 2 }
        // The same token twice, descending tokens, a negative one, a bias of 0, one over 100.
        refused("logitBias") {
            $0[50] = 1; $0[51] = 0
        }
        refused("logitBias") {
            $0[50] = 0; $0[51] = 0
        }
        refused("logitBias") { $0[53] = 0x80 }
        refused("logitBias") { $0.replaceSubrange(46..<50, with: [0, 0, 0, 0]) }
        refused("logitBias") { $0[48] = 0xc9 }
        #expect(throws: CodecError.trailingBytes) {
            try SamplingParameters(canonicalBytes: good + [0])
        }
        // An extension that says nothing, and a hash that nothing counts.
        refused("sampling extension") {
            $0 =
                Array(good[..<21]) + [0, 0, 0, 0, 0, 0, 0x80, 0x3f]
                + [UInt8](repeating: 0, count: 13)
        }
        refused("promptHash") {
            $0.replaceSubrange(25..<29, with: [0, 0, 0x80, 0x3f])
            $0[37] = 1
            $0.insert(contentsOf: [UInt8](repeating: 7, count: 32), at: 38)
        }
        #expect(throws: CodecError.limitExceeded("count")) {
            try SamplingParameters(
                canonicalBytes: Array(good[..<38]) + [45, 1, 0, 0]
                    + [UInt8](repeating: 1, count: 8 * 301))
        }
    }

    // MARK: Sequences

    static func penalised(seed: UInt64, temperature: Float = 0.9) -> SamplingParameters {
        var parameters = SamplingParameters(temperature: temperature, seed: seed)
        parameters.repetitionPenalty = 1.2
        parameters.presencePenalty = 0.4
        parameters.frequencyPenalty = 0.3
        parameters.minP = 0.01
        parameters.logitBias = [.init(token: 9, value: -5), .init(token: 31, value: 2)]
        return parameters
    }

    /// Penalties take effect, and log probabilities are those of the logits as they are.
    @Test func anAnswerCountsItsOwnTokens() throws {
        let generator = try Generator(model: try SyntheticModel().model(), threads: 1)
        let prompt: [Int32] = [5, 9, 200, 31, 7]
        let plain = try generator.generate(prompt: prompt, maxTokens: 60)
        var parameters = SamplingParameters()
        parameters.frequencyPenalty = 2
        let other = try generator.generate(
            prompt: prompt, parameters: parameters, maxTokens: 60, scores: 3)
        #expect(Set(other.tokens).count > Set(plain.tokens).count)
        #expect(plain.scores.isEmpty && other.scores.count == other.tokens.count)
        #expect(
            try generator.score(prompt: prompt, continuation: other.tokens, top: 3)
                == other.scores)
        #expect(other.scores.allSatisfy { $0.isPossible(top: 3, vocabulary: 269) })
    }
}

import Inference
import Node
import Primitives
import Synchronization
import Testing
import Transport

/// A private cluster gives the same tokens as one machine, whatever the route, the wire, the chunks
/// and the guesses.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ClusterTests {
    private static let samplings = [
        SamplingParameters.greedy, SamplingParameters(temperature: 0.9, topK: 40, seed: 5),
        SamplingParameters(temperature: 1.2, topP: 0.9, seed: 6), NodeFixture.penalised,
        object,
    ]

    /// Held to being a JSON object.
    private static var object: SamplingParameters {
        var parameters = SamplingParameters(temperature: 0.8, seed: 7)
        parameters.format = .jsonObject
        return parameters
    }

    private func expected(
        _ prompt: [Int32], _ sampling: SamplingParameters, _ count: Int
    ) throws -> Generation {
        try RingFixture.generator.get().generate(
            prompt: prompt, parameters: sampling, maxTokens: count)
    }

    @Test(arguments: ["The capital of France is", RingFixture.copied], [0, 1, 2, 3, 4])
    func anyRouteGivesTheSameTokens(text: String, sampling: Int) async throws {
        let prompt = try RingFixture.text(text)
        let parameters = Self.samplings[sampling]
        let wanted = try expected(prompt, parameters, 20)
        let routes: [(Stage?, [Stage])] = [
            (nil, [try RingFixture.whole.get()]),
            (nil, [try RingFixture.lower.get(), try RingFixture.upper.get()]),
            (try RingFixture.lower.get(), [try RingFixture.upper.get()]),
            (
                try RingFixture.start.get(),
                [try RingFixture.centre.get(), try RingFixture.upper.get()]
            ),
        ]
        for (first, served) in routes {
            let ring = try await Ring(first, served)
            for options in [ClusterOptions(), ClusterOptions.plain] {
                let answer = try await ring.head.generate(
                    prompt: prompt, parameters: parameters, maxTokens: 20, options: options)
                #expect(answer.tokens == wanted.tokens)
                #expect(answer.reason == wanted.reason)
            }
            #expect(ring.head.requests == 0)
        }
    }

    @Test func guessesAreRightWhereATextRepeats() async throws {
        let prompt = try RingFixture.text(RingFixture.copied)
        let ring = try await Ring(RingFixture.lower.get(), [RingFixture.upper.get()])
        let answer = try await ring.head.generate(prompt: prompt, maxTokens: 40)
        #expect(answer.counts.right > 20)
        #expect(answer.counts.windows < 40)
    }

    @Test(arguments: [1, 7, 64, 256])
    func anyChunkingGivesTheSameTokens(rows: Int) async throws {
        let prompt = try RingFixture.text(String(repeating: "one two three four, ", count: 20))
        let wanted = try expected(prompt, Self.samplings[1], 8)
        let ring = try await Ring(RingFixture.lower.get(), [RingFixture.upper.get()])
        var options = ClusterOptions()
        options.chunkRows = rows
        let answer = try await ring.head.generate(
            prompt: prompt, parameters: Self.samplings[1], maxTokens: 8, options: options)
        #expect(answer.tokens == wanted.tokens)
    }

    /// Every guess wrong, none, every other, one in five, at random: over a wire that shakes.
    @Test(arguments: [0, 1, 2, 3, 4])
    func stormsOfWrongGuessesChangeNothing(kind: Int) async throws {
        let prompt = try RingFixture.text("Once upon a time there was")
        let parameters = Self.samplings[kind % 4]
        let wanted = try expected(prompt, parameters, 32)
        var wire = WireModel()
        wire.latency = .milliseconds(2)
        wire.jitter = .milliseconds(2)
        wire.stallInterval = .milliseconds(150)
        wire.stall = .milliseconds(30)
        wire.seed = UInt64(kind)
        let ring = try await Ring(
            nil, [RingFixture.lower.get(), RingFixture.upper.get()], wire: wire)
        let truth = prompt + wanted.tokens
        var options = ClusterOptions()
        options.draft = { _ in
            Liar(truth) { position in
                switch kind {
                case 0: true
                case 1: false
                case 2: position.isMultiple(of: 2)
                case 3: position.isMultiple(of: 5)
                default: Philox.block(counter: (UInt32(position), 0, 0, 0), key: (7, 9)).0 % 3 == 0
                }
            }
        }
        let answer = try await ring.head.generate(
            prompt: prompt, parameters: parameters, maxTokens: 32, options: options)
        #expect(answer.tokens == wanted.tokens)
        #expect(answer.reason == wanted.reason)
        if kind == 1 { #expect(answer.counts.right > 25) }
        if kind == 0 { #expect(answer.counts.right == 0) }
    }

    @Test func requestsShareARing() async throws {
        let ring = try await Ring(RingFixture.lower.get(), [RingFixture.upper.get()])
        let texts = [
            "The sea is", RingFixture.copied, "A list of fruit:\n1. apple\n2.", "def add(a, b):",
        ]
        try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
            for index in 0..<8 {
                let prompt = try RingFixture.text(texts[index % 4])
                group.addTask {
                    let answer = try await ring.head.generate(
                        prompt: prompt, parameters: Self.samplings[index % 3], maxTokens: 24)
                    return (index, answer.tokens)
                }
            }
            for try await (index, tokens) in group {
                let prompt = try RingFixture.text(texts[index % 4])
                #expect(try tokens == expected(prompt, Self.samplings[index % 3], 24).tokens)
            }
        }
        #expect(ring.stages[0].requests == 0)
    }

    @Test func aDraftModelOfTheSameTokenizerGuesses() async throws {
        let prompt = try RingFixture.text("The three primary colours are")
        let wanted = try expected(prompt, Self.samplings[1], 24)
        let ring = try await Ring(nil, [RingFixture.lower.get(), RingFixture.upper.get()])
        let model = try NodeFixture.model.get()
        var options = ClusterOptions()
        options.draft = { capacity throws(EngineError) in
            guard let generator = try? RingFixture.generator.get() else {
                throw .invalidParameter("generator")
            }
            return try DraftModel(
                generator, for: model.tokenizer, sampling: Self.samplings[1], capacity: capacity)
        }
        let answer = try await ring.head.generate(
            prompt: prompt, parameters: Self.samplings[1], maxTokens: 24, options: options)
        #expect(answer.tokens == wanted.tokens)
        // The same model with the same random numbers: every guess is right.
        #expect(answer.counts.guessed == answer.counts.right && answer.counts.right > 10)
    }

    @Test func theCallerCanStop() async throws {
        let prompt = try RingFixture.text(RingFixture.copied)
        let wanted = try expected(prompt, .greedy, 40).tokens
        let ring = try await Ring(RingFixture.lower.get(), [RingFixture.upper.get()])
        let seen = Mutex(0)
        let answer = try await ring.head.generate(prompt: prompt, maxTokens: 40) { _ in
            seen.withLock { count in
                count += 1
                return count < 10
            }
        }
        #expect(answer.reason == .cancelled)
        #expect(answer.tokens == Array(wanted.prefix(10)))
        // The stages forget it; later requests are not disturbed.
        let again = try await ring.head.generate(prompt: prompt, maxTokens: 40)
        #expect(again.tokens == wanted)
    }

    @Test func aLostStageEndsRequestsWithWhatIsSettled() async throws {
        let prompt = try RingFixture.text("Once upon a time there was")
        let wanted = try expected(prompt, Self.samplings[2], 120).tokens
        for place in [0, 1] {
            let ring = try await Ring(nil, [RingFixture.lower.get(), RingFixture.upper.get()])
            let seen = Mutex(0)
            do {
                _ = try await ring.head.generate(
                    prompt: prompt, parameters: Self.samplings[2], maxTokens: 120
                ) { _ in
                    if seen.withLock({ count in
                        count += 1
                        return count == 5
                    }) {
                        ring.stages[place].stop()
                    }
                    return true
                }
                Issue.record("the answer ended without a fault")
            } catch {
                #expect(error.fault.code == .linkLost)
                #expect(error.settled.count >= 5)
                #expect(error.settled == Array(wanted.prefix(error.settled.count)))
            }
        }
    }

    @Test func aSilentRingTimesOut() async throws {
        let ring = try await Ring(
            nil, [RingFixture.lower.get(), RingFixture.upper.get()], wire: WireModel())
        let prompt = try RingFixture.text("Once upon a time")
        var options = ClusterOptions.plain
        options.patience = .seconds(4)
        do {
            _ = try await ring.head.generate(prompt: prompt, maxTokens: 400, options: options) {
                _ in
                ring.proxies[1].cut()
                return true
            }
            Issue.record("the answer ended without a fault")
        } catch {
            #expect(error.fault.code == .timedOut)
            #expect(!error.settled.isEmpty)
        }
    }
}

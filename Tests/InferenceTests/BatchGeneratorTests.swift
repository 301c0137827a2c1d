import Inference
import Primitives
import Synchronization
import Testing

/// Many answers at once: each as alone, and each caller gets exactly one end.
@Suite struct BatchGeneratorTests {
    /// What the engine's thread tells the test's.
    private final class Notes: Sendable {
        let tokens = Mutex<[Int: [Int32]]>([:])
        let isHeld = Mutex(true)
    }

    private func stage(memoryLimit: Int = KVPool.defaultByteLimit) throws -> Stage {
        try Stage(
            model: try SyntheticModel().model(), layers: try #require(LayerRange(0, 3)),
            threads: 2, memoryLimit: memoryLimit)
    }

    private static func prompt(_ number: Int) -> [Int32] {
        (0..<1 + number * 23 % 140).map { Int32(($0 * 37 + number * 11) % 269) }
    }

    private static func parameters(_ number: Int) -> SamplingParameters {
        if number % 4 == 1 { return PenaltyTests.penalised(seed: UInt64(number)) }
        return SamplingParameters(temperature: number % 3 == 0 ? 0 : 1.1, seed: UInt64(number))
    }

    @Test func answersBesideOthersAreAsAlone() async throws {
        let generator = try Generator(model: try SyntheticModel().model(), threads: 1)
        let expected = try (0..<20).map {
            try generator.generate(
                prompt: Self.prompt($0), parameters: Self.parameters($0), maxTokens: 30,
                scores: $0 % 5 == 0 ? 2 : nil)
        }
        let batch = BatchGenerator(stage: try stage(), running: 7)
        let notes = Notes()
        try await withThrowingTaskGroup(of: (Int, Generation).self) { group in
            for number in 0..<20 {
                group.addTask {
                    let answer = try await batch.generate(
                        prompt: Self.prompt(number), parameters: Self.parameters(number),
                        maxTokens: 30, scope: number % 2 == 0 ? PrefixScope([7]) : nil,
                        scores: number % 5 == 0 ? 2 : nil
                    ) { token in
                        notes.tokens.withLock { $0[number, default: []].append(token) }
                        return true
                    }
                    return (number, answer)
                }
            }
            for try await (number, answer) in group {
                #expect(answer == expected[number])
                #expect(notes.tokens.withLock { $0[number] } == answer.tokens)
            }
        }
        batch.stage.memory.clear()
        #expect(batch.stage.memory.usage == KVPool.Usage())
    }

    @Test func whoStopsOrIsCancelledDoesNotDisturbTheOthers() async throws {
        let generator = try Generator(model: try SyntheticModel().model(), threads: 1)
        let expected = try generator.generate(prompt: [5, 6], maxTokens: 200)
        let batch = BatchGenerator(stage: try stage(), running: 2)
        let stopped = Task {
            try await batch.generate(prompt: [5, 6], maxTokens: 200) { _ in false }
        }
        let whole = Task { try await batch.generate(prompt: [5, 6], maxTokens: 200) }
        #expect(try await whole.value == expected)
        #expect(try await stopped.value.tokens == Array(expected.tokens.prefix(1)))
        #expect(try await stopped.value.reason == .cancelled)
        #expect(batch.stage.memory.usage == KVPool.Usage())
    }

    @Test func aCancelledTaskEndsAfterThePass() async throws {
        let batch = BatchGenerator(stage: try stage(), running: 1)
        let (started, starting) = AsyncStream<Void>.makeStream()
        let notes = Notes()
        let running = Task {
            try await batch.generate(prompt: [5, 7], maxTokens: 500) { _ in
                starting.yield()
                while notes.isHeld.withLock({ $0 }) {}
                return true
            }
        }
        for await _ in started { break }
        let waiting = Task { try await batch.generate(prompt: [5], maxTokens: 500) }
        waiting.cancel()
        running.cancel()
        notes.isHeld.withLock { $0 = false }
        #expect(try await running.value.tokens.count == 1)
        #expect(try await running.value.reason == .cancelled)
        #expect(try await waiting.value.tokens.isEmpty)
        #expect(batch.stage.memory.usage == KVPool.Usage())
    }

    @Test func eachMisuseHasItsError() async throws {
        let stage = try stage(memoryLimit: 2 * (try self.stage().memory.pageBytes))
        let batch = BatchGenerator(stage: stage, running: 4, waiting: 0)
        await #expect(throws: EngineError.emptyInput) {
            try await batch.generate(prompt: [], maxTokens: 1)
        }
        await #expect(throws: EngineError.tokenOutOfRange(269)) {
            try await batch.generate(prompt: [269], maxTokens: 1)
        }
        await #expect(throws: EngineError.invalidParameter("topP")) {
            try await batch.generate(
                prompt: [1], parameters: SamplingParameters(topP: 0), maxTokens: 1)
        }
        await #expect(throws: EngineError.tooManyPositions(capacity: 512, needed: 513)) {
            try await batch.generate(prompt: [Int32](repeating: 1, count: 512), maxTokens: 1)
        }
        await #expect(throws: EngineError.poolExhausted(pages: 2, reserved: 0, needed: 3)) {
            try await batch.generate(prompt: [1], maxTokens: 129)
        }
        #expect(try await batch.generate(prompt: [1], maxTokens: 0).tokens.isEmpty)
        #expect(EngineError.queueFull.code == 15)
        // More callers than places: those beyond are refused, all others answered, though two need
        // the whole pool and wait for each other.
        let results = await withTaskGroup(of: Result<Generation, EngineError>.self) { group in
            for number in 0..<9 {
                group.addTask {
                    do throws(EngineError) {
                        return .success(
                            try await batch.generate(prompt: [Int32(number)], maxTokens: 100))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for result in results where result != .failure(.queueFull) {
            #expect(throws: Never.self) { try result.get() }
        }
        #expect(results.contains { $0 != .failure(.queueFull) })
        #expect(stage.memory.usage == KVPool.Usage())
    }

    @Test func aFullQueueRefuses() async throws {
        let batch = BatchGenerator(stage: try stage(), running: 1, waiting: 1)
        let (started, starting) = AsyncStream<Void>.makeStream()
        let notes = Notes()
        // The first answer stands still in its first token, the second waits, the third has no
        // place.
        let first = Task {
            try await batch.generate(prompt: [9], maxTokens: 2) { _ in
                starting.yield()
                while notes.isHeld.withLock({ $0 }) {}
                return true
            }
        }
        for await _ in started { break }
        let others = (0..<2).map { _ in
            Task { try await batch.generate(prompt: [9], maxTokens: 2) }
        }
        var refused = 0
        await withTaskGroup(of: Bool.self) { group in
            for other in others {
                group.addTask {
                    do { _ = try await other.value } catch { return true }
                    return false
                }
            }
            if await group.next() == true { refused += 1 }
            notes.isHeld.withLock { $0 = false }
            if await group.next() == true { refused += 1 }
        }
        #expect(refused == 1)
        #expect(try await first.value.tokens.count >= 1)
    }
}

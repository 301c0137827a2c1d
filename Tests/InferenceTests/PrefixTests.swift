import Inference
import Primitives
import Testing

/// Sessions that begin alike share pages and computing; the bytes are those of running everything.
@Suite struct PrefixTests {
    private static let alice = PrefixScope([1])
    private static let bob = PrefixScope([2])

    private static func tokens(_ count: Int, seed: Int = 0) -> [Int32] {
        (0..<count).map { Int32(($0 * 41 + seed * 77 + $0 * $0 % 17) % SyntheticModel.vocabulary) }
    }

    private func stage(
        _ layers: LayerRange? = LayerRange(0, 3), memoryLimit: Int = KVPool.defaultByteLimit,
        sharing: PrefixSharing = .on
    ) throws -> Stage {
        try Stage(
            model: try SyntheticModel().model(), layers: try #require(layers), threads: 2,
            memoryLimit: memoryLimit, prefixSharing: sharing)
    }

    /// Runs all of `tokens` in chunks.
    private func run(_ session: StageSession, _ tokens: [Int32], chunk: Int) throws -> [Float] {
        var output: [Float] = []
        for start in stride(from: 0, to: tokens.count, by: chunk) {
            output += try session.run(
                tokens: Array(tokens[start..<min(start + chunk, tokens.count)]))
        }
        return output
    }

    @Test("A beginning that was run is not run again", arguments: [1, 7, 64, 300])
    func sharedBeginning(chunk: Int) throws {
        let stage = try stage()
        let (prompt, other) = (Self.tokens(200), Self.tokens(200, seed: 1))
        let mixed = Array(prompt[..<150]) + other[150...]
        let expected = try [prompt, mixed].map {
            try run(try stage.makeSession(capacity: 200), $0, chunk: 200)
        }
        #expect(stage.memory.usage == KVPool.Usage())
        let first = try stage.makeSession(capacity: 200, scope: Self.alice)
        #expect(try run(first, prompt, chunk: chunk) == expected[0])
        #expect(stage.memory.usage == KVPool.Usage(reserved: 4, pages: 4, kept: 3))
        let second = try stage.makeSession(capacity: 200, scope: Self.alice)
        #expect(try run(second, mixed, chunk: chunk) == expected[1])
        // Two pages are shared, the third is equal in its first 22 positions and was copied.
        #expect(stage.memory.usage == KVPool.Usage(reserved: 8, pages: 6, kept: 4))
        let third = try stage.makeSession(capacity: 200, scope: Self.alice)
        #expect(try run(third, mixed, chunk: chunk) == expected[1])
        #expect(stage.memory.usage.pages == 7)
        try second.truncate(to: 130)
        #expect(try run(second, Array(prompt[130...]), chunk: chunk) == expected[0].suffix(70 * 64))
        #expect(try run(try third.fork(), [], chunk: 1).isEmpty)
    }

    @Test func scopesAndStrangersShareNothing() throws {
        for (sharing, scopes) in [
            (PrefixSharing.on, [Self.alice, Self.bob, nil, nil]),
            (.off, [Self.alice, Self.alice, nil, nil]),
        ] as [(PrefixSharing, [PrefixScope?])] {
            let stage = try stage(sharing: sharing)
            let sessions = try scopes.map { try stage.makeSession(capacity: 128, scope: $0) }
            let outputs = try sessions.map { try $0.run(tokens: Self.tokens(128)) }
            #expect(outputs.allSatisfy { $0 == outputs[0] })
            withExtendedLifetime(sessions) {
                #expect(stage.memory.usage.pages == 8)
                #expect(stage.memory.usage.kept == (sharing == .on ? 4 : 0))
            }
        }
    }

    @Test func laterStagesShareWhatCameInAlike() throws {
        let (head, tail) = (try stage(LayerRange(0, 1)), try stage(LayerRange(1, 3)))
        let rows = try head.makeSession(capacity: 140).run(tokens: Self.tokens(140))
        let expected = try tail.makeSession(capacity: 140).run(activations: rows, count: 140)
        let first = try tail.makeSession(capacity: 140, scope: Self.alice)
        #expect(try first.run(activations: rows, count: 140) == expected)
        let second = try tail.makeSession(capacity: 140, scope: Self.alice)
        #expect(try second.run(activations: rows, count: 140) == expected)
        #expect(tail.memory.usage == KVPool.Usage(reserved: 6, pages: 4, kept: 2))
        // One bit of one row makes another chain from its page on.
        var other = rows
        other[70 * SyntheticModel.hidden] = other[70 * SyntheticModel.hidden].nextUp
        let third = try tail.makeSession(capacity: 140, scope: Self.alice)
        let found = try third.run(activations: other, count: 140)
        #expect(found == (try tail.makeSession(capacity: 140).run(activations: other, count: 140)))
        #expect(tail.memory.usage.pages == 6)
    }

    @Test func onlyWhatWasRunIsShared() throws {
        let stage = try stage()
        let session = try stage.makeSession(capacity: 128, scope: Self.alice)
        #expect(throws: EngineError.tokenOutOfRange(-1)) {
            try session.run(tokens: Self.tokens(127) + [-1])
        }
        #expect(stage.memory.usage.kept == 0 && session.position == 0)
        let output = try session.run(tokens: Self.tokens(128))
        #expect(throws: EngineError.tooManyPositions(capacity: 128, needed: 129)) {
            try session.run(tokens: [1])
        }
        // A pass where both run the same at once, and a third adopts it.
        let twins = try (0..<3).map { _ in try stage.makeSession(capacity: 100, scope: Self.bob) }
        let work = twins.prefix(2).map { StageWork($0, .tokens(Self.tokens(100))) }
        let results = try stage.run(work).map { try $0.get() }
        let adopted = try twins[2].run(tokens: Self.tokens(100))
        let expected = output.prefix(100 * SyntheticModel.hidden)
        #expect((results + [adopted]).allSatisfy { $0[...] == expected })
    }

    @Test func aPageThatIsWrittenAgainIsNotWhatItWas() throws {
        let stage = try stage()
        let (prompt, other) = (Self.tokens(64), Self.tokens(64, seed: 1))
        let expected = try stage.makeSession(capacity: 64).run(tokens: prompt)
        let twins = try (0..<2).map { _ in try stage.makeSession(capacity: 64, scope: Self.bob) }
        _ = stage.run(twins.map { StageWork($0, .tokens(prompt)) })
        // One twin's page is kept; the other's is its own, and is written in place.
        for twin in twins {
            try twin.truncate(to: 10)
            _ = try twin.run(tokens: Array(other[..<20]))
            try twin.truncate(to: 10)
            let again = try twin.run(tokens: Array(prompt[10...]))
            #expect(again[...] == expected[(10 * SyntheticModel.hidden)...])
        }
        // The kept page, after all that, too.
        let third = try stage.makeSession(capacity: 64, scope: Self.bob)
        #expect(try third.run(tokens: prompt) == expected)
    }

    @Test func keptPagesMakeRoomTheLeastRecentlyUsedFirst() throws {
        let page = try stage().memory.pageBytes
        let stage = try stage(memoryLimit: 4 * page)
        func ask(_ seed: Int, _ count: Int = 128) throws {
            let session = try stage.makeSession(capacity: count, scope: Self.alice)
            _ = try session.run(tokens: Self.tokens(count, seed: seed))
        }
        try ask(1)
        try ask(2)
        #expect(stage.memory.usage == KVPool.Usage(pages: 4, kept: 4))
        try ask(1)
        #expect(stage.memory.usage == KVPool.Usage(pages: 4, kept: 4))
        #expect(stage.memory.sharedPositions == 128)
        // The second page of the second prompt goes first, then its first.
        try ask(3, 64)
        #expect(stage.memory.usage == KVPool.Usage(pages: 4, kept: 4))
        try ask(1)
        try ask(2, 64)
        #expect(stage.memory.sharedPositions == 128 + 128 + 64)
        try ask(3, 64)
        #expect(stage.memory.sharedPositions == 128 + 128 + 64 + 64)
        let session = try stage.makeSession(capacity: 256, scope: Self.alice)
        _ = try session.run(tokens: Self.tokens(128, seed: 1))
        #expect(stage.memory.usage.pages == 4)
        _ = try session.run(tokens: Self.tokens(128, seed: 4))
        #expect(stage.memory.usage == KVPool.Usage(reserved: 4, pages: 4, kept: 4))
        try session.truncate(to: 0)
        stage.memory.clear()
        #expect(stage.memory.usage == KVPool.Usage(reserved: 4))
    }

    @Test("Random sessions with forks, cuts and a small pool", arguments: 1...6)
    func randomWalk(seed: Int) throws {
        var dice = PassTests.Dice(state: UInt64(seed))
        let page = try stage().memory.pageBytes
        let shared = try stage(memoryLimit: 14 * page)
        let plain = try stage()
        var twins: [(shared: StageSession, plain: StageSession)] = []
        for _ in 0..<60 {
            switch dice.roll(6) {
            case 0 where twins.count < 4, 1 where twins.count < 4:
                twins.append(
                    (
                        try shared.makeSession(
                            capacity: 190, scope: [Self.alice, Self.alice, nil][dice.roll(3)]),
                        try plain.makeSession(capacity: 190)
                    ))
            case 2 where !twins.isEmpty && twins.count < 4:
                let twin = twins[dice.roll(twins.count)]
                twins.append((try twin.shared.fork(), try twin.plain.fork()))
            case 3 where !twins.isEmpty:
                let twin = twins[dice.roll(twins.count)]
                let position = dice.roll(twin.plain.position + 1)
                try twin.shared.truncate(to: position)
                try twin.plain.truncate(to: position)
            case 4 where twins.count > 2: twins.remove(at: dice.roll(twins.count))
            default:
                var parts: [[Int32]] = []
                for twin in twins {
                    // Few different prompts, so that many begin alike.
                    let prompt = Self.tokens(190, seed: dice.roll(8) / 6)
                    let left = prompt.dropFirst(twin.plain.position)
                    parts.append(Array(left.prefix(1 + [0, 2, 40, 100][dice.roll(4)])))
                }
                let live = twins.indices.filter { !parts[$0].isEmpty }
                let found = shared.run(
                    live.map { StageWork(twins[$0].shared, .tokens(parts[$0])) })
                let expected = plain.run(
                    live.map { StageWork(twins[$0].plain, .tokens(parts[$0])) })
                #expect(found == expected, "seed \(seed)")
            }
            #expect(twins.allSatisfy { $0.shared.position == $0.plain.position })
            #expect(shared.memory.usage.pages <= 14)
        }
        twins = []
        shared.memory.clear()
        #expect(shared.memory.usage == KVPool.Usage())
        #expect(plain.memory.usage == KVPool.Usage())
    }
}

import Inference
import Primitives
import Testing

/// Several sessions in one pass: the same bytes as each alone, whatever its mates are and do.
@Suite struct PassTests {
    /// Numbers from a seed, for schedules that a failure can repeat.
    struct Dice {
        var state: UInt64

        mutating func roll(_ sides: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % sides
        }
    }

    private static func tokens(_ count: Int, seed: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * 37 + seed * 101 + $0 * $0 % 13) % SyntheticModel.vocabulary) }
    }

    private func stage(
        _ path: KernelPath = .automatic, threads: Int = 2, memoryLimit: Int? = nil
    ) throws -> Stage {
        try Stage(
            model: try SyntheticModel().model(), layers: try #require(LayerRange(0, 3)),
            threads: threads, path: path, memoryLimit: memoryLimit ?? KVPool.defaultByteLimit)
    }

    /// What each prompt gives alone, on the plain path and one thread.
    private func alone(_ prompts: [[Int32]]) throws -> [[Float]] {
        let stage = try stage(.scalar, threads: 1)
        return try prompts.map { try stage.makeSession(capacity: $0.count).run(tokens: $0) }
    }

    @Test("Random mixes of prompts, single tokens and guesses", arguments: 1...6)
    func randomSchedules(seed: Int) throws {
        var dice = Dice(state: UInt64(seed))
        let prompts = (0..<1 + dice.roll(8)).map {
            Self.tokens(1 + dice.roll(150), seed: $0 + seed * 31)
        }
        let expected = try alone(prompts)
        for path in KernelPath.allCases {
            let stage: Stage
            do { stage = try self.stage(path) } catch { continue }
            let sessions = try prompts.map { try stage.makeSession(capacity: $0.count) }
            var found = prompts.map { _ in [Float]() }
            while sessions.indices.contains(where: { sessions[$0].position < prompts[$0].count }) {
                var members: [Int] = []
                var work: [StageWork] = []
                for (index, session) in sessions.enumerated() where dice.roll(3) > 0 {
                    let left = prompts[index].dropFirst(session.position)
                    let count = min(left.count, [1, 1, 4, 70][dice.roll(4)])
                    if count == 0 { continue }
                    members.append(index)
                    work.append(StageWork(session, .tokens(Array(left.prefix(count)))))
                }
                for (member, result) in zip(members, stage.run(work)) {
                    found[member] += try result.get()
                }
            }
            if found != expected { Issue.record("\(path), seed \(seed)") }
        }
    }

    @Test func aBadShareDoesNotTouchTheOthers() throws {
        let stage = try stage()
        let expected = try alone([[3, 4], [5, 6]])
        let sessions = try (0..<5).map { _ in try stage.makeSession(capacity: 2) }
        let results = stage.run([
            StageWork(sessions[0], .tokens([3, 4])), StageWork(sessions[1], .tokens([3, 269])),
            StageWork(sessions[2], .tokens([3, 4, 5])), StageWork(sessions[0], .tokens([3])),
            StageWork(sessions[3], .activations([1])), StageWork(sessions[4], .tokens([5, 6])),
        ])
        #expect(
            results == [
                .success(expected[0]), .failure(.tokenOutOfRange(269)),
                .failure(.tooManyPositions(capacity: 2, needed: 3)), .failure(.sessionRepeated),
                .failure(.isFirstStage), .success(expected[1]),
            ])
        #expect(sessions.map(\.position) == [2, 0, 0, 0, 2])
        #expect(EngineError.sessionRepeated.code == 14)
        #expect(stage.run([]).isEmpty)
    }

    @Test func anOverflowOfOneLeavesItsMatesWell() throws {
        // Weights so large that only a row of zeros does not overflow.
        let synthetic = SyntheticModel.overflowing()
        let stage = try Stage(
            model: try synthetic.model(), layers: try #require(LayerRange(1, 3)), threads: 2)
        let row = [Float](repeating: 0, count: SyntheticModel.hidden)
        let huge = row.indices.map { Float($0 % 7) - 3 }
        let expected = try stage.makeSession(capacity: 1).run(activations: row, count: 1)
        let sessions = try (0..<3).map {
            try stage.makeSession(capacity: 1, scope: $0 == 1 ? PrefixScope([1]) : nil)
        }
        let results = stage.run([
            StageWork(sessions[0], .activations(row)), StageWork(sessions[1], .activations(huge)),
            StageWork(sessions[2], .activations(row)),
        ])
        #expect(results == [.success(expected), .failure(.resultNotFinite), .success(expected)])
        #expect(sessions.map(\.position) == [1, 0, 1])
        // What failed left nothing behind.
        #expect(stage.memory.usage.pages == 2)
        #expect(try sessions[1].run(activations: row, count: 1) == expected)
    }

    @Test("Around the ends of pages", arguments: [63, 64, 65, 127, 128, 129])
    func pageEnds(length: Int) throws {
        let prompt = Self.tokens(length + 2, seed: 3)
        let other = Self.tokens(length + 2, seed: 4)
        let expected = try alone([prompt, Array(prompt[..<length]) + other[length...]])
        let stage = try stage()
        let session = try stage.makeSession(capacity: length + 2)
        var found = try session.run(tokens: Array(prompt[..<length]))
        #expect(stage.memory.usage.pages == (length + 63) / 64)
        // The fork shares every page until one of both writes.
        let fork = try session.fork()
        #expect(stage.memory.usage.pages == (length + 63) / 64)
        let both = stage.run([
            StageWork(session, .tokens(Array(prompt[length...]))),
            StageWork(fork, .tokens(Array(other[length...]))),
        ])
        let hidden = SyntheticModel.hidden
        #expect(try both[1].get()[...] == expected[1][(length * hidden)...])
        found += try both[0].get()
        #expect(found == expected[0])
        // Cut back over the end of the page, the fork's rows are the other's again.
        try fork.truncate(to: length - 1)
        let again = try fork.run(tokens: Array(prompt[(length - 1)...]))
        #expect(again[...] == expected[0][((length - 1) * hidden)...])
        #expect(try session.fork(capacity: length + 2).position == length + 2)
        #expect(throws: EngineError.tooManyPositions(capacity: 9, needed: length + 2)) {
            try session.fork(capacity: 9)
        }
    }

    @Test func pagesAreTakenAsASessionGrowsAndAllAreFreed() throws {
        let stage = try stage()
        do {
            let session = try stage.makeSession(capacity: 512)
            #expect(stage.memory.usage == KVPool.Usage(reserved: 8, pages: 0))
            _ = try session.run(tokens: Self.tokens(130, seed: 1))
            #expect(stage.memory.usage.pages == 3)
            let fork = try session.fork(capacity: 200)
            #expect(stage.memory.usage == KVPool.Usage(reserved: 12, pages: 3))
            _ = try fork.run(tokens: [1])
            #expect(stage.memory.usage.pages == 4)
            try session.truncate(to: 64)
            #expect(stage.memory.usage.pages == 3)
            try session.truncate(to: 0)
            _ = try? fork.run(tokens: [-1])
            _ = try? fork.run(tokens: Self.tokens(300, seed: 1))
            #expect(stage.memory.usage.pages == 3)
        }
        #expect(stage.memory.usage == KVPool.Usage())
    }

    @Test func aPoolThatIsPromisedTakesNoMoreSessions() throws {
        let page = try stage().memory.pageBytes
        let stage = try stage(memoryLimit: 3 * page)
        #expect(stage.memory.pageLimit == 3)
        let session = try stage.makeSession(capacity: 128)
        let exhausted = EngineError.poolExhausted(pages: 3, reserved: 2, needed: 2)
        #expect(exhausted.code == 13)
        #expect(throws: exhausted) { try stage.makeSession(capacity: 65) }
        #expect(throws: exhausted) { try session.fork() }
        _ = try session.run(tokens: Self.tokens(128, seed: 2))
        #expect(try stage.makeSession(capacity: 64).run(tokens: [1]).count == SyntheticModel.hidden)
        #expect(stage.memory.usage == KVPool.Usage(reserved: 2, pages: 2))
    }
}

import Foundation
import Inference
import Primitives
import Service
import Testing

/// A lost stage is replaced alone: it is fed the rows that are kept, the others go on where they
/// were, and nobody can tell from the answer.
@Suite struct ResumingTests {
    private typealias Toy = JobMachineTests.Toy
    private static let text = " the quick brown fox jumps"

    private func toy(stages: Int, prompt: Int) throws -> Toy {
        let tokenizer = try JobMachineTests.file.get().tokenizer
        let tokens = try tokenizer.encode(Self.text)
        let spec = JobSpec(
            job: JobID(7), prompt: (0..<prompt).map { Int32($0) }, maxTokens: tokens.count,
            rowBytes: 4, vocabulary: 49_152, isEnd: { _ in false },
            text: AnswerText(tokenizer: tokenizer, stops: []))
        var toy = Toy(
            machine: JobMachine(spec: spec, stages: stages, at: 0), stages: stages, prompt: prompt,
            tokens: tokens)
        toy.take(toy.machine.begin())
        try toy.readyAll()
        return toy
    }

    /// Loses a stage and goes on with others in its place, `patch` of them; kept nodes that
    /// `forget` their session begin again.
    private func replace(
        _ stage: Int, by patch: Int, in toy: inout Toy, forget: Bool = false
    ) throws {
        toy.take(toy.machine.lose(stage: stage, "gone"))
        let kept = toy.kept(without: stage, patch: patch)
        toy.take(toy.machine.release(but: Set(kept.compactMap(\.self))))
        toy.inbox = []
        toy.seen = []
        toy.stages = kept.count
        toy.take(
            toy.machine.restart(attempt: toy.machine.attempt + 1, kept: kept, at: 0))
        for place in kept.indices {
            let position = forget ? 0 : toy.machine.resume(stage: place)?.position ?? 0
            toy.frame(
                try WireFrame(
                    kind: .ready, stage: UInt16(place), job: JobID(7),
                    attempt: toy.machine.attempt, position: UInt32(position)))
        }
    }

    /// The positions a stage was fed since `seen` was emptied.
    private func fed(_ stage: Int, _ toy: Toy) -> [ClosedRange<Int>] {
        toy.seen.compactMap { effect in
            guard case .send(let frame, stage) = effect, frame.count > 0 else { return nil }
            return Int(frame.position)...Int(frame.position) + Int(frame.count) - 1
        }
    }

    @Test(arguments: [0, 1, 2], [1, 2])
    func theOthersGoOnWhereTheyWere(lost: Int, patch: Int) throws {
        for prompt in [1, 4, 300] {
            for steps in 1..<16 {
                for forget in [false, true] {
                    var toy = try toy(stages: 3, prompt: prompt)
                    try toy.work(steps: steps)
                    guard toy.machine.phase == .running else { continue }
                    try replace(lost, by: patch, in: &toy, forget: forget)
                    let reached = (0..<toy.stages).map { toy.machine.resume(stage: $0)?.position }
                    try toy.work()
                    #expect(toy.text == Self.text)
                    #expect(toy.machine.finish == .length)
                    let positions = prompt + toy.tokens.count - 1
                    #expect(toy.ends == Array(repeating: UInt32(positions), count: toy.stages))
                    #expect(toy.machine.boundaries.allSatisfy { $0.count == 4 * positions })
                    for stage in 0..<toy.stages {
                        var next = forget ? 0 : reached[stage] ?? 0
                        for range in fed(stage, toy) {
                            #expect(range.lowerBound == next)
                            next = range.upperBound + 1
                        }
                        #expect(next == positions)
                    }
                }
            }
        }
    }

    @Test func severalLossesInARow() throws {
        var toy = try toy(stages: 3, prompt: 5)
        for (steps, stage) in [(7, 1), (2, 0), (4, 2), (0, 1)] {
            try toy.work(steps: steps)
            try replace(stage, by: 1, in: &toy)
        }
        try toy.work()
        #expect(toy.text == Self.text)
        #expect(toy.machine.attempt == 5)
    }

    @Test func onlyWhoIsNotKeptIsToldToDropTheAttempt() throws {
        var toy = try toy(stages: 3, prompt: 4)
        try toy.work(steps: 4)
        toy.seen = []
        toy.take(toy.machine.lose(stage: 1, "gone"))
        #expect(toy.seen == [.replace(stage: 1, code: .abandoned, reason: "gone")])
        let released = toy.machine.release(but: [0])
        #expect(!released.contains(.dismiss(stage: 0)))
        #expect(released.contains(.dismiss(stage: 1)))
        #expect(released.contains(.dismiss(stage: 2)))
    }

    /// Rows that are not those of the first attempt: nothing computed so far is beyond doubt.
    @Test func otherRowsThanBeforeBeginEverythingAgain() throws {
        var toy = try toy(stages: 3, prompt: 4)
        try toy.work(steps: 6)
        try replace(1, by: 1, in: &toy)
        #expect(toy.machine.canResume)
        let lie = try WireFrame.activations(
            [9, 9, 9, 9], rows: 4, stage: 1, job: JobID(7), attempt: 2, position: 0)
        toy.frame(lie)
        let reason = "another result than an earlier attempt's"
        #expect(toy.seen.last == .replace(stage: 1, code: .declined, reason: reason))
        #expect(!toy.machine.canResume)
        toy.inbox = []
        toy.seen = []
        toy.take(toy.machine.restart(attempt: 3, kept: [nil, nil, nil], at: 0))
        try toy.readyAll()
        try toy.work()
        #expect(toy.text == Self.text)
        #expect(fed(0, toy).first?.lowerBound == 0)
    }

    @Test func aPositionThatNobodyAskedForIsNone() throws {
        var toy = try toy(stages: 2, prompt: 4)
        try toy.work(steps: 3)
        toy.take(toy.machine.lose(stage: 1, "gone"))
        toy.take(toy.machine.restart(attempt: 2, kept: [0, nil], at: 0))
        toy.seen = []
        toy.frame(
            try WireFrame(kind: .ready, stage: 1, job: JobID(7), attempt: 2, position: 2))
        #expect(
            toy.seen == [
                .replace(
                    stage: 1, code: .abandoned, reason: "ready at a position it was not asked for")
            ])
    }

    /// Silence is a doubt only about who owes something, and blames nobody.
    @Test func whoIsNotHeardIsDoubted() throws {
        var toy = try toy(stages: 2, prompt: 4)
        #expect(toy.machine.tick(at: 300, queued: [], silent: [700, 700]).isEmpty)
        #expect(toy.machine.tick(at: 300, queued: [], silent: [701, 701]) == [.doubt(stage: 0)])
        try toy.work(steps: 1)
        #expect(toy.machine.tick(at: 300, queued: [], silent: [701, 701]) == [.doubt(stage: 1)])
        try toy.work()
        #expect(toy.machine.tick(at: 300, queued: [], silent: [701, 701]).isEmpty)
    }
}

extension JobMachineTests.Toy {
    /// Which old stages go on when `patch` new ones take the place of one.
    func kept(without lost: Int, patch: Int) -> [Int?] {
        (0..<lost).map { $0 } + Array(repeating: nil, count: patch) + (lost + 1..<stages).map { $0 }
    }
}

import Foundation
import Inference
import Primitives
import Service
import Testing

/// Nodes that compute a stage along: fed what has come out of it, heard only when it is lost.
@Suite struct StandInTests {
    private typealias Toy = JobMachineTests.Toy
    private static let text = " the quick brown fox jumps"

    /// A toy pipeline with stand-ins that answer as honest nodes do.
    private struct Pair {
        var toy: Toy
        /// Orders to stand-ins that have been seen, by place in `toy.seen`.
        var read = 0
        /// Frames that wait at stand-ins, and where the sessions are, by stage.
        var inbox: [(stage: Int, frame: WireFrame)] = []
        var dismissed: [Int] = []
        /// Changes what a stand-in sends.
        var alter: (WireFrame) throws -> WireFrame = { $0 }

        /// Hears what was ordered, feeds, and lets stand-ins answer.
        mutating func settle() throws {
            while true {
                toy.take(toy.machine.feedStandIns())
                let orders = toy.seen[read...]
                read = toy.seen.count
                for case .standIn(let order, let stage) in orders {
                    switch order {
                    case .assign:
                        let position = toy.machine.resumeOfStandIn(stage: stage)?.position ?? 0
                        toy.take(
                            toy.machine.receiveFromStandIn(
                                try WireFrame(
                                    kind: .ready, stage: UInt16(stage), job: JobID(7),
                                    attempt: toy.machine.attempt, position: UInt32(position))))
                    case .send(let frame): inbox.append((stage, frame))
                    case .dismiss: dismissed.append(stage)
                    }
                }
                if inbox.isEmpty, read == toy.seen.count { return }
                if inbox.isEmpty { continue }
                let (stage, frame) = inbox.removeFirst()
                guard let reply = try toy.answer(stage, frame) else { continue }
                toy.take(toy.machine.receiveFromStandIn(try alter(reply)))
            }
        }

        /// Frames answered one by one, stand-ins behind each.
        mutating func work(steps: Int = .max) throws {
            var done = 0
            while done < steps, !toy.inbox.isEmpty {
                try toy.work(steps: 1)
                try settle()
                done += 1
            }
        }

        /// Loses a stage to its stand-in.
        mutating func promote(_ stage: Int) throws {
            toy.take(toy.machine.lose(stage: stage, "gone"))
            let kept = (0..<toy.stages).map { $0 == stage ? nil : $0 }
            let standIns = toy.machine.standsIn
            toy.take(
                toy.machine.release(but: Set(kept.compactMap(\.self)), standIns: standIns))
            (toy.inbox, toy.seen, inbox, read) = ([], [], [], 0)
            toy.take(
                toy.machine.restart(
                    attempt: toy.machine.attempt + 1, kept: kept,
                    promoted: standIns.contains(stage) ? [stage: stage] : [:], at: 0))
            for place in kept.indices {
                let position = toy.machine.resume(stage: place)?.position ?? 0
                toy.frame(
                    try WireFrame(
                        kind: .ready, stage: UInt16(place), job: JobID(7),
                        attempt: toy.machine.attempt, position: UInt32(position)))
            }
            try settle()
        }
    }

    private func pair(stages: Int, prompt: Int) throws -> Pair {
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
        return Pair(toy: toy)
    }

    private func fed(_ stage: Int, _ toy: Toy) -> [ClosedRange<Int>] {
        toy.seen.compactMap { effect in
            guard case .send(let frame, stage) = effect, frame.count > 0 else { return nil }
            return Int(frame.position)...Int(frame.position) + Int(frame.count) - 1
        }
    }

    private func expectWholeAnswer(_ toy: Toy) {
        let positions = toy.prompt + toy.tokens.count - 1
        #expect(toy.text == Self.text)
        #expect(toy.machine.finish == .length)
        #expect(toy.ends == Array(repeating: UInt32(positions), count: toy.stages))
        #expect(toy.machine.boundaries.allSatisfy { $0.count == 4 * positions })
    }

    @Test(arguments: [1, 2, 3], [1, 4, 300, 1_500])
    func aStandInGoesOnFromWhereItIs(stages: Int, prompt: Int) throws {
        for lost in 0..<stages {
            for (before, along) in [(0, 1), (1, 3), (2, 9), (5, 5), (9, 1)] {
                var pair = try pair(stages: stages, prompt: prompt)
                try pair.work(steps: before)
                guard pair.toy.machine.phase == .running else { continue }
                pair.toy.take(pair.toy.machine.standIn(for: lost))
                #expect(pair.toy.machine.standIn(for: lost).isEmpty)
                try pair.settle()
                try pair.work(steps: along)
                guard pair.toy.machine.phase == .running else { continue }
                try pair.promote(lost)
                let (attempt, position) = try #require(
                    pair.toy.machine.resume(stage: lost))
                #expect(attempt == 1)
                // At most what was under way is computed twice.
                let first = fed(lost, pair.toy).first?.lowerBound ?? position
                #expect(first == position)
                if lost < stages - 1 {
                    #expect(pair.toy.machine.boundaries[lost].count <= 4 * (position + 256))
                }
                try pair.work()
                expectWholeAnswer(pair.toy)
            }
        }
    }

    /// The stand-ins of other stages stay, and take over in their turn.
    @Test func othersGoOnStandingIn() throws {
        var pair = try pair(stages: 3, prompt: 5)
        try pair.work(steps: 4)
        for stage in 0..<3 { pair.toy.take(pair.toy.machine.standIn(for: stage)) }
        try pair.settle()
        try pair.work(steps: 3)
        try pair.promote(1)
        #expect(pair.toy.machine.standsIn == [0, 2])
        #expect(pair.toy.machine.resumeOfStandIn(stage: 0)?.attempt == 1)
        try pair.work(steps: 2)
        try pair.promote(2)
        #expect(try #require(pair.toy.machine.resume(stage: 2)).position >= 5)
        try pair.promote(0)
        #expect(pair.toy.machine.standsIn == [])
        try pair.work()
        expectWholeAnswer(pair.toy)
        #expect(pair.toy.machine.attempt == 4)
    }

    /// One that computes something else is sent away; the answer does not notice.
    @Test(arguments: [0, 1, 2]) func whoDisagreesIsSentAway(stage: Int) throws {
        var pair = try pair(stages: 3, prompt: 4)
        pair.alter = { frame in
            frame.kind == .sampled
                ? try .tokens(
                    frame.tokenIDs.map { $0 + 1 }, kind: .sampled, stage: frame.stage,
                    job: frame.job, attempt: frame.attempt, position: frame.position)
                : try .activations(
                    frame.activationValues.map { $0 + 1 }, rows: frame.count, stage: frame.stage,
                    job: frame.job, attempt: frame.attempt, position: frame.position)
        }
        try pair.work(steps: 4)
        pair.toy.take(pair.toy.machine.standIn(for: stage))
        try pair.settle()
        try pair.work()
        #expect(pair.dismissed == [stage])
        #expect(pair.toy.machine.standsIn == [])
        expectWholeAnswer(pair.toy)
    }

    /// It is told when the answer has ended, and what comes then or out of turn changes nothing.
    @Test func theEndIsTold() throws {
        var pair = try pair(stages: 2, prompt: 4)
        try pair.work(steps: 2)
        pair.toy.take(pair.toy.machine.standIn(for: 0))
        let early = try WireFrame.activations(
            [0], rows: 1, stage: 0, job: JobID(7), attempt: 1, position: 0)
        #expect(pair.toy.machine.receiveFromStandIn(early).count == 2)
        #expect(pair.toy.machine.standsIn == [])
        pair.toy.take(pair.toy.machine.standIn(for: 0))
        try pair.work()
        #expect(pair.dismissed == [0])
        #expect(pair.toy.machine.standIn(for: 0).isEmpty)
        #expect(pair.toy.machine.receiveFromStandIn(early).isEmpty)
        expectWholeAnswer(pair.toy)
    }
}

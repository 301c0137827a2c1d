import Foundation
import Inference
import Primitives
import Service
import Testing

/// The machine that runs a job, driven by a toy pipeline: rows of one number, tokens that follow
/// from it.
@Suite struct JobMachineTests {
    static let file = Result { try ModelFile(path: modelPath()) }

    private static func modelPath() throws -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path()
    }

    /// Stages that answer as the protocol says, one frame after the other.
    struct Toy {
        var machine: JobMachine
        var stages: Int
        let prompt: Int
        var tokens: [Int32]
        /// Frames the stages have been sent, in order of arrival.
        var inbox: [(stage: Int, frame: WireFrame)] = []
        var text = ""
        /// Tokens whose scores came with the text.
        var scored: [Int32] = []
        /// How many likely tokens' scores are sent before tokens; `nil` for none at all.
        var scores: Int?
        /// Changes scores before they are sent.
        var alter: (inout [PositionScore]) -> Void = { _ in }
        var seen: [JobMachine.Effect] = []
        var now: UInt64 = 0

        mutating func take(_ effects: [JobMachine.Effect]) {
            for effect in effects {
                seen.append(effect)
                switch effect {
                case .send(let frame, let stage): inbox.append((stage, frame))
                case .deliver(let piece, _, let scores):
                    text += piece
                    scored += scores.map(\.chosen.token)
                default: continue
                }
            }
        }

        mutating func frame(_ frame: WireFrame) {
            take(machine.receive(frame, at: now))
        }

        mutating func readyAll() throws {
            for stage in 0..<stages {
                frame(
                    try WireFrame(
                        kind: .ready, stage: UInt16(stage), job: JobID(7),
                        attempt: machine.attempt))
            }
        }

        /// What a stage answers to a frame; `nil` where nothing is due.
        func answer(_ stage: Int, _ frame: WireFrame) throws -> WireFrame? {
            guard frame.kind == .tokens || frame.kind == .activations else { return nil }
            if stage < stages - 1 {
                let rows = (0..<frame.count).map { Float(frame.position + $0) }
                return try .activations(
                    rows, rows: frame.count, stage: UInt16(stage), job: frame.job,
                    attempt: frame.attempt, position: frame.position)
            }
            let first = max(Int(frame.position), prompt - 1)
            let end = Int(frame.position) + Int(frame.count)
            guard first < end else { return nil }
            return try .tokens(
                (first..<end).map { tokens[min($0 - prompt + 1, tokens.count - 1)] },
                kind: .sampled, stage: UInt16(stage), job: frame.job, attempt: frame.attempt,
                position: UInt32(first))
        }

        /// What goes before sampled tokens.
        func scores(of frame: WireFrame) throws -> WireFrame? {
            guard frame.kind == .sampled, let scores else { return nil }
            var rows = frame.tokenIDs.map { token in
                let chosen = TokenProbability(token: token, logProbability: -1)
                let others = (0..<49_152).lazy.map { Int32($0) }.filter { $0 != token }
                let top =
                    [chosen]
                    + others.prefix(max(scores - 1, 0)).map {
                        TokenProbability(token: $0, logProbability: -2)
                    }
                return PositionScore(chosen: chosen, top: scores == 0 ? [] : Array(top))
            }
            alter(&rows)
            return try .scores(
                rows, stage: frame.stage, job: frame.job, attempt: frame.attempt,
                position: frame.position)
        }

        /// Lets the stages work until nothing is left to do, or `steps` frames were answered.
        mutating func work(steps: Int = .max, pick: (Int) -> Int = { _ in 0 }) throws {
            var done = 0
            while done < steps, !inbox.isEmpty {
                // Frames of one stage stay in order; which stage goes first is free.
                let wanted = inbox[pick(inbox.count)].stage
                guard let place = inbox.firstIndex(where: { $0.stage == wanted }) else { return }
                let (stage, frame) = inbox.remove(at: place)
                if let reply = try answer(stage, frame) {
                    if let scores = try scores(of: reply) { self.frame(scores) }
                    self.frame(reply)
                }
                done += 1
            }
        }

        var ends: [UInt32] {
            seen.compactMap { effect in
                if case .send(let frame, _) = effect, frame.kind == .end {
                    return frame.position
                }
                return nil
            }
        }
    }

    func toy(
        stages: Int, prompt: Int, tokens: [Int32], maxTokens: Int? = nil, stops: [String] = [],
        end: Int32 = -1, scores: Int? = nil, endBy: UInt64? = nil
    ) throws -> Toy {
        let file = try Self.file.get()
        let spec = JobSpec(
            job: JobID(7), prompt: (0..<prompt).map { Int32($0) },
            maxTokens: maxTokens ?? tokens.count, rowBytes: 4, vocabulary: 49_152,
            isEnd: { $0 == end }, text: AnswerText(tokenizer: file.tokenizer, stops: stops),
            scores: scores, endBy: endBy)
        var toy = Toy(
            machine: JobMachine(spec: spec, stages: stages, at: 0), stages: stages, prompt: prompt,
            tokens: tokens)
        toy.scores = scores
        toy.take(toy.machine.begin())
        #expect(toy.seen == (0..<stages).map { .assign(stage: $0) })
        try toy.readyAll()
        return toy
    }

    func words(_ text: String) throws -> [Int32] {
        try Self.file.get().tokenizer.encode(text)
    }

    /// Any number of stages, any length of prompt, frames in any order between stages: the same
    /// answer, whole boundaries, and an end at the position every stage has reached.
    @Test(arguments: [1, 2, 3, 5], [1, 2, 255, 256, 257, 700])
    func everyPipelineEndsWithTheSameAnswer(stages: Int, prompt: Int) throws {
        let tokens = try words(" the quick brown fox jumps")
        for seed in 0..<4 {
            var toy = try toy(stages: stages, prompt: prompt, tokens: tokens)
            var state = UInt64(seed)
            try toy.work { count in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int((state >> 33) % UInt64(count))
            }
            #expect(toy.text == " the quick brown fox jumps")
            #expect(toy.machine.output == tokens)
            #expect(toy.machine.finish == .length)
            #expect(toy.machine.phase == .signing)
            let positions = prompt + tokens.count - 1
            #expect(toy.ends == Array(repeating: UInt32(positions), count: stages))
            #expect(toy.machine.boundaries.allSatisfy { $0.count == 4 * positions })
            #expect(toy.seen.contains(.collect))
            let largest = toy.seen.compactMap { effect -> UInt32? in
                if case .send(let frame, _) = effect { frame.count } else { nil }
            }.max()
            #expect((largest ?? 0) <= 256)
        }
    }

    @Test func theEndTokenAndStopStringsEndTheAnswer() throws {
        let tokens = try words(" one two three four")
        var ended = try toy(stages: 2, prompt: 3, tokens: tokens, end: tokens[2])
        try ended.work()
        #expect(ended.machine.output == Array(tokens[...2]))
        #expect(ended.machine.finish == .stop)

        var stopped = try toy(stages: 2, prompt: 3, tokens: tokens, stops: ["o t"])
        try stopped.work()
        #expect(stopped.text == " one tw")
        #expect(stopped.machine.finish == .stop)
        #expect(stopped.machine.output.count == 3)
        #expect(stopped.ends == [5, 5])
    }

    /// A replacement computes everything again; the buyer gets no token twice.
    @Test(arguments: [1, 2, 3, 4, 6, 9])
    func aReplacementGoesOnWhereTheAnswerWas(steps: Int) throws {
        let tokens = try words(" the quick brown fox jumps")
        var toy = try toy(stages: 2, prompt: 4, tokens: tokens)
        try toy.work(steps: steps)
        toy.take(toy.machine.lose(stage: 1, "gone"))
        #expect(toy.machine.phase == .replacing)
        #expect(toy.seen.contains(.replace(stage: 1, code: .abandoned, reason: "gone")))
        toy.take(toy.machine.release(but: []))
        #expect(toy.seen.contains(.dismiss(stage: 0)))
        let late = try WireFrame.tokens(
            [1], kind: .sampled, stage: 1, job: JobID(7), attempt: 1, position: 3)
        toy.inbox = []
        toy.stages = 3
        toy.take(toy.machine.restart(attempt: 2, kept: [nil, nil, nil], at: 0))
        toy.frame(late)
        #expect(toy.machine.phase == .assigning)
        try toy.readyAll()
        try toy.work()
        #expect(toy.text == " the quick brown fox jumps")
        #expect(toy.machine.output == tokens)
        #expect(toy.ends == Array(repeating: 8, count: 3))
        #expect(toy.machine.boundaries.map(\.count) == [32, 32])
    }

    /// Scores come with the text of their tokens, once each, whatever is computed again.
    @Test(arguments: [0, 1, 20], [1, 4, 6])
    func scoresComeWithTheText(top: Int, steps: Int) throws {
        let tokens = try words(" the quick brown fox jumps")
        var toy = try toy(stages: 2, prompt: 4, tokens: tokens, scores: top)
        try toy.work(steps: steps)
        toy.take(toy.machine.lose(stage: 1, "gone"))
        toy.inbox = []
        toy.take(toy.machine.restart(attempt: 2, kept: [nil, nil], at: 0))
        try toy.readyAll()
        try toy.work()
        #expect(toy.machine.finish == .length)
        #expect(toy.scored == tokens)

        var stopped = try self.toy(
            stages: 1, prompt: 3, tokens: tokens, stops: ["k b"], scores: top)
        try stopped.work()
        #expect(stopped.text == " the quic")
        #expect(stopped.scored == Array(tokens[..<2]))
        #expect(stopped.machine.output.count == 3)
    }

    /// Tokens without their scores, or with what cannot be theirs, lose the stage its place.
    @Test func scoresThatCannotBeLoseTheStage() throws {
        let tokens = try words(" one two")
        let changes: [(inout [PositionScore]) -> Void] = [
            { $0 = [PositionScore(chosen: $0[0].chosen, top: [])] },
            { $0 = [PositionScore(chosen: $0[0].top[1], top: $0[0].top)] },
            { $0 = [PositionScore(chosen: $0[0].chosen, top: $0[0].top.reversed())] },
            { $0.append($0[0]) },
        ]
        func isLost(_ toy: Toy) -> Bool {
            toy.seen.contains { if case .replace(0, .abandoned, _) = $0 { true } else { false } }
        }
        for change in changes {
            var toy = try toy(stages: 1, prompt: 2, tokens: tokens, scores: 3)
            toy.alter = change
            try toy.work()
            #expect(isLost(toy) && toy.text.isEmpty && toy.machine.output.isEmpty)
        }
        var silent = try toy(stages: 1, prompt: 2, tokens: tokens, scores: 3)
        silent.scores = nil
        try silent.work()
        #expect(isLost(silent))
        var chatty = try toy(stages: 1, prompt: 2, tokens: tokens)
        chatty.scores = 3
        try chatty.work()
        #expect(isLost(chatty))
    }

    /// Two attempts that differ: another pipeline is tried once without blame, then it is over.
    @Test func tokensThatDifferAreNeverGluedTogether() throws {
        let tokens = try words(" one two three four")
        var toy = try toy(stages: 1, prompt: 2, tokens: tokens)
        try toy.work(steps: 2)
        #expect(toy.machine.output.count == 2)
        for attempt in UInt32(2)...3 {
            toy.take(toy.machine.lose(stage: 0, "gone"))
            toy.inbox = []
            toy.tokens = try words(" ten two three four")
            toy.take(toy.machine.restart(attempt: attempt, kept: [nil], at: 0))
            toy.seen = []
            try toy.readyAll()
            try toy.work()
            if attempt == 2 {
                #expect(
                    toy.seen.contains {
                        if case .replace(0, .declined, _) = $0 { true } else { false }
                    })
            }
        }
        #expect(toy.seen.contains(.fail(.diverged)))
        #expect(toy.machine.phase == .over)
        #expect(toy.text == " one two")
    }

    @Test func whoeverIsSilentForTooLongIsReplaced() throws {
        let tokens = try words(" one two")
        var slow = try toy(stages: 2, prompt: 4, tokens: tokens)
        #expect(slow.machine.tick(at: 20_000, queued: [4, 0]).isEmpty)
        // What waits at the node counts: its own and other jobs'.
        #expect(slow.machine.tick(at: 20_001, queued: [1_000, 0]).isEmpty)
        let effects = slow.machine.tick(at: 20_201, queued: [4, 0])
        #expect(effects.contains(.replace(stage: 0, code: .abandoned, reason: "no result in time")))

        let file = try Self.file.get()
        let spec = JobSpec(
            job: JobID(7), prompt: [1], maxTokens: 1, rowBytes: 4, vocabulary: 49_152,
            isEnd: { _ in false }, text: AnswerText(tokenizer: file.tokenizer, stops: []))
        var unready = JobMachine(spec: spec, stages: 2, at: 0)
        _ = unready.receive(
            try WireFrame(kind: .ready, stage: 0, job: JobID(7), attempt: 1), at: 1)
        #expect(unready.tick(at: 10_000, queued: []).isEmpty)
        #expect(
            unready.tick(at: 10_001, queued: []).contains(
                .replace(stage: 1, code: .abandoned, reason: "not ready in time")))
    }

    /// What a house that is held up itself does not hear counts against nobody.
    @Test func aHouseThatWasHeldUpExcusesEverybody() throws {
        var slow = try toy(stages: 2, prompt: 4, tokens: try words(" one two"))
        let lost = JobMachine.Effect.replace(
            stage: 0, code: .abandoned, reason: "no result in time")
        slow.machine.excuse(9_000, at: 15_000)
        #expect(slow.machine.tick(at: 29_000, queued: []).isEmpty)
        var other = slow
        #expect(other.machine.tick(at: 29_001, queued: []).contains(lost))
        // Nobody owes since a time to come.
        slow.machine.excuse(90_000, at: 29_000)
        #expect(slow.machine.tick(at: 49_000, queued: []).isEmpty)
        other = slow
        #expect(other.machine.tick(at: 49_001, queued: []).contains(lost))
        // There is an end to it: what an attempt was excused is a minute.
        slow.machine.excuse(20_000, at: 49_000)
        #expect(slow.machine.tick(at: 49_001, queued: []).contains(lost))
    }

    /// Receipts are waited for longer too, but not beyond the time at which the answer had to end.
    @Test func receiptsAreExcusedAsLongAsTheyCanBeBooked() throws {
        var toy = try toy(stages: 2, prompt: 2, tokens: try words(" one"))
        try toy.work()
        toy.machine.excuse(3_000, at: 5_000)
        #expect(toy.machine.tick(at: 13_000, queued: []).isEmpty)
        #expect(toy.machine.tick(at: 13_001, queued: []) == [.close])
        var late = try self.toy(stages: 2, prompt: 2, tokens: try words(" one"), endBy: 2_000)
        try late.work()
        late.machine.excuse(3_000, at: 5_000)
        #expect(late.machine.tick(at: 12_000, queued: []).isEmpty)
        #expect(late.machine.tick(at: 12_001, queued: []) == [.close])
    }

    @Test func receiptsAreNotWaitedForForEver() throws {
        var toy = try toy(stages: 2, prompt: 2, tokens: try words(" one"))
        try toy.work()
        #expect(toy.machine.tick(at: 10_000, queued: []).isEmpty)
        #expect(toy.machine.lose(stage: 1, "gone").isEmpty)
        #expect(toy.machine.unsigned == [1])
        #expect(toy.machine.tick(at: 10_001, queued: []) == [.close])
        #expect(toy.machine.phase == .over)
    }

    @Test func aBuyerWhoLeavesPaysForWhatWasChosen() throws {
        let tokens = try words(" one two three four")
        var early = try toy(stages: 2, prompt: 4, tokens: tokens)
        #expect(early.machine.cancel().contains(.fail(.cancelled)))
        #expect(early.machine.phase == .over)

        var late = try toy(stages: 1, prompt: 4, tokens: tokens)
        try late.work(steps: 2)
        #expect(late.machine.output.count == 2)
        #expect(late.machine.cancel().isEmpty)
        try late.work()
        #expect(late.machine.output.count == 3)
        #expect(late.machine.finish == .cancelled)
        #expect(late.ends == [6])
    }

    /// Near the job's own time limit the answer ends with the token in flight, and is signed for.
    @Test func anAnswerThatTakesTooLongIsStillPaid() throws {
        let tokens = try words(" one two three four")
        var toy = try toy(stages: 1, prompt: 4, tokens: tokens, endBy: 1_000)
        try toy.work(steps: 2)
        #expect(toy.machine.tick(at: 1_000, queued: [1]).isEmpty)
        try toy.work()
        #expect(toy.machine.output.count == 3)
        #expect(toy.machine.finish == .length)
        #expect(toy.machine.phase == .signing)
    }

    @Test func aBusyNodeIsNotBlamed() throws {
        var toy = try toy(stages: 1, prompt: 4, tokens: try words(" one"))
        toy.frame(.fault(code: 203, text: "busy", stage: 0, job: JobID(7), attempt: 1))
        #expect(
            toy.seen.contains {
                if case .replace(0, .declined, _) = $0 { true } else { false }
            })
    }
}

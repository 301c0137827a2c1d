import Foundation
import Inference
import Primitives
import Service
import Testing

/// A stage that chooses token after token without being fed each: an upstream's answer.
@Suite struct RunningAheadTests {
    private static let prompt: [Int32] = [1, 2, 3]

    private func machine(maxTokens: Int = 6, end: Int32 = -1) throws -> JobMachine {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path()
        let spec = JobSpec(
            job: JobID(7), prompt: Self.prompt, maxTokens: maxTokens, rowBytes: 4, vocabulary: 100,
            isEnd: { $0 == end },
            text: AnswerText(tokenizer: try ModelFile(path: path).tokenizer, stops: []))
        var machine = JobMachine(spec: spec, stages: 1, runsAhead: true, at: 0)
        #expect(machine.begin() == [.assign(stage: 0)])
        let effects = try ready(&machine)
        #expect(effects == [.send(try tokens(Self.prompt, at: 0, kind: .tokens), stage: 0)])
        return machine
    }

    private func ready(_ machine: inout JobMachine) throws -> [JobMachine.Effect] {
        machine.receive(
            try WireFrame(kind: .ready, stage: 0, job: JobID(7), attempt: machine.attempt), at: 0)
    }

    private func tokens(
        _ ids: [Int32], at position: UInt32, kind: WireFrame.Kind = .sampled, attempt: UInt32 = 1
    ) throws -> WireFrame {
        try .tokens(ids, kind: kind, stage: 0, job: JobID(7), attempt: attempt, position: position)
    }

    private func sent(_ effects: [JobMachine.Effect]) -> [WireFrame] {
        effects.compactMap { effect in
            if case .send(let frame, _) = effect { frame } else { nil }
        }
    }

    @Test func severalTokensComeInOneFrameAndNoneIsFedBack() throws {
        var machine = try machine()
        #expect(sent(machine.receive(try tokens([20, 21], at: 2), at: 1)).isEmpty)
        #expect(sent(machine.receive(try tokens([22], at: 4), at: 2)).isEmpty)
        #expect(machine.output == [20, 21, 22])
        // It still owes the next token, and is lost when that does not come.
        #expect(
            machine.tick(at: 20_003, queued: []).contains {
                if case .replace = $0 { true } else { false }
            })
    }

    @Test func whatIsChosenBeyondTheEndDoesNotCount() throws {
        var machine = try machine(end: 9)
        let effects = machine.receive(try tokens([20, 9, 21, 22], at: 2), at: 1)
        #expect(machine.output == [20, 9])
        #expect(machine.finish == .stop && machine.phase == .signing)
        #expect(sent(effects).map(\.kind) == [.end])
        #expect(sent(effects).map(\.position) == [4])
    }

    @Test func moreThanWasAskedForOrOutOfPlaceIsAFault() throws {
        for (ids, position) in [([Int32](repeating: 5, count: 7), UInt32(2)), ([5], 3), ([100], 2)]
        {
            var machine = try machine()
            let effects = machine.receive(try tokens(ids, at: position), at: 1)
            #expect(machine.phase == .replacing)
            #expect(
                effects.contains { effect in
                    if case .replace(0, .abandoned, _) = effect { true } else { false }
                })
        }
    }

    @Test func anotherContinuesWhatWasDelivered() throws {
        var machine = try machine()
        _ = machine.receive(try tokens([20, 21], at: 2), at: 1)
        let fault = WireFrame.fault(
            code: 207, text: "gone", stage: 0, job: JobID(7), attempt: 1)
        #expect(
            machine.receive(fault, at: 2).contains { effect in
                if case .replace(0, .declined, _) = effect { true } else { false }
            })
        #expect(
            machine.restart(attempt: 2, kept: [nil], runsAhead: true, at: 3) == [.assign(stage: 0)])
        let fed = sent(try ready(&machine))
        #expect(fed == [try tokens([1, 2, 3, 20, 21], at: 0, kind: .tokens, attempt: 2)])
        let effects = machine.receive(try tokens([20, 21, 22], at: 2, attempt: 2), at: 4)
        #expect(machine.output == [20, 21, 22])
        #expect(effects.count { if case .deliver = $0 { true } else { false } } == 1)
    }
}

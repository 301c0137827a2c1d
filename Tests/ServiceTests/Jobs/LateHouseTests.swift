import Primitives
import Service
import Testing

/// What a house that is held up itself makes of its nodes: all of it is the machine's decision.
@Suite struct LateHouseTests {
    private typealias Toy = JobMachineTests.Toy
    private let jobs = JobMachineTests()

    /// Two stages, the first of which owes an answer since 0.
    private func owing() throws -> Toy {
        let tokens = try jobs.words(" one two")
        var toy = try jobs.toy(stages: 2, prompt: 4, tokens: tokens)
        #expect(toy.machine.phase == .running)
        toy.take(toy.machine.beat(at: 0, queued: [], silent: []))
        return toy
    }

    private func lost(_ code: FaultCode) -> [JobMachine.Effect] {
        [.replace(stage: 0, code: code, reason: "the connection was lost")]
    }

    /// Beats of a house that nothing holds up, until and with `end`.
    private func beat(
        _ toy: inout Toy, from start: UInt64, to end: UInt64
    ) -> [JobMachine.Effect] {
        var effects: [JobMachine.Effect] = []
        for now in stride(from: start + 250, through: end, by: 250) {
            effects += toy.machine.beat(at: now, queued: [], silent: [])
        }
        return effects
    }

    @Test func whoIsSilentIsDoubtedFromTheSecondBeatOn() throws {
        let tokens = try jobs.words(" one two")
        var toy = try jobs.toy(stages: 2, prompt: 4, tokens: tokens)
        let silent: [UInt64] = [701, 701]
        #expect(toy.machine.beat(at: 250, queued: [], silent: silent).isEmpty)
        #expect(toy.machine.beat(at: 500, queued: [], silent: silent) == [.doubt(stage: 0)])
        // Late by more than a beat is late; from the next one on it counts again.
        #expect(toy.machine.beat(at: 1_001, queued: [], silent: silent).isEmpty)
        #expect(toy.machine.beat(at: 1_251, queued: [], silent: silent) == [.doubt(stage: 0)])
        #expect(toy.machine.beat(at: 1_751, queued: [], silent: silent) == [.doubt(stage: 0)])
    }

    /// The step of twenty seconds is as long as the house is awake.
    @Test func whatTheHouseSleptCountsAgainstNobody() throws {
        var punctual = try owing()
        #expect(beat(&punctual, from: 0, to: 20_000).isEmpty)
        #expect(beat(&punctual, from: 20_000, to: 20_250).count == 1)

        var late = try owing()
        #expect(late.machine.beat(at: 19_000, queued: [], silent: []).isEmpty)
        #expect(beat(&late, from: 19_000, to: 38_750).isEmpty)
        #expect(beat(&late, from: 38_750, to: 39_000).count == 1)
    }

    @Test func whoGivesUpASleepingHouseIsNotBlamed() throws {
        var toy = try owing()
        // Heard before the clock beats again, as what waited in the queue is.
        var other = toy
        #expect(other.machine.hangUp(stage: 0, at: 10_000) == lost(.abandoned))
        other = toy
        #expect(other.machine.hangUp(stage: 0, at: 10_001) == lost(.declined))
        // Heard after it.
        toy.take(toy.machine.beat(at: 10_001, queued: [], silent: []))
        other = toy
        #expect(other.machine.hangUp(stage: 0, at: 15_000) == lost(.declined))
    }

    /// One hold-up is one excuse: whoever hangs up on a house that is awake is to blame again.
    @Test func theExcuseEnds() throws {
        var toy = try owing()
        toy.take(toy.machine.beat(at: 10_001, queued: [], silent: []))
        #expect(beat(&toy, from: 10_001, to: 14_800).isEmpty)
        var other = toy
        #expect(other.machine.hangUp(stage: 0, at: 15_000) == lost(.declined))
        #expect(toy.machine.hangUp(stage: 0, at: 15_001) == lost(.abandoned))

        // Nor is a short hold-up one.
        var short = try owing()
        short.take(short.machine.beat(at: 9_000, queued: [], silent: []))
        #expect(short.machine.hangUp(stage: 0, at: 9_001) == lost(.abandoned))
    }

    /// The next attempt is excused as the first was, and by the same house.
    @Test func anAttemptIsExcusedAMinute() throws {
        var toy = try owing()
        for sleep in 1...5 {
            let effects = toy.machine.beat(at: UInt64(sleep) * 19_000, queued: [], silent: [])
            #expect(effects.isEmpty == (sleep < 5), "\(sleep)")
        }
        toy.stages = 1
        toy.now = 95_000
        toy.take(toy.machine.restart(attempt: 2, kept: [nil], at: 95_000))
        try toy.readyAll()
        #expect(toy.machine.phase == .running)
        #expect(toy.machine.beat(at: 115_001, queued: [], silent: []).isEmpty)
        #expect(toy.machine.hangUp(stage: 0, at: 115_001) == lost(.declined))
    }
}

import Inference
import Testing

/// What runs in the next pass.
@Suite struct BatchSchedulerTests {
    private typealias Scheduler = BatchScheduler<Int>

    private func pass(_ scheduler: inout Scheduler) -> [[Int]] {
        scheduler.next().map { [$0.id, $0.positions] }
    }

    @Test func singlePositionsGoBeforePrompts() {
        var scheduler = Scheduler()
        scheduler.set(1, positions: 500)
        scheduler.set(2, positions: 1)
        scheduler.set(3, positions: 4)
        #expect(pass(&scheduler) == [[2, 1], [3, 4], [1, 59]])
        scheduler.set(2, positions: 1)
        #expect(pass(&scheduler) == [[2, 1], [1, 63]])
        #expect(pass(&scheduler) == [[1, 64]])
    }

    @Test func promptsTakeTurns() {
        var scheduler = Scheduler()
        scheduler.set(1, positions: 100)
        scheduler.set(2, positions: 70)
        scheduler.set(3, positions: 20)
        #expect(pass(&scheduler) == [[1, 64]])
        #expect(pass(&scheduler) == [[2, 64]])
        // What is left of the second is no more than a window of guesses.
        #expect(pass(&scheduler) == [[2, 6], [3, 20], [1, 36]])
        #expect(scheduler.isEmpty)
        #expect(pass(&scheduler).isEmpty)
    }

    @Test func aShareOfEachPassIsThePrompts() {
        var scheduler = Scheduler(passPositions: 16)
        for id in 1...20 { scheduler.set(id, positions: 1) }
        scheduler.set(99, positions: 40)
        let first = pass(&scheduler)
        #expect(first == (1...12).map { [$0, 1] } + [[99, 4]])
        // Who was left out is first now.
        #expect(pass(&scheduler).prefix(8) == (13...20).map { [$0, 1] }[...])
    }

    @Test func whoIsRemovedRunsNoMore() {
        var scheduler = Scheduler()
        scheduler.set(1, positions: 5)
        scheduler.set(2, positions: 1)
        scheduler.set(1, positions: 3)
        scheduler.remove(2)
        scheduler.remove(7)
        #expect(pass(&scheduler) == [[1, 3]])
    }

    @Test("Every sequence moves in time and none runs more than it has", arguments: 1...8)
    func fairness(seed: Int) {
        var dice = PassTests.Dice(state: UInt64(seed))
        var scheduler = Scheduler(passPositions: [4, 16, 64][dice.roll(3)])
        var left: [Int: Int] = [:]
        var waited: [Int: Int] = [:]
        var number = 0
        for _ in 0..<2_000 {
            for _ in 0..<dice.roll(4) where left.count < 24 {
                number += 1
                left[number] = [1, 1, 3, 9, 200][dice.roll(5)]
            }
            for id in left.keys.sorted() where waited[id] == nil {
                scheduler.set(id, positions: left[id] ?? 1)
                waited[id] = 0
            }
            if dice.roll(9) == 0, let id = left.keys.min() {
                scheduler.remove(id)
                left[id] = nil
                waited[id] = nil
            }
            let pass = scheduler.next()
            #expect(pass.isEmpty == left.isEmpty)
            #expect(pass.reduce(0) { $0 + $1.positions } <= scheduler.passPositions)
            #expect(Set(pass.map(\.id)).count == pass.count)
            for id in left.keys { waited[id, default: 0] += 1 }
            for share in pass {
                waited[share.id] = 0
                let rest = (left[share.id] ?? 0) - share.positions
                #expect(rest >= 0 && share.positions > 0)
                left[share.id] = rest == 0 ? nil : rest
                if rest == 0 { waited[share.id] = nil }
            }
            #expect(waited.values.allSatisfy { $0 <= 48 })
        }
    }
}

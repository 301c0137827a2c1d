import Primitives
import Service
import Testing

/// What is done with of a list.
@Suite struct DoneMarkTests {
    @Test func whatStaysOpenKeepsNobodyFromBeingLookedAt() {
        var mark = DoneMark()
        #expect(mark.open(of: 0).isEmpty)
        #expect(mark.open(of: 4) == [0, 1, 2, 3])
        mark.end([1, 2])
        #expect(mark.open(of: 6, atMost: 3) == [0, 3, 4])
        mark.end([3, 4, 5])
        // The first is open for ever, and all others are looked at.
        #expect(mark.open(of: 9, atMost: 3) == [0, 6, 7])
        mark.end([0])
        #expect(mark.open(of: 9) == [6, 7, 8])
        // A list that was put back to an older one.
        #expect(mark.open(of: 2).isEmpty)
    }

    @Test(arguments: [1, 2, 3]) func itIsWhatASetSays(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var mark = DoneMark()
        var done: Set<Int> = []
        for count in 0..<400 {
            let open = (0..<count).filter { !done.contains($0) }
            let limit = Int(random.next() % 8)
            #expect(mark.open(of: count, atMost: limit) == Array(open.prefix(limit)))
            let ended = open.prefix(limit).filter { _ in random.next() % 3 > 0 }
            mark.end(ended)
            done.formUnion(ended)
        }
    }
}

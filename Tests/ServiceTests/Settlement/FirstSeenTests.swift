import Primitives
import Service
import Testing

/// Since when things stand as they do.
@Suite struct FirstSeenTests {
    private func at(_ second: UInt64) -> Timestamp { Timestamp(seconds: second) }

    @Test func itBeginsAnewWithEachChange() {
        var seen = FirstSeen<String, Int>()
        #expect(seen["a"] == nil)
        seen.look(at(1), at: [("a", 1), ("b", 7)])
        seen.look(at(2), at: [("a", 1), ("b", 8), ("c", 1)])
        #expect(seen["a"] == at(1) && seen["b"] == at(2) && seen["c"] == at(2))
        // Back to what it was is a change too.
        seen.look(at(3), at: [("b", 7), ("a", 1)])
        #expect(seen["a"] == at(1) && seen["b"] == at(3) && seen["c"] == nil)
        // What was away begins anew.
        seen.look(at(4), at: [("b", 7)])
        seen.look(at(5), at: [("b", 7), ("a", 1), ("c", 1)])
        #expect(seen["a"] == at(5) && seen["b"] == at(3) && seen["c"] == at(5))
        seen.look(at(6), at: [])
        #expect(seen["b"] == nil)
    }

    @Test func whatIsNamedTwiceIsOne() {
        var seen = FirstSeen<String, Bool>()
        seen.look(at(1), at: [("a", true), ("a", true)])
        seen.look(at(2), at: [("a", true), ("a", true)])
        #expect(seen["a"] == at(1))
    }
}

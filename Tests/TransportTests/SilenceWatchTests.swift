import Testing
import Transport

/// Silence as a listener tells it that may be held up itself.
@Suite struct SilenceWatchTests {
    private let start = ContinuousClock.now

    private func watch() -> SilenceWatch {
        SilenceWatch(every: .seconds(1), tolerance: .seconds(2), from: start)
    }

    @Test func silenceGrowsWhileTheListenerLooks() {
        var watch = watch()
        for second in 1...20 {
            let now = start + .seconds(second)
            #expect(watch.look(at: now) == .seconds(second))
        }
        watch.hear(at: start + .seconds(20))
        #expect(watch.silence(at: start + .seconds(25)) == .seconds(5))
        // Sounds may be told of out of order.
        watch.hear(at: start + .seconds(19))
        #expect(watch.look(at: start + .seconds(21)) == .seconds(1))
    }

    /// A listener that was away for a minute has not heard anybody: only the second counts that it
    /// would have waited anyway.
    @Test func aHoldUpOfTheListenerDoesNotCount() {
        var watch = watch()
        #expect(watch.look(at: start + .seconds(1)) == .seconds(1))
        #expect(watch.look(at: start + .seconds(61)) == .seconds(2))
        // Nor does it count later.
        #expect(watch.look(at: start + .seconds(62)) == .seconds(3))
        // Who was heard during it is not heard in a time to come.
        watch.hear(at: start + .seconds(100))
        #expect(watch.look(at: start + .seconds(101)) == .zero)
        #expect(watch.look(at: start + .seconds(102)) == .seconds(1))
    }

    /// A look that is a little late is none that was held up: who is silent is silent.
    @Test func aLittleLateIsOnTime() {
        var watch = watch()
        #expect(watch.look(at: start + .seconds(3)) == .seconds(3))
        #expect(watch.look(at: start + .seconds(6)) == .seconds(6))
        #expect(watch.look(at: start + .milliseconds(9_001)) == .seconds(7))
    }
}

import Synchronization

/// When something was last heard.
final class Pulse: Sendable {
    private let last = Mutex(ContinuousClock.now)

    var age: Duration { last.withLock { $0 }.duration(to: .now) }

    func beat() { last.withLock { $0 = .now } }

    /// So much time, in which nobody listened, does not count.
    func excuse(_ late: Duration) { last.withLock { $0 = min($0 + late, .now) } }
}

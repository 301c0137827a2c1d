import Synchronization

/// When something was last heard.
final class Pulse: Sendable {
    private let last = Mutex(ContinuousClock.now)

    var age: Duration { last.withLock { $0 }.duration(to: .now) }

    func beat() { last.withLock { $0 = .now } }
}

import Synchronization

/// A flag that is set once and seen by all threads.
final class AtomicFlag: Sendable {
    private let value = Atomic(false)

    /// Whether it was set.
    var isSet: Bool { value.load(ordering: .acquiring) }

    /// Sets it; returns whether this was the first time.
    @discardableResult
    func set() -> Bool { !value.exchange(true, ordering: .acquiringAndReleasing) }
}

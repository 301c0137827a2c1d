import Dispatch
import Synchronization

/// Computes two values at once.
func onTwoThreads<First: Sendable, Second: Sendable>(
    _ first: @Sendable () -> First, and second: @Sendable () -> Second
) -> (First, Second) {
    let found = Mutex<(first: First?, second: Second?)>((nil, nil))
    DispatchQueue.concurrentPerform(iterations: 2) { place in
        if place == 0 {
            let value = first()
            found.withLock { $0.first = value }
        } else {
            let value = second()
            found.withLock { $0.second = value }
        }
    }
    guard case (let first?, let second?) = found.withLock({ $0 }) else {
        preconditionFailure("both were computed")
    }
    return (first, second)
}

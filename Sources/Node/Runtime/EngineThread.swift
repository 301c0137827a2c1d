import Dispatch
import Synchronization

/// Runs blocking engine work one piece after the other, outside the threads that tasks share.
final class EngineThread: Sendable {
    private let queue: DispatchQueue
    private let waiting = Mutex(0)
    /// How many pieces may wait before `enqueue` holds the caller back.
    private let limit = 128

    init(_ name: String) {
        queue = DispatchQueue(label: "exchequer.\(name)", qos: .userInitiated)
    }

    /// Runs `work` after what was handed in before, and returns its result.
    func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }

    /// Runs `work` after what was handed in before, whoever waits for more.
    func later(_ work: @escaping @Sendable () -> Void) {
        queue.async(execute: work)
    }

    /// Hands in `work` and returns at once, or after a while if much is waiting.
    func enqueue(_ work: @escaping @Sendable () -> Void) async {
        let count = waiting.withLock { count in
            count += 1
            return count
        }
        queue.async {
            work()
            self.waiting.withLock { $0 -= 1 }
        }
        if count > limit { await run {} }
    }
}

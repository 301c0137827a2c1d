import Dispatch

/// Runs blocking work outside the threads that tasks share, one piece after the other.
struct BackgroundQueue: Sendable {
    private let queue: DispatchQueue

    /// A queue with a name for whoever looks at the process.
    init(_ label: String) {
        queue = DispatchQueue(label: label, qos: .utility)
    }

    /// Runs `work` when all before it is done, and gives its result.
    func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }
}

/// Does something again while it fails for a reason that passes.
struct Retry: Sendable {
    private let limit: Duration?
    private let onFailure: @Sendable (NodeError) -> Void

    /// Tries for `limit`, or for ever; `onFailure` hears of each failure that is tried again.
    init(limit: Duration? = nil, onFailure: @escaping @Sendable (NodeError) -> Void = { _ in }) {
        self.limit = limit
        self.onFailure = onFailure
    }

    /// Runs `body` until it succeeds, fails for good, or the time is over. Throws `NodeError`, or
    /// `CancellationError` for a cancelled task.
    func run<Result>(_ body: () async throws(NodeError) -> Result) async throws -> Result {
        let start = ContinuousClock.now
        var backoff = Backoff()
        while true {
            do throws(NodeError) {
                return try await body()
            } catch {
                let isOver = limit.map { start.duration(to: .now) >= $0 } ?? false
                if !error.isTransient || isOver { throw error }
                try Task.checkCancellation()
                onFailure(error)
            }
            try await backoff.wait()
        }
    }
}

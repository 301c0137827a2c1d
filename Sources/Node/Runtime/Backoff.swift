/// How long to wait before trying again: twice as long after each failure, up to a limit.
struct Backoff: Sendable {
    private let first: Duration
    private let most: Duration
    private var next: Duration

    init(first: Duration = .milliseconds(250), most: Duration = .seconds(8)) {
        self.first = first
        self.most = most
        next = first
    }

    /// Something worked: start small again.
    mutating func reset() { next = first }

    /// Waits; throws if the task is cancelled.
    mutating func wait() async throws {
        let delay = next
        next = min(next * 2, most)
        try await Task.sleep(for: delay)
    }
}

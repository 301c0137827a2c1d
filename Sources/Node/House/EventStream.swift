import Transport

/// The house's event stream with a watchdog: the house sends a heartbeat every five seconds, so
/// twenty seconds of silence mean that nobody is there.
struct EventStream: Sendable {
    private let exchange: HTTPExchange
    static let patience = Duration.seconds(20)

    init(_ exchange: HTTPExchange) {
        self.exchange = exchange
    }

    /// Hands each event to `body` until the stream ends, which is never an error of its own.
    func forEach(_ body: @Sendable (ServerSentEvent) async -> Void) async throws {
        let pulse = Pulse()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                repeat {
                    try await Task.sleep(for: Pulse.interval)
                    // A node that was held up itself has not read what came meanwhile.
                } while pulse.look() < Self.patience
                exchange.cancel()
            }
            var parser = ServerSentEventParser()
            while let chunk = try await exchange.next() {
                pulse.beat()
                for event in try parser.feed(chunk) { await body(event) }
            }
            group.cancelAll()
        }
    }
}

import Synchronization

/// What the house counts beside its books, for `/metrics`. Gone with the process.
public final class HouseMetrics: Sendable {
    private let tokens = Atomic<UInt64>(0)
    private let observed = Atomic<UInt64>(0)
    private let refused = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)

    init() {}

    /// Tokens that went to buyers.
    public var tokensDelivered: UInt64 { tokens.load(ordering: .relaxed) }
    /// Chain logs that were booked.
    public var chainLogsBooked: UInt64 { observed.load(ordering: .relaxed) }
    /// Chain logs that the rules refused: each needs a person's eye.
    public var chainLogsRefused: UInt64 { refused.load(ordering: .relaxed) }
    /// Looks at the chain that failed.
    public var chainFailures: UInt64 { failures.load(ordering: .relaxed) }

    func delivered(tokens count: Int) { tokens.add(UInt64(count), ordering: .relaxed) }
    func bookedLog() { observed.add(1, ordering: .relaxed) }
    func refusedLog() { refused.add(1, ordering: .relaxed) }
    func chainFailed() { failures.add(1, ordering: .relaxed) }
}

public import Primitives

/// What a store does outside: writing down, and telling.
public struct VoucherStoreHooks: Sendable {
    /// Makes records durable, in order, after all that came before them, or none of them. If it
    /// throws, the store stops, and has to be made again from what is durable.
    public let durable: @Sendable ([[UInt8]]) async throws -> Void
    /// Takes what a person should know.
    public let alert: @Sendable (ChannelAlert) -> Void

    /// These hooks.
    public init(
        durable: @escaping @Sendable ([[UInt8]]) async throws -> Void,
        alert: @escaping @Sendable (ChannelAlert) -> Void
    ) {
        self.durable = durable
        self.alert = alert
    }
}

/// Why a store ended, or did not take an input.
public typealias VoucherStoreError = ManagerDriverError<ChannelRefusal>

/// A book of vouchers that is durable: what it took is written down before it says so, so that
/// service is only given for what a crash cannot take away.
public final class VoucherStore: Sendable {
    private let runner: MachineRunner<VoucherBook>
    private let hooks: VoucherStoreHooks
    private let clock: @Sendable () -> Timestamp

    /// A store that goes on from what is durable: the state of some time, if there is one, and the
    /// records made durable since, in order.
    public init(
        policy: VoucherPolicy, state: [UInt8]? = nil, records: [[UInt8]] = [],
        hooks: VoucherStoreHooks, clock: @escaping @Sendable () -> Timestamp,
        tick: Duration = .seconds(10)
    ) throws(VoucherStoreError) {
        do throws(CodecError) {
            var book = VoucherBook(policy: policy)
            if let state { book = try VoucherBook(policy: policy, stateBytes: state) }
            runner = try MachineRunner(
                book, records: records, durable: hooks.durable, clock: clock, tick: tick)
            runner.post(.tick)
        } catch {
            throw .damaged(error)
        }
        self.hooks = hooks
        self.clock = clock
    }

    /// Gives the book an input; returns when it is durable. Give service only after that.
    public func take(_ input: VoucherInput) async throws(VoucherStoreError) {
        try await runner.send(input)
    }

    /// Tells the book what the chain says of a channel, unless it knows: what is asked for every
    /// minute need not be written down every minute.
    public func see(
        _ channel: Digest, _ sighting: ChannelSighting
    ) async throws(VoucherStoreError) {
        let known = look { $0.entry(channel)?.sighting }
        guard known?.says(sighting) != true else { return }
        try await take(.seen(channel, sighting))
    }

    /// Looks at the book. What it shows may be a moment from being durable.
    public func look<Value: Sendable>(_ body: (VoucherBook) -> Value) -> Value {
        runner.look { body($0.machine) }
    }

    /// The second since 1970.
    public var now: Int64 { Int64(clock().nanoseconds / 1_000_000_000) }

    /// The state after the first `records` records that this store made durable: with it, those and
    /// all before them are not needed.
    public func state() async throws(VoucherStoreError) -> (bytes: [UInt8], records: Int) {
        try await runner.state()
    }

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    public func run() async throws(VoucherStoreError) {
        try await runner.run { self.hooks.alert($0) }
    }
}

import NIOCore
import NIOPosix
public import Service
import Synchronization

/// Serves a ledger over TCP: the binary protocol, on one thread for all connections. It knows no
/// users: whoever reaches the port may move everything, so it listens on this machine only unless
/// told otherwise.
public final class LedgerServer: Sendable {
    /// What can be chosen.
    public struct Options: Sendable {
        /// Connections at once; further ones are refused.
        public var connections = 12_000
        /// Bytes of incomplete requests, all connections together.
        public var incompleteBytes = 256 << 20
        /// Seconds that a request may stay incomplete, or replies unread.
        public var patience = 30

        /// The usual limits.
        public init() {}
    }

    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let gauge: ConnectionGauge

    /// The port that it listens on.
    public let port: Int

    /// How many clients are connected.
    public var connections: Int { gauge.count.load(ordering: .relaxed) }

    /// Listens on `host` and `port`, 0 for any free one.
    public init(
        _ service: LedgerService, host: String = "127.0.0.1", port: Int,
        options: Options = Options()
    ) async throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        gauge = ConnectionGauge()
        let loop = group.next()
        let replies = ReplyQueue(loop: loop)
        let gate = NIOLoopBoundBox.makeBoxSendingValue(
            RequestGate(service, loop), eventLoop: loop)
        let house = NIOLoopBoundBox.makeBoxSendingValue(
            ConnectionHouse(
                connectionLimit: options.connections, budget: options.incompleteBytes,
                patience: .seconds(Int64(options.patience)), gauge: gauge), eventLoop: loop)
        do {
            channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 4_096)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.maxMessagesPerRead, value: 4)
                .childChannelOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(
                        minimum: 2_048, initial: 4_096, maximum: 1 << 20))
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            LedgerConnection(
                                gate: gate.value, house: house.value, replies: replies))
                    }
                }
                .bind(host: host, port: port).get()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        self.port = channel.localAddress?.port ?? port
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            house.value.sweep(at: .now())
        }
    }

    /// Takes no new connections, and ends those there are. Stop the service first if replies that
    /// are under way should still be sent.
    public func close() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }
}

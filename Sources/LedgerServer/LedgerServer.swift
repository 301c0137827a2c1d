import NIOCore
import NIOPosix
public import Service
import Storage
import Synchronization

/// Serves a ledger over TCP: the binary protocol and HTTP, on one thread for all connections. It
/// knows no users: whoever reaches the port may move everything, so it listens on this machine only
/// unless told otherwise.
public final class LedgerServer: Sendable {
    /// What can be chosen.
    public struct Options: Sendable {
        /// Connections at once; further ones are refused.
        public var connections = 12_000
        /// Bytes of incomplete requests and of large replies, all connections together.
        public var heldBytes = 256 << 20
        /// Seconds that a request may stay incomplete, or replies unread.
        public var patience = 30

        /// The usual limits.
        public init() {}
    }

    private let group: MultiThreadedEventLoopGroup
    private let channels: [any Channel]
    private let gauge: ConnectionGauge

    /// The port of the binary protocol.
    public let port: Int
    /// The port of the HTTP API, if there is one.
    public let httpPort: Int?

    /// How many clients are connected.
    public var connections: Int { gauge.count.load(ordering: .relaxed) }

    /// Listens on `host` and `port`, 0 for any free one, for HTTP on `httpPort` if it is given, and
    /// for the binary protocol on a Unix socket at the path `socket` if it is given, which only
    /// this user may use.
    public init(
        _ service: LedgerService, host: String = "127.0.0.1", port: Int, httpPort: Int? = nil,
        socket: String? = nil, options: Options = Options()
    ) async throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        gauge = ConnectionGauge()
        let loop = group.next()
        let replies = ReplyQueue(loop: loop)
        let gate = NIOLoopBoundBox.makeBoxSendingValue(
            RequestGate(service, loop), eventLoop: loop)
        let house = NIOLoopBoundBox.makeBoxSendingValue(
            ConnectionHouse(
                connectionLimit: options.connections, budget: options.heldBytes,
                patience: .seconds(Int64(options.patience)), gauge: gauge), eventLoop: loop)
        let status = ServerStatus(service: service, gauge: gauge)
        var open: [any Channel] = []
        let connection: @Sendable () -> ServedConnection = {
            LedgerConnection(gate: gate.value, house: house.value, replies: replies)
        }
        do {
            open.append(try await LedgerServer.listen(group, host, port, connection))
            if let httpPort {
                open.append(
                    try await LedgerServer.listen(group, host, httpPort) {
                        HTTPConnection(
                            gate: gate.value, house: house.value, replies: replies, status: status)
                    })
            }
            if let socket {
                open.append(try await LedgerServer.listen(group, at: socket, connection))
            }
        } catch {
            for channel in open { try? await channel.close() }
            try? await group.shutdownGracefully()
            throw error
        }
        channels = open
        self.port = open[0].localAddress?.port ?? port
        self.httpPort = httpPort == nil ? nil : open[1].localAddress?.port
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            house.value.sweep(at: .now())
        }
    }

    private static func listen(
        _ group: MultiThreadedEventLoopGroup, _ host: String, _ port: Int,
        _ connection: @escaping @Sendable () -> ServedConnection
    ) async throws -> any Channel {
        try await bootstrap(group, connection)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: host, port: port).get()
    }

    /// On a Unix socket that a server before this one may have left behind. Its folder says who
    /// may reach it; the socket itself is this user's alone.
    private static func listen(
        _ group: MultiThreadedEventLoopGroup, at path: String,
        _ connection: @escaping @Sendable () -> ServedConnection
    ) async throws -> any Channel {
        try UnixSocketPlace.clear(path)
        let channel = try await bootstrap(group, connection)
            .bind(unixDomainSocketPath: path).get()
        try UnixSocketPlace.close(path)
        return channel
    }

    private static func bootstrap(
        _ group: MultiThreadedEventLoopGroup,
        _ connection: @escaping @Sendable () -> ServedConnection
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4_096)
            // What a channel reads into is kept as long as it lives, and in no budget: so little.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 2_048, initial: 4_096, maximum: 64 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(connection())
                }
            }
    }

    /// Takes no new connections, and ends those there are. Stop the service first if replies that
    /// are under way should still be sent.
    public func close() async {
        for channel in channels { try? await channel.close() }
        try? await group.shutdownGracefully()
    }
}

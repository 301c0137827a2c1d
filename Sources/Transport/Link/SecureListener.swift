public import Cryptography
import NIOCore
import NIOPosix
import Primitives
import Synchronization

/// Accepts secure links on one port. Links that fail the handshake never reach the caller.
public final class SecureListener: Sendable {
    /// The port that is listened on.
    public let port: Int
    private let channel: any Channel
    private let accepted: Inlet<SecureLink, SecureLinkError>

    private init(port: Int, channel: any Channel, accepted: Inlet<SecureLink, SecureLinkError>) {
        self.port = port
        self.channel = channel
        self.accepted = accepted
    }

    deinit { close() }

    /// Listens on `host` and `port`, 0 for any free one. `onRefused` is told, on an event loop, why
    /// a connection was turned away.
    public static func bind(
        host: String = "127.0.0.1", port: Int = 0, identity: Ed25519.PrivateKey,
        options: SecureLinkOptions = SecureLinkOptions(),
        onRefused: @escaping @Sendable (SecureLinkError) -> Void = { _ in }
    ) async throws(SecureLinkError) -> SecureListener {
        let accepted = Inlet<SecureLink, SecureLinkError>(limit: options.maximumLinks) {}
        let count = LinkCount(limit: options.maximumLinks)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelInitializer { channel in
                guard count.enter() else { return channel.close() }
                channel.closeFuture.whenComplete { _ in count.leave() }
                return LinkParts.install(
                    on: channel, bufferedBytes: options.bufferedBytes
                ) { inlet, opened in
                    LinkHandler(
                        accepting: identity, options: options, inlet: inlet, opened: opened)
                }.map { parts in
                    parts.opened.whenComplete { result in
                        switch result {
                        case .success(let peer):
                            accepted.push(SecureLink(peer: peer, parts: parts), cost: 1)
                        case .failure(let error):
                            onRefused(error as? SecureLinkError ?? .cut("\(error)"))
                        }
                    }
                }
            }
        do {
            let channel = try await bootstrap.bind(host: host, port: port).get()
            guard let port = channel.localAddress?.port else {
                throw SecureLinkError.couldNotConnect("the socket has no port")
            }
            return SecureListener(port: port, channel: channel, accepted: accepted)
        } catch {
            throw .couldNotConnect("\(error)")
        }
    }

    /// The next accepted link, or `nil` after `close`.
    public func accept() async -> SecureLink? {
        try? await accepted.next()
    }

    /// The accepted links.
    public var links: Links { Links(listener: self) }

    /// Stops listening. Links that were accepted stay open.
    public func close() {
        accepted.finish(.success(()))
        channel.close(promise: nil)
    }

    /// The accepted links of a listener; ends when it closes.
    public struct Links: AsyncSequence, Sendable {
        /// A link.
        public typealias Element = SecureLink
        let listener: SecureListener

        /// Starts accepting.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(listener: listener) }

        /// Hands out the links.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let listener: SecureListener

            /// The next accepted link, or `nil` after `close`.
            public mutating func next() async -> SecureLink? { await listener.accept() }
        }
    }
}

/// How many connections a listener has.
private final class LinkCount: Sendable {
    private let count = Mutex(0)
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func enter() -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func leave() { count.withLock { $0 -= 1 } }
}

public import Cryptography
import NIOCore
import NIOPosix
public import Primitives

/// An encrypted connection between two proven Ed25519 identities, carrying frames over TCP
/// (`docs/reference/wire.md`). Frames arrive whole, once and in order, or the link ends with an
/// error.
public final class SecureLink: Sendable {
    /// Who is at the other end; proven by the handshake.
    public let peer: PublicKey
    private let parts: LinkParts

    init(peer: PublicKey, parts: LinkParts) {
        self.peer = peer
        self.parts = parts
    }

    deinit { parts.run { $0.close() } }

    /// Connects and shakes hands as `identity`. With `expecting`, only that peer will do.
    public static func connect(
        host: String, port: Int, identity: Ed25519.PrivateKey, expecting: PublicKey?,
        options: SecureLinkOptions = SecureLinkOptions()
    ) async throws(SecureLinkError) -> SecureLink {
        do {
            let parts = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .linkOptions()
                .connectTimeout(TimeAmount(options.handshakeTimeout))
                .connect(host: host, port: port) { channel in
                    LinkParts.install(
                        on: channel, bufferedBytes: options.bufferedBytes
                    ) { inlet, opened in
                        LinkHandler(
                            initiating: identity, expecting: expecting, options: options,
                            inlet: inlet, opened: opened)
                    }
                }
            return SecureLink(peer: try await parts.opened.get(), parts: parts)
        } catch let error as SecureLinkError {
            throw error
        } catch {
            throw .couldNotConnect("\(error)")
        }
    }

    /// Sends one frame and returns when it was handed to the network, which is how a fast sender
    /// is held back. Frames of one task leave in the order sent. A frame that is too long throws
    /// `badLength` and leaves the link as it was.
    public func send(_ frame: [UInt8]) async throws(SecureLinkError) {
        let promise = parts.channel.eventLoop.makePromise(of: Void.self)
        parts.run { $0.send(frame, promise: promise) }
        do {
            try await promise.futureResult.get()
        } catch let error as SecureLinkError {
            throw error
        } catch {
            throw .cut("\(error)")
        }
    }

    /// The frames of the other side, in order; ends when that side closes. Meant for one reader.
    public var frames: Frames { Frames(link: self) }

    /// The next frame, or `nil` when the other side has closed.
    public func receive() async throws(SecureLinkError) -> [UInt8]? {
        try await parts.inlet.next()
    }

    /// Says that nothing follows and ends the link. What was sent before still arrives. Safe to
    /// call twice; dropping the link does the same.
    public func close() { parts.run { $0.close() } }

    /// The frames of a link.
    public struct Frames: AsyncSequence, Sendable {
        /// A run of bytes.
        public typealias Element = [UInt8]
        let link: SecureLink

        /// Starts reading where the last reader stopped.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(link: link) }

        /// Hands out the frames.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let link: SecureLink

            /// The next frame, or `nil` when the other side has closed.
            public mutating func next() async throws(SecureLinkError) -> [UInt8]? {
                try await link.receive()
            }
        }
    }
}

/// A connection with its handler, as seen from outside its event loop.
struct LinkParts: Sendable {
    let channel: any Channel
    let handler: NIOLoopBound<LinkHandler>
    let inlet: Inlet<[UInt8], SecureLinkError>
    let opened: EventLoopFuture<PublicKey>

    /// Puts a new handler into a fresh channel. Runs on the channel's event loop.
    static func install(
        on channel: any Channel, bufferedBytes: Int,
        handler make: (Inlet<[UInt8], SecureLinkError>, EventLoopPromise<PublicKey>) -> LinkHandler
    ) -> EventLoopFuture<LinkParts> {
        let loop = channel.eventLoop
        let opened = loop.makePromise(of: PublicKey.self)
        let inlet = Inlet<[UInt8], SecureLinkError>(limit: bufferedBytes) {
            loop.execute {
                let handler = try? channel.pipeline.syncOperations.handler(type: LinkHandler.self)
                handler?.resume()
            }
        }
        let handler = make(inlet, opened)
        let bound = NIOLoopBound(handler, eventLoop: loop)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            opened.fail(error)
            return loop.makeFailedFuture(error)
        }
        return loop.makeSucceededFuture(
            LinkParts(
                channel: channel, handler: bound, inlet: inlet, opened: opened.futureResult))
    }

    /// Runs `body` on the connection's event loop.
    func run(_ body: @escaping @Sendable (LinkHandler) -> Void) {
        let handler = handler
        channel.eventLoop.execute { body(handler.value) }
    }
}

extension ClientBootstrap {
    fileprivate func linkOptions() -> ClientBootstrap {
        channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
    }
}

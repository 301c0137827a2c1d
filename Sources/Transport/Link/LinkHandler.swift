import Cryptography
import NIOCore
import Primitives

/// Drives one connection: handshake, then records in and out. Lives on its event loop.
///
/// Reads only while somebody takes the frames, so a slow reader slows the sender down through TCP.
final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        case initiating(SecureInitiator)
        case listening(Ed25519.PrivateKey)
        case replied(SecureResponder)
        case open
        case draining
        case over
    }

    let inlet: Inlet<[UInt8], SecureLinkError>
    let opened: EventLoopPromise<PublicKey>
    private let options: SecureLinkOptions
    private var stage: Stage
    private var channel: SecureChannel?
    private var received = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?
    private var isPaused = false

    init(
        initiating identity: Ed25519.PrivateKey, expecting: PublicKey?,
        options: SecureLinkOptions, inlet: Inlet<[UInt8], SecureLinkError>,
        opened: EventLoopPromise<PublicKey>
    ) {
        stage = .initiating(
            SecureInitiator(
                identity: identity, ephemeral: Entropy.bytes(32), expecting: expecting))
        self.options = options
        self.inlet = inlet
        self.opened = opened
    }

    init(
        accepting identity: Ed25519.PrivateKey, options: SecureLinkOptions,
        inlet: Inlet<[UInt8], SecureLinkError>, opened: EventLoopPromise<PublicKey>
    ) {
        stage = .listening(identity)
        self.options = options
        self.inlet = inlet
        self.opened = opened
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail(.closed)
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) { start(context) }

    private func start(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(
            in: TimeAmount(options.handshakeTimeout)
        ) { self.fail(.handshakeTimedOut) }
        if case .initiating(let initiator) = stage { write(initiator.hello) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch stage {
        case .over, .draining: return
        case .initiating, .listening, .replied, .open: received.writeBuffer(&bytes)
        }
        do throws(SecureLinkError) {
            try shake()
            if case .open = stage { try openRecords() }
        } catch {
            fail(error)
        }
        received.discardReadBytes()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isPaused { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.cut("the connection was closed"))
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            fail(.cut("the other side stopped sending"))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.cut("\(error)"))
    }

    /// Moves the handshake on as far as the received bytes allow. A side that must wait for an
    /// answer sends nothing meanwhile, so more bytes than one message are refused.
    private func shake() throws(SecureLinkError) {
        do throws(SecureChannelError) {
            switch stage {
            case .initiating(let initiator):
                guard let reply = try message(SecureInitiator.replyBytes, alone: true) else {
                    return
                }
                let finish = try initiator.finish(reply: reply)
                write(finish.message)
                enter(finish.takeChannel())
            case .listening(let identity):
                try refuseForeignStart()
                guard let hello = try message(SecureResponder.helloBytes, alone: true) else {
                    return
                }
                let responder = try SecureResponder(
                    identity: identity, ephemeral: Entropy.bytes(32), hello: hello)
                stage = .replied(responder)
                write(responder.reply)
            case .replied(let responder):
                guard let finish = try message(SecureResponder.finishBytes, alone: false) else {
                    return
                }
                enter(try responder.finish(finish))
            case .open, .draining, .over:
                return
            }
        } catch {
            throw .handshake(error)
        }
    }

    /// A foreign protocol is refused by its first bytes, before a whole hello has come.
    private func refuseForeignStart() throws(SecureChannelError) {
        let start = received.readableBytesView.prefix(SecureResponder.magic.count)
        guard SecureResponder.magic.starts(with: start) else { throw .notThisProtocol }
    }

    private func message(
        _ count: Int, alone: Bool
    ) throws(SecureChannelError) -> [UInt8]? {
        guard !alone || received.readableBytes <= count else { throw .wrongLength }
        return received.readBytes(length: count)
    }

    private func enter(_ channel: consuming SecureChannel) {
        let peer = channel.peer
        self.channel = consume channel
        stage = .open
        deadline?.cancel()
        opened.succeed(peer)
    }

    /// Opens every record that has come whole.
    private func openRecords() throws(SecureLinkError) {
        while let length = received.getInteger(
            at: received.readerIndex, endianness: .little, as: UInt32.self)
        {
            let size = Int(length)
            guard size >= SecureChannel.overhead,
                size <= options.maximumFrame + SecureChannel.overhead
            else { throw .badLength(size - SecureChannel.overhead) }
            guard received.readableBytes >= 4 + size else { return }
            received.moveReaderIndex(forwardBy: 4)
            guard let record = received.readBytes(length: size) else { return }
            do throws(SecureChannelError) {
                guard let frame = try channel?.open(record) else { return }
                if frame.isFinal { return end() }
                if !inlet.push(frame.message, cost: frame.message.count + 64) { isPaused = true }
            } catch {
                throw .channel(error)
            }
        }
    }

    /// The other side is done: so are we.
    private func end() {
        stage = .over
        inlet.finish(.success(()))
        context?.close(promise: nil)
    }

    /// Goes on reading after the reader has taken enough.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        context?.read()
    }

    /// Seals and writes one frame; frames leave in the order of these calls.
    func send(_ frame: [UInt8], promise: EventLoopPromise<Void>) {
        guard case .open = stage, let context else { return promise.fail(SecureLinkError.closed) }
        guard frame.count <= options.maximumFrame else {
            return promise.fail(SecureLinkError.badLength(frame.count))
        }
        do throws(SecureChannelError) {
            guard let record = try channel?.seal(frame) else { return }
            var buffer = context.channel.allocator.buffer(capacity: record.count + 4)
            buffer.writeInteger(UInt32(record.count), endianness: .little)
            buffer.writeBytes(record)
            context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
        } catch {
            promise.fail(SecureLinkError.channel(error))
        }
    }

    /// Says that nothing follows, lets that go out, and closes once the other side has closed too,
    /// or after two seconds: closing with unread bytes would reset the connection and could lose
    /// the last frames on their way.
    func close() {
        guard case .open = stage, let context else { return fail(.closed) }
        inlet.finish(.success(()))
        stage = .draining
        isPaused = false
        do throws(SecureChannelError) {
            if let record = try channel?.seal([], final: true) {
                var buffer = context.channel.allocator.buffer(capacity: record.count + 4)
                buffer.writeInteger(UInt32(record.count), endianness: .little)
                buffer.writeBytes(record)
                context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
            }
        } catch {
            return fail(.channel(error))
        }
        context.close(mode: .output, promise: nil)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) {
            self.fail(.closed)
        }
        context.read()
    }

    private func write(_ bytes: [UInt8]) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }

    /// Ends the link with an error; the first end counts.
    private func fail(_ error: SecureLinkError) {
        if case .over = stage { return }
        stage = .over
        deadline?.cancel()
        channel = nil
        received.clear()
        inlet.finish(.failure(error))
        opened.fail(error)
        context?.close(promise: nil)
    }
}

extension TimeAmount {
    /// The same span, in NIO's type.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(
            min(seconds, 1_000_000_000) * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

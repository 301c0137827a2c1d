import Ledger
import NIOCore
import Primitives
import Service
import Storage

/// One client of the binary protocol: cuts its bytes into requests, hands them to the ledger, and
/// writes the replies. Lives on its event loop.
///
/// It stops reading while too many of its requests are under way or while it does not take its
/// replies, so what one client can make the server hold is bounded.
final class LedgerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Requests of one connection under way at once.
    static let requestLimit = 64

    private let gate: RequestGate
    private let house: ConnectionHouse
    private let replies: ReplyQueue
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    private var underWay = 0
    private var isClosing = false
    private var isPaused = false
    /// Bytes of the house's budget that the incomplete request holds.
    private var held = 0
    /// Since when a request is incomplete, or replies are not taken.
    private(set) var stalledSince: NIODeadline?

    init(gate: RequestGate, house: ConnectionHouse, replies: ReplyQueue) {
        self.gate = gate
        self.house = house
        self.replies = replies
    }

    // MARK: Coming and going

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard house.enter(self) else { return refuse(.tooManyConnections, 0, 0) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        house.giveBack(held)
        held = 0
        house.leave(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Ends a connection that has made no progress for too long.
    func close() { context?.close(promise: nil) }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if isClosing { return }
        if received.readableBytes == 0 { received = bytes } else { received.writeBuffer(&bytes) }
        takeRequests()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stalledSince = nil
            takeRequests()
        } else {
            stalledSince = .now()
            pause()
        }
    }

    private func takeRequests() {
        while !isClosing, underWay < LedgerConnection.requestLimit,
            context?.channel.isWritable == true
        {
            guard let header = nextHeader() else { break }
            let frame: LedgerFrame
            do throws(LedgerRefusal) {
                frame = try LedgerFrame(request: header)
            } catch {
                return refuse(error, UInt8(truncatingIfNeeded: header.0 >> 40), header.2)
            }
            let size = LedgerFrame.headerBytes + Int(frame.length)
            guard received.readableBytes >= size else {
                if !hold(size) { refuse(.busy, frame.operation, frame.number, closing: true) }
                break
            }
            received.moveReaderIndex(forwardBy: LedgerFrame.headerBytes)
            let body = received.readBytes(length: Int(frame.length)) ?? []
            house.giveBack(held)
            held = 0
            serve(frame, body)
        }
        stalledSince = received.readableBytes == 0 ? nil : stalledSince ?? .now()
        if received.readableBytes == 0 { received.clear() } else { received.discardReadBytes() }
        if underWay >= LedgerConnection.requestLimit { pause() } else { resume() }
    }

    private func nextHeader() -> (UInt64, UInt64, UInt64)? {
        let start = received.readerIndex
        guard received.readableBytes >= LedgerFrame.headerBytes,
            let first = received.getInteger(at: start, endianness: .little, as: UInt64.self),
            let second = received.getInteger(at: start + 8, endianness: .little, as: UInt64.self),
            let third = received.getInteger(at: start + 16, endianness: .little, as: UInt64.self)
        else { return nil }
        return (first, second, third)
    }

    /// Takes room for an incomplete request; false if all clients together hold too much already.
    private func hold(_ size: Int) -> Bool {
        guard held == 0, size > ConnectionHouse.freeBytes else { return true }
        guard house.take(size) else { return false }
        held = size
        received.reserveCapacity(size)
        return true
    }

    private func pause() {
        if isPaused { return }
        isPaused = true
        context?.channel.setOption(.autoRead, value: false).whenFailure { _ in }
    }

    private func resume() {
        guard isPaused, context?.channel.isWritable == true else { return }
        isPaused = false
        context?.channel.setOption(.autoRead, value: true).whenFailure { _ in }
    }

    // MARK: Serving

    private func serve(_ frame: LedgerFrame, _ body: [UInt8]) {
        underWay += 1
        let reply = replies.ticket(for: self, frame)
        do throws(LedgerRefusal) {
            gate.add(try LedgerRequest(frame.operation, body), reply)
        } catch {
            refuse(error, frame.operation, frame.number, wasUnderWay: true)
        }
    }

    // MARK: Replying

    /// Writes a reply without flushing it.
    func write(_ frame: LedgerFrame, _ result: Result<LedgerReply, SequencerError>) {
        switch result {
        case .success(let body):
            underWay -= 1
            guard let context else { return }
            context.write(wrapOutboundOut(body.frame(frame, context.channel.allocator)))
                .whenFailure { _ in }
        case .failure(let error):
            refuse(LedgerRefusal(error), frame.operation, frame.number, wasUnderWay: true)
        }
    }

    /// Sends what was written, and takes requests that had to wait.
    func flush() {
        context?.flush()
        takeRequests()
    }

    private func refuse(
        _ refusal: LedgerRefusal, _ operation: UInt8, _ number: UInt64, closing: Bool = false,
        wasUnderWay: Bool = false
    ) {
        if wasUnderWay { underWay -= 1 }
        guard let context else { return }
        let header = LedgerFrame(
            operation: operation, refusal: refusal.rawValue, length: refusal.words.utf8.count,
            number: number
        ).words
        var bytes = context.channel.allocator.buffer(capacity: 128)
        bytes.writeMultipleIntegers(header.0, header.1, header.2, endianness: .little)
        bytes.writeString(refusal.words)
        let sent = context.writeAndFlush(wrapOutboundOut(bytes))
        guard refusal.closes || closing else { return sent.whenFailure { _ in } }
        isClosing = true
        received.clear()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        sent.whenComplete { _ in bound.value.close() }
    }
}

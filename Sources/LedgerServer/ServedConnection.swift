import NIOCore
import Service

/// One client of the ledger, whichever protocol it speaks: what it sent and was not looked at yet,
/// how many of its requests are under way, and how it ends. Lives on its event loop.
///
/// It stops reading while too many of its requests are under way or while it does not take its
/// replies; what it holds beyond a few kilobytes counts against the house's budget. So what one
/// client, and what all together can make the server hold is bounded. A protocol overrides
/// `takeRequest`, `reply` and `refuseForLackOfRoom`.
class ServedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let gate: RequestGate
    let house: ConnectionHouse
    private let replies: ReplyQueue
    private(set) var context: ChannelHandlerContext?
    /// What came and was not taken yet.
    var received = ByteBuffer()
    private var underWay = 0
    /// The delivery of the last reply.
    private var answered: UInt64 = 0
    /// Bytes of the house's budget that `received` holds.
    private var held = 0
    private var isPaused = false
    /// Takes no more requests; closes when those under way are answered.
    private var isEnding = false
    /// Everything was answered.
    private var isFinishing = false
    private var isInputClosed = false
    private var isRefused = false
    private var incompleteSince: NIODeadline?
    private var unreadSince: NIODeadline?

    /// Since when a request is incomplete, or replies are not taken, or the client does not hang up
    /// after its last reply.
    var stalledSince: NIODeadline? {
        guard let incompleteSince, let unreadSince else { return incompleteSince ?? unreadSince }
        return min(incompleteSince, unreadSince)
    }

    init(gate: RequestGate, house: ConnectionHouse, replies: ReplyQueue) {
        self.gate = gate
        self.house = house
        self.replies = replies
    }

    // MARK: For a protocol to override

    /// Requests of one connection under way at once.
    var requestLimit: Int { 64 }

    /// Takes one complete request off `received` and serves it; false if there is none.
    func takeRequest() -> Bool { false }

    /// Whether a part of a request was taken off `received` already, and the rest is to come.
    var isMidRequest: Bool { false }

    /// The bytes of a reply.
    func reply(
        to frame: LedgerFrame, _ result: Result<LedgerReply, SequencerError>
    ) -> ByteBuffer { ByteBuffer() }

    /// Says that all clients together hold too much already, and ends the connection.
    func refuseForLackOfRoom() { end() }

    /// Says that there are too many connections.
    func refuseForTooMany() { end() }

    // MARK: Coming and going

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard house.enter(self) else {
            isRefused = true
            return refuseForTooMany()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        house.giveBack(held)
        held = 0
        received = ByteBuffer()
        house.leave(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// The client sends nothing more, but may still read: it gets its replies.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        isInputClosed = true
        if isFinishing { close() } else { takeRequests() }
    }

    /// Ends a connection now.
    func close() { context?.close(promise: nil) }

    /// Takes no more requests, and closes once everything under way is answered. The client should
    /// see its last reply, so what it still sends is read and thrown away until it hangs up or its
    /// time is over.
    func end() {
        if isEnding { return }
        isEnding = true
        incompleteSince = .now()
        finish()
    }

    private func finish() {
        guard isEnding, underWay == 0, !isFinishing, let context else { return }
        isFinishing = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let nothing = context.channel.allocator.buffer(capacity: 0)
        context.writeAndFlush(wrapOutboundOut(nothing)).whenComplete { _ in
            let connection = bound.value
            if connection.isInputClosed || connection.isRefused { return connection.close() }
            connection.context?.close(mode: .output, promise: nil)
        }
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if isEnding { return }
        if received.readableBytes == 0 { received = bytes } else { received.writeBuffer(&bytes) }
        takeRequests()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unreadSince = nil
            takeRequests()
        } else {
            unreadSince = .now()
            pause()
        }
    }

    private var isBlocked: Bool {
        underWay >= requestLimit || context?.channel.isWritable != true
    }

    private func takeRequests() {
        var tookAny = false
        while !isEnding, !isBlocked, takeRequest() { tookAny = true }
        if !isEnding { keepRest(tookAny: tookAny) }
        if isEnding { received = ByteBuffer() }
        updateBudget()
        // A client that waits for its replies is not worth two system calls.
        if isBlocked, !isEnding { if received.readableBytes > 0 { pause() } } else { resume() }
    }

    /// What is left is the start of a request, or waits for the ledger or the client's reading.
    private func keepRest(tookAny: Bool) {
        if isBlocked, received.readableBytes > 0 {
            incompleteSince = nil
        } else if isInputClosed {
            return end()
        } else if received.readableBytes == 0, !isMidRequest {
            incompleteSince = nil
            // An idle client does not keep the room of its largest request.
            received = ByteBuffer()
        } else if tookAny || incompleteSince == nil {
            incompleteSince = .now()
        }
        if received.readerIndex > received.readableBytes { received.discardReadBytes() }
        keepNoRoomForNothing()
        let wanted = received.readableBytes
        guard wanted > ConnectionHouse.freeBytes, wanted > held else { return }
        if house.take(wanted - held) { held = wanted } else { refuseForLackOfRoom() }
    }

    /// The start of a request does not keep the room that it was read into.
    private func keepNoRoomForNothing() {
        let free = ConnectionHouse.freeBytes
        guard received.readableBytes <= free, received.storageCapacity > 2 * free else { return }
        received = ByteBuffer(bytes: received.readableBytesView)
    }

    private func updateBudget() {
        let wanted = received.readableBytes
        let kept = wanted > ConnectionHouse.freeBytes ? min(wanted, held) : 0
        house.giveBack(held - kept)
        held = kept
    }

    private func pause() {
        if isPaused { return }
        isPaused = true
        context?.channel.setOption(.autoRead, value: false).whenFailure { _ in }
    }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        context?.channel.setOption(.autoRead, value: true).whenFailure { _ in }
    }

    // MARK: Serving

    /// Hands a request on whose reply has at most so many bytes; false if there is no room for it.
    func serve(_ request: LedgerRequest, _ frame: LedgerFrame, replyBytes: Int) -> Bool {
        let room = replyBytes > ConnectionHouse.freeBytes ? replyBytes : 0
        guard house.take(room) else { return false }
        underWay += 1
        gate.add(request, answered: answered, replies.ticket(for: self, frame, room: room))
        return true
    }

    // MARK: Replying

    /// Writes a reply without flushing it.
    func write(
        _ frame: LedgerFrame, _ result: Result<LedgerReply, SequencerError>, room: Int,
        delivery: UInt64
    ) {
        answered = delivery
        // After the reply is written, so that a reply that ends the connection is its last.
        defer { underWay -= 1 }
        guard let context else { return house.giveBack(room) }
        let bytes = wrapOutboundOut(reply(to: frame, result))
        guard room > 0 else { return context.write(bytes, promise: nil) }
        let sent = context.write(bytes)
        let bound = NIOLoopBound(house, eventLoop: context.eventLoop)
        sent.whenComplete { _ in bound.value.giveBack(room) }
    }

    /// Writes a reply that needs no ledger.
    func writeNow(_ reply: ByteBuffer) {
        context?.writeAndFlush(wrapOutboundOut(reply), promise: nil)
    }

    /// Sends what was written, and takes requests that had to wait.
    func flush() {
        context?.flush()
        takeRequests()
        finish()
    }
}

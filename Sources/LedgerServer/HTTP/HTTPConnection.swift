import Ledger
import NIOCore
import Service

/// One client of the HTTP API: cuts its bytes into requests and writes the answers, which stand in
/// the order of the requests because one is under way at a time.
///
/// HTTP/1.1 is read here and not by NIOHTTP1, because with one transfer in a request the protocol
/// is most of the work (docs/decisions/0018-http-of-the-ledger-by-hand.md).
final class HTTPConnection: ServedConnection {
    /// The most bytes of a body.
    static let bodyLimit = 8 << 20

    private let status: ServerStatus
    /// The request whose body is not complete.
    private var head: HTTPRequestHead?
    private var isOne = false
    private var keepsAlive = true

    init(
        gate: RequestGate, house: ConnectionHouse, replies: ReplyQueue, status: ServerStatus
    ) {
        self.status = status
        super.init(gate: gate, house: house, replies: replies)
    }

    override var requestLimit: Int { 1 }

    override var isMidRequest: Bool { head != nil }

    override func takeRequest() -> Bool {
        do throws(HTTPFault) {
            if head == nil { head = try nextHead() }
            guard let head else { return false }
            guard received.readableBytes >= head.contentLength else {
                waitForBody(head)
                return false
            }
            self.head = nil
            let body = received.readBytes(length: head.contentLength) ?? []
            keepsAlive = head.keepsAlive
            try carryOut(try HTTPRoute(head, body))
        } catch {
            if error.closes { keepsAlive = false }
            answer(error)
        }
        return true
    }

    private func nextHead() throws(HTTPFault) -> HTTPRequestHead? {
        guard let length = headLength() else {
            if received.readableBytes > HTTPRequestHead.byteLimit { throw .headTooLarge }
            return nil
        }
        if length > HTTPRequestHead.byteLimit { throw .headTooLarge }
        let head = try HTTPRequestHead(received.readBytes(length: length) ?? [])
        if head.contentLength > HTTPConnection.bodyLimit { throw .bodyTooLarge }
        return head
    }

    /// How many bytes there are up to and with the empty line.
    private func headLength() -> Int? {
        unsafe received.withUnsafeReadableBytes { bytes in
            var place = 3
            let end = min(bytes.count, HTTPRequestHead.byteLimit + 1)
            while place < end {
                let byte = unsafe bytes[place]
                if byte != 0x0A {
                    // No line feed ends here, and if no carriage return does, none can next.
                    place += byte == 0x0D ? 1 : 2
                    continue
                }
                if unsafe bytes[place - 1] == 0x0D, unsafe bytes[place - 2] == 0x0A,
                    unsafe bytes[place - 3] == 0x0D
                {
                    return place + 1
                }
                place += 2
            }
            return nil
        }
    }

    private func waitForBody(_ head: HTTPRequestHead) {
        if head.expectsContinue {
            self.head?.expectsContinue = false
            writeNow(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n"))
        }
        if received.readableBytes >= 64 << 10 {
            received.reserveCapacity(
                minimumWritableBytes: head.contentLength - received.readableBytes)
        }
    }

    private func carryOut(_ route: HTTPRoute) throws(HTTPFault) {
        switch route {
        case .health:
            let isServing = status.isServing
            var body = ByteBuffer(string: "{\"ok\":\(isServing)}")
            answer(isServing ? 200 : 503, &body)
        case .metrics:
            var body = ByteBuffer(string: status.metrics)
            answer(200, &body, type: "text/plain; version=0.0.4")
        case .ledger(let request, let isOne):
            self.isOne = isOne
            let room = request.replyBytes / 128 * HTTPReply.recordBytes
            let frame = LedgerFrame(operation: 0, length: 0, number: 0)
            if !serve(request, frame, replyBytes: room) { throw HTTPFault(LedgerRefusal.busy) }
        }
    }

    // MARK: Answers

    override func reply(
        to frame: LedgerFrame, _ result: Result<LedgerReply, SequencerError>
    ) -> ByteBuffer {
        defer { if !keepsAlive { end() } }
        do throws(HTTPFault) {
            switch result {
            case .success(let reply):
                var body = try reply.json(isOne: isOne)
                return whole(200, &body)
            case .failure(let error): throw HTTPFault(LedgerRefusal(error))
            }
        } catch {
            if error.closes { keepsAlive = false }
            var body = error.json
            return whole(error.status, &body)
        }
    }

    override func refuseForLackOfRoom() {
        keepsAlive = false
        answer(HTTPFault(LedgerRefusal.busy))
    }

    override func refuseForTooMany() {
        keepsAlive = false
        answer(HTTPFault(LedgerRefusal.tooManyConnections))
    }

    private func answer(_ fault: HTTPFault) {
        var body = fault.json
        answer(fault.status, &body)
    }

    private func answer(
        _ status: Int, _ body: inout ByteBuffer, type: String = "application/json"
    ) {
        if !keepsAlive { received = ByteBuffer() }
        writeNow(whole(status, &body, type: type))
        if !keepsAlive { end() }
    }

    private func whole(
        _ status: Int, _ body: inout ByteBuffer, type: String = "application/json"
    ) -> ByteBuffer {
        HTTPReply.whole(status, &body, type: type, keepsAlive: keepsAlive)
    }
}

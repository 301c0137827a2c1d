import Ledger
import NIOCore
import Primitives
import Service
import Storage

/// One client of the binary protocol: cuts its bytes into requests and writes the replies.
final class LedgerConnection: ServedConnection {
    /// From how much of a long request on the room for all of it is made at once.
    private static let longRequest = 64 << 10

    override func takeRequest() -> Bool {
        guard let header = nextHeader() else { return false }
        let frame: LedgerFrame
        do throws(LedgerRefusal) {
            frame = try LedgerFrame(request: header)
        } catch {
            refuse(error, UInt8(truncatingIfNeeded: header.0 >> 40), header.2)
            return false
        }
        let size = LedgerFrame.headerBytes + Int(frame.length)
        guard received.readableBytes >= size else {
            if received.readableBytes >= LedgerConnection.longRequest {
                received.reserveCapacity(minimumWritableBytes: size - received.readableBytes)
            }
            return false
        }
        received.moveReaderIndex(forwardBy: LedgerFrame.headerBytes)
        let body = received.readBytes(length: Int(frame.length)) ?? []
        do throws(LedgerRefusal) {
            let request = try LedgerRequest(frame.operation, body)
            if !serve(request, frame, replyBytes: request.replyBytes) { throw .busy }
        } catch {
            refuse(error, frame.operation, frame.number)
        }
        return true
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

    override func reply(
        to frame: LedgerFrame, _ result: Result<LedgerReply, SequencerError>
    ) -> ByteBuffer {
        switch result {
        case .success(let reply): return reply.frame(frame, .init())
        case .failure(let error):
            let refusal = LedgerRefusal(error)
            if refusal.closes { end() }
            return refusal.frame(frame.operation, frame.number)
        }
    }

    override func refuseForLackOfRoom() {
        let header = nextHeader()
        received = ByteBuffer()
        writeNow(
            LedgerRefusal.busy.frame(
                UInt8(truncatingIfNeeded: (header?.0 ?? 0) >> 40), header?.2 ?? 0))
        end()
    }

    override func refuseForTooMany() { refuse(.tooManyConnections, 0, 0) }

    private func refuse(_ refusal: LedgerRefusal, _ operation: UInt8, _ number: UInt64) {
        if refusal.closes { received = ByteBuffer() }
        writeNow(refusal.frame(operation, number))
        if refusal.closes { end() }
    }
}

extension LedgerRefusal {
    /// The whole frame of a refusal.
    func frame(_ operation: UInt8, _ number: UInt64) -> ByteBuffer {
        let header = LedgerFrame(
            operation: operation, refusal: rawValue, length: words.utf8.count, number: number
        ).words
        var bytes = ByteBufferAllocator().buffer(capacity: 128)
        bytes.writeMultipleIntegers(header.0, header.1, header.2, endianness: .little)
        bytes.writeString(words)
        return bytes
    }
}

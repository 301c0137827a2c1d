import Ledger
import NIOCore
import Primitives
import Service
import Synchronization

/// What a reply says.
enum ReplyBody: Sendable {
    /// 16 bytes for each event: timestamp (8), status (4), zeros (4).
    case answer(LedgerAnswer)
    case bytes([UInt8])

    /// The whole frame.
    func frame(_ request: LedgerFrame, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        let length =
            switch self {
            case .answer(.accounts(let results)): 16 * results.count
            case .answer(.transfers(let results)): 16 * results.count
            case .answer(.pulsed): 0
            case .bytes(let bytes): bytes.count
            }
        var frame = request
        frame.length = UInt32(length)
        let words = frame.words
        var buffer = allocator.buffer(capacity: LedgerFrame.headerBytes + length)
        buffer.writeMultipleIntegers(words.0, words.1, words.2, endianness: .little)
        switch self {
        case .answer(.accounts(let results)):
            for result in results {
                buffer.writeMultipleIntegers(
                    result.timestamp.nanoseconds, UInt64(result.status.rawValue),
                    endianness: .little)
            }
        case .answer(.transfers(let results)):
            for result in results {
                buffer.writeMultipleIntegers(
                    result.timestamp.nanoseconds, UInt64(result.status.rawValue),
                    endianness: .little)
            }
        case .answer(.pulsed): break
        case .bytes(let bytes): buffer.writeBytes(bytes)
        }
        return buffer
    }
}

/// Replies on their way from the committer's thread to an event loop: all of one commit cross in
/// one step.
final class ReplyQueue: Sendable {
    private struct Reply {
        let connection: NIOLoopBound<LedgerConnection>
        let frame: LedgerFrame
        let result: Result<ReplyBody, SequencerError>
    }

    private let loop: any EventLoop
    private let waiting = Mutex<[Reply]>([])

    init(loop: any EventLoop) {
        self.loop = loop
    }

    /// What to call with the reply to a request, once, from any thread.
    func ticket(
        for connection: LedgerConnection, _ frame: LedgerFrame
    ) -> @Sendable (Result<ReplyBody, SequencerError>) -> Void {
        let bound = NIOLoopBound(connection, eventLoop: loop)
        return { [self] result in
            let isFirst = waiting.withLock { waiting in
                waiting.append(Reply(connection: bound, frame: frame, result: result))
                return waiting.count == 1
            }
            if isFirst { loop.execute { self.deliver() } }
        }
    }

    private func deliver() {
        let replies = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for reply in replies { reply.connection.value.write(reply.frame, reply.result) }
        for reply in replies { reply.connection.value.flush() }
    }
}

import Ledger
import NIOCore
import Primitives
import Service
import Storage
import Synchronization

extension LedgerReply {
    /// The whole frame of a reply to `request`.
    func frame(_ request: LedgerFrame, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        let isLookUp =
            request.operation == LedgerOperation.lookUpAccounts.rawValue
            || request.operation == LedgerOperation.lookUpTransfers.rawValue
        var buffer = allocator.buffer(capacity: LedgerFrame.headerBytes + sizeHint)
        buffer.moveWriterIndex(to: LedgerFrame.headerBytes)
        var refusal: UInt16 = 0
        switch self {
        case .answer(.accounts(let results)):
            for result in results {
                LedgerReply.write(result.timestamp, result.status.rawValue, to: &buffer)
            }
        case .answer(.transfers(let results)):
            for result in results {
                LedgerReply.write(result.timestamp, result.status.rawValue, to: &buffer)
            }
        case .answer(.pulsed): break
        case .head(let head):
            buffer.writeMultipleIntegers(
                head.sequence, head.term, head.time.nanoseconds, endianness: .little)
            buffer.writeBytes(head.hash.bytes)
        case .accounts(let found):
            if !isLookUp { buffer.writeInteger(found.next?.nanoseconds ?? 0, endianness: .little) }
            buffer.writeBytes(Account.wireBytes(found.records))
        case .transfers(let found):
            if !isLookUp { buffer.writeInteger(found.next?.nanoseconds ?? 0, endianness: .little) }
            buffer.writeBytes(Transfer.wireBytes(found.records))
        case .balances(let found):
            buffer.writeInteger(found.next?.nanoseconds ?? 0, endianness: .little)
            var writer = ByteWriter()
            for record in found.records { writer.write(record) }
            buffer.writeBytes(writer.bytes)
        case .refused(let reason):
            refusal = 100 + UInt16(reason.rawValue)
            buffer.writeString("\(reason)")
        }
        var header = request
        header.refusal = refusal
        header.length = UInt32(buffer.readableBytes - LedgerFrame.headerBytes)
        let words = header.words
        for (place, word) in [words.0, words.1, words.2].enumerated() {
            buffer.setInteger(word, at: 8 * place, endianness: .little)
        }
        return buffer
    }

    private var sizeHint: Int {
        switch self {
        case .answer(.accounts(let results)): 16 * results.count
        case .answer(.transfers(let results)): 16 * results.count
        case .accounts(let found): 8 + 128 * found.records.count
        case .transfers(let found): 8 + 128 * found.records.count
        case .balances(let found): 8 + 128 * found.records.count
        case .answer(.pulsed), .head, .refused: 64
        }
    }

    /// 16 bytes for an event: timestamp (8), status (4), zeros (4).
    @inline(__always)
    private static func write(
        _ timestamp: Timestamp, _ status: UInt32, to buffer: inout ByteBuffer
    ) {
        buffer.writeMultipleIntegers(
            timestamp.nanoseconds, UInt64(status), endianness: .little)
    }
}

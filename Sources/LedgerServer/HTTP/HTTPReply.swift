import Ledger
import NIOCore
import Primitives
import Storage

/// A name of the code as JSON has it: `pendingID` is `pending_id`.
func snakeCase(_ name: String) -> String {
    var snake = ""
    let letters = Array(name)
    for (place, letter) in letters.enumerated() {
        if letter.isUppercase, place > 0 {
            let endsWord = place + 1 < letters.count && letters[place + 1].isLowercase
            if !letters[place - 1].isUppercase || endsWord { snake += "_" }
        }
        snake += letter.lowercased()
    }
    return snake
}

/// The names of statuses and flags.
enum WireNames {
    static let accountStatuses = Dictionary(
        uniqueKeysWithValues: CreateAccountStatus.allCases.map {
            ($0.rawValue, snakeCase("\($0)"))
        })
    static let transferStatuses = Dictionary(
        uniqueKeysWithValues: CreateTransferStatus.allCases.map {
            ($0.rawValue, snakeCase("\($0)"))
        })
    static let accountFlags: [(name: String, bits: UInt16)] = [
        ("linked", AccountFlags.linked.rawValue),
        ("debits_must_not_exceed_credits", AccountFlags.debitsMustNotExceedCredits.rawValue),
        ("credits_must_not_exceed_debits", AccountFlags.creditsMustNotExceedDebits.rawValue),
        ("history", AccountFlags.history.rawValue),
        ("closed", AccountFlags.closed.rawValue),
    ]
    static let transferFlags: [(name: String, bits: UInt16)] = [
        ("linked", TransferFlags.linked.rawValue),
        ("pending", TransferFlags.pending.rawValue),
        ("post_pending", TransferFlags.postPending.rawValue),
        ("void_pending", TransferFlags.voidPending.rawValue),
        ("balancing_debit", TransferFlags.balancingDebit.rawValue),
        ("balancing_credit", TransferFlags.balancingCredit.rawValue),
        ("closing_debit", TransferFlags.closingDebit.rawValue),
        ("closing_credit", TransferFlags.closingCredit.rawValue),
    ]
}

/// Puts answers together.
enum HTTPReply {
    /// The most bytes of a record as JSON.
    static let recordBytes = 768

    static func whole(
        _ status: Int, _ body: inout ByteBuffer, type: String = "application/json",
        keepsAlive: Bool
    ) -> ByteBuffer {
        var reply = ByteBufferAllocator().buffer(capacity: body.readableBytes + 160)
        if status == 200 {
            reply.writeStaticString("HTTP/1.1 200 OK\r\nContent-Type: ")
        } else {
            reply.writeString("HTTP/1.1 \(status) \(phrase(status))\r\nContent-Type: ")
        }
        reply.writeString(type)
        reply.writeStaticString("\r\nContent-Length: ")
        reply.writeString(String(body.readableBytes))
        if status == 503 { reply.writeStaticString("\r\nRetry-After: 1") }
        if !keepsAlive { reply.writeStaticString("\r\nConnection: close") }
        reply.writeStaticString("\r\n\r\n")
        reply.writeBuffer(&body)
        return reply
    }

    private static func phrase(_ status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 431: "Request Header Fields Too Large"
        case 505: "HTTP Version Not Supported"
        default: "Service Unavailable"
        }
    }
}

extension LedgerReply {
    /// The JSON text; `isOne` for a record by its id. Throws what there is instead.
    func json(isOne: Bool) throws(HTTPFault) -> ByteBuffer {
        var text = ByteBufferAllocator().buffer(capacity: 160)
        switch self {
        case .answer(.accounts(let results)):
            text.writeList("{\"results\":", results) {
                $0.writeResult(
                    WireNames.accountStatuses[$1.status.rawValue] ?? "", $1.status.rawValue,
                    $1.timestamp)
            }
        case .answer(.transfers(let results)):
            text.writeList("{\"results\":", results) {
                $0.writeResult(
                    WireNames.transferStatuses[$1.status.rawValue] ?? "", $1.status.rawValue,
                    $1.timestamp)
            }
        case .answer(.pulsed): text.writeString("{\"results\":[]")
        case .head(let head):
            text.writeString(
                "{\"sequence\":\(head.sequence),\"term\":\(head.term),"
                    + "\"time\":\"\(head.time.nanoseconds)\",\"hash\":\"\(head.hash.hex)\"")
        case .accounts(let found):
            if isOne { return try .one(found.records.first) { $0.write($1) } }
            text.writeList("{\"data\":", found.records) { $0.write($1) }
            text.writeNext(found.next)
        case .transfers(let found):
            if isOne { return try .one(found.records.first) { $0.write($1) } }
            text.writeList("{\"data\":", found.records) { $0.write($1) }
            text.writeNext(found.next)
        case .balances(let found):
            text.writeList("{\"data\":", found.records) { $0.write($1) }
            text.writeNext(found.next)
        case .refused(let refusal): throw HTTPFault(refusal)
        }
        text.writeStaticString("}")
        return text
    }
}

extension ByteBuffer {
    fileprivate static func one<Record>(
        _ record: Record?, _ body: (inout ByteBuffer, Record) -> Void
    ) throws(HTTPFault) -> ByteBuffer {
        guard let record else { throw .noSuchRecord }
        var text = ByteBufferAllocator().buffer(capacity: HTTPReply.recordBytes)
        body(&text, record)
        return text
    }

    fileprivate mutating func writeList<Record>(
        _ start: StaticString, _ records: [Record], _ body: (inout ByteBuffer, Record) -> Void
    ) {
        writeStaticString(start)
        writeStaticString("[")
        for (place, record) in records.enumerated() {
            if place > 0 { writeStaticString(",") }
            body(&self, record)
        }
        writeStaticString("]")
    }

    fileprivate mutating func writeNext(_ next: Timestamp?) {
        writeString(next.map { ",\"next\":\"\($0.nanoseconds)\"" } ?? ",\"next\":null")
    }

    fileprivate mutating func writeResult(
        _ name: String, _ number: UInt32, _ timestamp: Timestamp
    ) {
        writeStaticString("{\"status\":\"")
        writeString(name)
        writeStaticString("\",\"number\":")
        writeDecimal(UInt128(number))
        writeStaticString(",\"timestamp\":\"")
        writeDecimal(UInt128(timestamp.nanoseconds))
        writeStaticString("\"}")
    }

    fileprivate mutating func write(_ account: Account) {
        writeText("{\"id\":", account.id.value)
        writeText(",\"debits_pending\":", account.debitsPending.units)
        writeText(",\"debits_posted\":", account.debitsPosted.units)
        writeText(",\"credits_pending\":", account.creditsPending.units)
        writeText(",\"credits_posted\":", account.creditsPosted.units)
        writeText(",\"user_data128\":", account.userData128)
        writeText(",\"user_data64\":", UInt128(account.userData64))
        writeString(
            ",\"user_data32\":\(account.userData32),\"ledger\":\(account.ledger),"
                + "\"code\":\(account.code)")
        writeFlags(account.flags.rawValue, WireNames.accountFlags)
        writeText(",\"timestamp\":", UInt128(account.timestamp.nanoseconds))
        writeStaticString("}")
    }

    fileprivate mutating func write(_ transfer: Transfer) {
        writeText("{\"id\":", transfer.id.value)
        writeText(",\"debit_account\":", transfer.debitAccount.value)
        writeText(",\"credit_account\":", transfer.creditAccount.value)
        writeText(",\"amount\":", transfer.amount.units)
        writeText(",\"pending_id\":", transfer.pendingID.value)
        writeText(",\"user_data128\":", transfer.userData128)
        writeText(",\"user_data64\":", UInt128(transfer.userData64))
        writeString(
            ",\"user_data32\":\(transfer.userData32),\"timeout\":\(transfer.timeout),"
                + "\"ledger\":\(transfer.ledger),\"code\":\(transfer.code)")
        writeFlags(transfer.flags.rawValue, WireNames.transferFlags)
        writeText(",\"timestamp\":", UInt128(transfer.timestamp.nanoseconds))
        writeStaticString("}")
    }

    fileprivate mutating func write(_ balance: AccountBalance) {
        writeText("{\"debits_pending\":", balance.debitsPending.units)
        writeText(",\"debits_posted\":", balance.debitsPosted.units)
        writeText(",\"credits_pending\":", balance.creditsPending.units)
        writeText(",\"credits_posted\":", balance.creditsPosted.units)
        writeText(",\"timestamp\":", UInt128(balance.timestamp.nanoseconds))
        writeStaticString("}")
    }

    private mutating func writeFlags(_ bits: UInt16, _ names: [(name: String, bits: UInt16)]) {
        let set = names.filter { bits & $0.bits != 0 }
        writeString(",\"flags\":[\(set.map { "\"\($0.name)\"" }.joined(separator: ","))]")
    }

    private mutating func writeText(_ key: StaticString, _ number: UInt128) {
        writeStaticString(key)
        writeStaticString("\"")
        writeDecimal(number)
        writeStaticString("\"")
    }

    /// Writes a number in decimal.
    private mutating func writeDecimal(_ number: UInt128) {
        let part: UInt128 = 10_000_000_000_000_000_000
        guard number >= part else {
            writeString(String(UInt64(truncatingIfNeeded: number)))
            return
        }
        let (rest, last) = number.quotientAndRemainder(dividingBy: part)
        writeDecimal(rest)
        let digits = String(UInt64(truncatingIfNeeded: last))
        writeString(String(repeating: "0", count: 19 - digits.utf8.count))
        writeString(digits)
    }

    /// Writes a JSON string.
    mutating func writeJSON(_ text: String) {
        writeStaticString("\"")
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": writeStaticString("\\\"")
            case "\\": writeStaticString("\\\\")
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                writeString("\\u00\(digits.count == 1 ? "0" : "")\(digits)")
            default: writeString(String(scalar))
            }
        }
        writeStaticString("\"")
    }
}

import Ledger
import Primitives
import Service
import Storage

/// One request to a ledger, whichever way it came in.
enum LedgerRequest: Sendable {
    /// A command and its canonical bytes.
    case submit(LedgerCommand, encoded: [UInt8])
    case lookUpAccounts([UInt128])
    case lookUpTransfers([UInt128])
    case head
    case accountTransfers(AccountFilter)
    case accountBalances(AccountFilter)
    case queryAccounts(QueryFilter)
    case queryTransfers(QueryFilter)

    /// Reads the body of a binary request.
    init(_ operation: UInt8, _ body: [UInt8]) throws(LedgerRefusal) {
        guard let operation = LedgerOperation(rawValue: operation) else { throw .unknownOperation }
        do throws(CodecError) {
            switch operation {
            case .submit: self = .submit(try LedgerCommand(canonicalBytes: body), encoded: body)
            case .lookUpAccounts: self = .lookUpAccounts(try LedgerRequest.ids(body))
            case .lookUpTransfers: self = .lookUpTransfers(try LedgerRequest.ids(body))
            case .head: self = .head
            case .accountTransfers:
                self = .accountTransfers(try AccountFilter(canonicalBytes: body))
            case .accountBalances:
                self = .accountBalances(try AccountFilter(canonicalBytes: body))
            case .queryAccounts: self = .queryAccounts(try QueryFilter(canonicalBytes: body))
            case .queryTransfers: self = .queryTransfers(try QueryFilter(canonicalBytes: body))
            }
        } catch {
            throw .malformed
        }
        // Only the server releases what is due.
        if case .submit(.pulse, _) = self { throw .malformed }
        if case .head = self, !body.isEmpty { throw .malformed }
    }

    private static func ids(_ body: [UInt8]) throws(CodecError) -> [UInt128] {
        guard !body.isEmpty, body.count / 16 <= LedgerCommand.eventLimit else {
            throw .limitExceeded("ids")
        }
        var reader = ByteReader(body)
        var ids: [UInt128] = []
        ids.reserveCapacity(body.count / 16)
        while reader.remaining > 0 { ids.append(try reader.readUInt128()) }
        return ids
    }

    /// The most bytes of a binary reply's body.
    var replyBytes: Int {
        switch self {
        case .submit(let command, _): 16 * command.count
        case .lookUpAccounts(let ids), .lookUpTransfers(let ids): 128 * ids.count
        case .head: 56
        case .accountTransfers(let filter), .accountBalances(let filter):
            8 + 128 * min(Int(filter.limit), LedgerState.answerLimit)
        case .queryAccounts(let filter), .queryTransfers(let filter):
            8 + 128 * min(Int(filter.limit), LedgerState.answerLimit)
        }
    }

    /// Adds it to what the ledger gets next; `reply` is called once.
    func add(
        to batch: inout LedgerBatch, of service: LedgerService,
        _ reply: @escaping @Sendable (Result<LedgerReply, SequencerError>) -> Void
    ) {
        switch self {
        case .submit(let command, let encoded):
            batch.submit(command, encoded: encoded) { reply($0.map(LedgerReply.answer)) }
        case .head: reply(.success(.head(service.head)))
        default: batch.read(look) { result in reply(result.map(\.0)) }
        }
    }

    private func look(_ machine: borrowing LedgerMachine) -> LedgerReply {
        let ledger = machine.ledger
        do throws(QueryRefusal) {
            switch self {
            case .submit, .head: preconditionFailure("these are no reads")
            case .lookUpAccounts(let ids):
                return .accounts(QueryAnswer(records: ids.compactMap { ledger.account(.init($0)) }))
            case .lookUpTransfers(let ids):
                return .transfers(
                    QueryAnswer(records: ids.compactMap { ledger.transfer(.init($0)) }))
            case .accountTransfers(let filter):
                return .transfers(try ledger.accountTransfers(filter))
            case .accountBalances(let filter):
                return .balances(try ledger.accountBalances(filter))
            case .queryAccounts(let filter): return .accounts(try ledger.queryAccounts(filter))
            case .queryTransfers(let filter): return .transfers(try ledger.queryTransfers(filter))
            }
        } catch {
            return .refused(error)
        }
    }
}

/// What came of a request.
enum LedgerReply: Sendable {
    case answer(LedgerAnswer)
    case head(JournalHead)
    case accounts(QueryAnswer<Account>)
    case transfers(QueryAnswer<Transfer>)
    case balances(QueryAnswer<AccountBalance>)
    case refused(QueryRefusal)
}

extension LedgerRefusal {
    /// What an error of the service means to a client.
    init(_ error: SequencerError) {
        switch error {
        case .busy, .tooSlow: self = .busy
        case .tooLarge: self = .tooLarge
        case .stopped: self = .stopping
        case .journal: self = .outcomeUnknown
        }
    }
}

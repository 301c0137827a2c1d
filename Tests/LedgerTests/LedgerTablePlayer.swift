import Ledger
import NaiveLedger
import Primitives
import Testing

/// Plays a table against one ledger and checks every row.
struct LedgerTablePlayer<Subject: LedgerUnderTest> {
    private(set) var ledger = Subject()
    private let table: LedgerTable
    private var clock: UInt64 = 1_000_000_000
    private var accounts: [(line: Int, request: Account, status: CreateAccountStatus)] = []
    private var transfers: [(line: Int, request: Transfer, status: CreateTransferStatus)] = []

    init(_ table: LedgerTable) { self.table = table }

    mutating func play() throws {
        for (number, words) in table.lines {
            if words.first != "account" { commitAccounts() }
            if words.first != "transfer" { commitTransfers() }
            guard let action = words.first else { continue }
            var line = TableLine(number: number, words: words)
            switch action {
            case "account":
                let (request, status) = try line.account()
                accounts.append((number, request, status))
            case "transfer":
                let (request, status) = try line.transfer()
                transfers.append((number, request, status))
            case "clock": try setClock(&line)
            case "expire": try expire(&line)
            case "balance": try checkBalance(&line)
            case "stored": try checkStored(&line)
            case "missing", "burnt":
                let id = TransferID(try line.number(UInt128.self))
                expect(ledger.transfer(id) == nil, number, "is there")
                expect(ledger.isBurnt(id) == (action == "burnt"), number, "burnt or not")
            default:
                if try !query(action, &line) { throw TableError(line: number, word: action) }
            }
        }
        commitAccounts()
        commitTransfers()
    }

    func expect(_ condition: Bool, _ line: Int, _ what: String) {
        #expect(condition, "\(table.name), line \(line) (\(Subject.self)): \(what)")
    }

    private mutating func commitAccounts() {
        guard !accounts.isEmpty else { return }
        let known = accounts.map { ledger.account($0.request.id)?.timestamp }
        let first = clock + 1
        clock += UInt64(accounts.count)
        let results = ledger.createAccounts(
            accounts.map(\.request), at: Timestamp(nanoseconds: clock))
        expect(results.count == accounts.count, accounts[0].line, "one result per event")
        for (index, row) in accounts.enumerated() {
            let result = results[index]
            expect(result.status == row.status, row.line, "\(result.status)")
            let moment = Timestamp(nanoseconds: first + UInt64(index))
            if result.status == .exists {
                let original = known[index] ?? result.timestamp
                expect(result.timestamp == original && original < moment, row.line, "timestamp")
            } else {
                expect(result.timestamp == moment, row.line, "timestamp")
            }
        }
        accounts = []
        expect(ledger.checkInvariants() == [], 0, "\(ledger.checkInvariants())")
    }

    private mutating func commitTransfers() {
        guard !transfers.isEmpty else { return }
        let known = transfers.map { ledger.transfer($0.request.id)?.timestamp }
        let first = clock + 1
        clock += UInt64(transfers.count)
        let results = ledger.createTransfers(
            transfers.map(\.request), at: Timestamp(nanoseconds: clock))
        expect(results.count == transfers.count, transfers[0].line, "one result per event")
        for (index, row) in transfers.enumerated() {
            let result = results[index]
            expect(result.status == row.status, row.line, "\(result.status)")
            let moment = Timestamp(nanoseconds: first + UInt64(index))
            if result.status == .exists {
                let original = known[index] ?? result.timestamp
                expect(result.timestamp == original && original < moment, row.line, "timestamp")
            } else {
                expect(result.timestamp == moment, row.line, "timestamp")
            }
        }
        transfers = []
        expect(ledger.checkInvariants() == [], 0, "\(ledger.checkInvariants())")
    }

    private mutating func setClock(_ line: inout TableLine) throws {
        let word = try line.next()
        if word.hasPrefix("+"), word.hasSuffix("ns") {
            clock += try line.number(String(word.dropFirst().dropLast(2)), UInt64.self)
        } else if word.hasPrefix("+"), word.hasSuffix("s") {
            clock +=
                try line.number(String(word.dropFirst().dropLast()), UInt64.self)
                * 1_000_000_000
        } else {
            clock = try line.number(word, UInt64.self)
        }
    }

    private mutating func expire(_ line: inout TableLine) throws {
        var ids: [TransferID] = []
        while let word = line.nextOrNil() {
            ids.append(TransferID(try line.number(word, UInt128.self)))
        }
        let expired = ledger.expire(at: Timestamp(nanoseconds: clock))
        expect(expired == ids, line.number, "expired \(expired)")
        expect(ledger.checkInvariants() == [], line.number, "\(ledger.checkInvariants())")
    }

    private func checkBalance(_ line: inout TableLine) throws {
        let account = ledger.account(AccountID(try line.number(UInt128.self)))
        let expected = [
            try line.number(UInt128.self), try line.number(UInt128.self),
            try line.number(UInt128.self), try line.number(UInt128.self),
        ]
        let found = account.map {
            [$0.debitsPending, $0.debitsPosted, $0.creditsPending, $0.creditsPosted].map(\.units)
        }
        let isClosed = line.nextOrNil() == "closed"
        expect(found == expected, line.number, "balance \(found ?? [])")
        expect(account?.flags.contains(.closed) == isClosed, line.number, "closed or not")
    }

    private func checkStored(_ line: inout TableLine) throws {
        let id = TransferID(try line.number(UInt128.self))
        let amount = Amount(try line.number(UInt128.self))
        let status = try line.status(PendingStatus.self)
        guard var wanted = ledger.transfer(id) else {
            expect(false, line.number, "is missing")
            return
        }
        let found = wanted
        expect(found.amount == amount, line.number, "amount \(found.amount)")
        expect(ledger.pendingStatus(id) == status, line.number, "pending status")
        while let word = line.nextOrNil() {
            let parts = word.split(separator: "=").map(String.init)
            guard parts.count == 2 else { throw TableError(line: line.number, word: word) }
            try line.set(parts[0], parts[1], in: &wanted)
        }
        expect(found == wanted, line.number, "fields")
    }
}

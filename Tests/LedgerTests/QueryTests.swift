import Ledger
import NaiveLedger
import Primitives
import Testing

@Suite("Ledger queries")
struct QueryTests {
    private static let accountCount: UInt128 = 3

    /// Account 1 keeps a history and pays each other one in turn; every thousandth transfer is
    /// marked.
    private func ledger(transfers count: Int) -> LedgerState {
        var ledger = LedgerState()
        let accounts = (1...Self.accountCount).map {
            Account(id: AccountID($0), ledger: 1, code: 1, flags: $0 == 1 ? .history : [])
        }
        _ = ledger.createAccounts(accounts, at: Timestamp(nanoseconds: 3))
        let batch = (1...UInt128(count)).map { number in
            let mark: UInt64 = number % 1_000 == 0 ? 1 : 0
            return Transfer(
                id: TransferID(number), debitAccount: AccountID(1),
                creditAccount: AccountID(number % 2 + 2), amount: Amount(1), ledger: 1, code: 1,
                userData64: mark)
        }
        _ = ledger.createTransfers(batch, at: .zero)
        return ledger
    }

    /// Follows `next` to the end; answers the ids and how many answers there were.
    private func follow(
        _ filter: AccountFilter, _ ledger: LedgerState
    ) throws -> (ids: [UInt128], pages: Int) {
        var filter = filter
        var ids: [UInt128] = []
        var pages = 0
        while true {
            let answer = try ledger.accountTransfers(filter)
            ids += answer.records.map(\.id.value)
            pages += 1
            guard let next = answer.next else { return (ids, pages) }
            if filter.flags.contains(.reversed) {
                filter.timestampMax = next
            } else {
                filter.timestampMin = next
            }
        }
    }

    @Test(
        arguments: [[.debits, .credits], [.debits, .credits, .reversed]] as [AccountFilterFlags])
    func pagesTogetherAreEverything(_ flags: AccountFilterFlags) throws {
        let ledger = ledger(transfers: 20_000)
        var filter = AccountFilter(account: AccountID(2), limit: 999, flags: flags)
        let even = (1...20_000).filter { $0 % 2 == 0 }.map { UInt128($0) }
        let expected = flags.contains(.reversed) ? even.reversed() : even
        let found = try follow(filter, ledger)
        #expect(found.ids == expected)
        #expect(found.pages == 11)
        filter.limit = .max
        #expect(try ledger.accountTransfers(filter).records.count == LedgerState.answerLimit)
        #expect(try follow(filter, ledger).ids == expected)
    }

    @Test func oneCallLooksAtABoundedNumberOfRecords() throws {
        let count = 2 * LedgerState.scanLimit + 10
        let ledger = ledger(transfers: count)
        for flags in [[.debits], [.debits, .reversed]] as [AccountFilterFlags] {
            var filter = AccountFilter(account: AccountID(1), flags: flags)
            filter.userData64 = 1
            let found = try follow(filter, ledger)
            #expect(found.pages == 3)
            #expect(found.ids.sorted() == (1...131).map { UInt128($0) * 1_000 })
            filter.userData64 = 7
            let none = try ledger.accountTransfers(filter)
            #expect(none.records.isEmpty && none.next != nil)
        }
        var filter = QueryFilter()
        filter.userData64 = 7
        let forward = try ledger.queryTransfers(filter)
        #expect(forward.records.isEmpty)
        #expect(forward.next == ledger.transfers[LedgerState.scanLimit].timestamp)
        filter.flags = .reversed
        let backward = try ledger.queryTransfers(filter)
        #expect(backward.next == ledger.transfers[LedgerState.scanLimit + 9].timestamp)
        filter.timestampMax = ledger.transfers[LedgerState.scanLimit - 1].timestamp
        #expect(try ledger.queryTransfers(filter).next == nil)
    }

    private func fill(_ filter: inout some TableFilter) {
        filter.userData128 = 4
        filter.userData64 = 5
        filter.userData32 = 6
        filter.code = 7
        filter.timestampMin = Timestamp(nanoseconds: 8)
        filter.timestampMax = Timestamp(nanoseconds: 10)
    }

    @Test func filtersAndBalancesAreTheBytesOfTheWire() throws {
        var account = AccountFilter(account: AccountID(3), limit: 9, flags: [.credits, .reversed])
        fill(&account)
        let bytes = account.canonicalBytes()
        let places = [0: 3, 16: 4, 32: 5, 40: 6, 44: 7, 104: 8, 112: 10, 120: 9, 124: 6]
        #expect(bytes == (0..<128).map { UInt8(places[$0] ?? 0) })
        #expect(try AccountFilter(canonicalBytes: bytes) == account)
        var any = QueryFilter(limit: 9, flags: .reversed)
        fill(&any)
        any.ledger = 2
        let anyBytes = any.canonicalBytes()
        let anyPlaces = [0: 4, 16: 5, 24: 6, 28: 2, 32: 7, 40: 8, 48: 10, 56: 9, 60: 1]
        #expect(anyBytes == (0..<64).map { UInt8(anyPlaces[$0] ?? 0) })
        #expect(try QueryFilter(canonicalBytes: anyBytes) == any)
        let balance = AccountBalance(
            debitsPending: Amount(1), debitsPosted: Amount(2), creditsPending: Amount(3),
            creditsPosted: Amount(4), timestamp: Timestamp(nanoseconds: 5))
        let balanceBytes = balance.canonicalBytes()
        let balancePlaces = [0: 1, 16: 2, 32: 3, 48: 4, 64: 5]
        #expect(balanceBytes == (0..<128).map { UInt8(balancePlaces[$0] ?? 0) })
        #expect(try AccountBalance(canonicalBytes: balanceBytes) == balance)
        for place in [46, 103] {
            var changed = bytes
            changed[place] = 1
            #expect(throws: CodecError.self) { try AccountFilter(canonicalBytes: changed) }
        }
        var changed = anyBytes
        changed[39] = 1
        #expect(throws: CodecError.self) { try QueryFilter(canonicalBytes: changed) }
        changed = balanceBytes
        changed[127] = 1
        #expect(throws: CodecError.self) { try AccountBalance(canonicalBytes: changed) }
    }

    @Test func historyTravelsBesideTheState() throws {
        let original = ledger(transfers: 3_000)
        let bytes = original.canonicalBytes()
        var writer = ByteWriter()
        original.encodeHistory(into: &writer)
        #expect(writer.bytes.count == 8 + 3_000 * 32)
        var decoded = try LedgerState(canonicalBytes: bytes)
        let filter = AccountFilter(account: AccountID(1))
        #expect(try decoded.accountBalances(filter).records == [])
        var reader = ByteReader(writer.bytes)
        try decoded.restoreHistory(from: &reader)
        #expect(reader.remaining == 0)
        let rows = try decoded.accountBalances(filter)
        #expect(rows == (try original.accountBalances(filter)))
        #expect(rows.records.map(\.debitsPosted.units) == (1...3_000).map { UInt128($0) })
        #expect(decoded.canonicalBytes() == bytes)
        #expect(decoded.checkInvariants() == [])
        for broken in [Array(writer.bytes.dropLast(32)), [1] + writer.bytes.dropFirst()] {
            var reader = ByteReader(broken)
            #expect(throws: CodecError.self) { try decoded.restoreHistory(from: &reader) }
            #expect(try decoded.accountBalances(filter) == rows)
        }
        var huge = writer.bytes
        for place in 8..<24 { huge[huge.count - 40 + place] = .max }
        var reader2 = ByteReader(huge)
        #expect(throws: CodecError.invalidValue("balance history")) {
            try decoded.restoreHistory(from: &reader2)
        }
    }
}

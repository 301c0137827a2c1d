import Ledger
import Primitives
import Testing

/// The ledger's lists and id tables are chunked; these cross every boundary between chunks.
@Suite("Chunked storage")
struct ChunkedStorageTests {
    private func transfer(_ number: Int) -> Transfer {
        Transfer(
            id: TransferID(UInt128(number + 1) << 64 | 5), debitAccount: AccountID(1),
            creditAccount: AccountID(2), amount: Amount(1), ledger: 1, code: 1)
    }

    private func opened() -> LedgerState {
        var ledger = LedgerState()
        let accounts = (1...2).map { Account(id: AccountID($0), ledger: 1, code: 1) }
        _ = ledger.createAccounts(accounts, at: Timestamp(nanoseconds: 2))
        return ledger
    }

    @Test func everythingIsFoundAfterGrowth() {
        var ledger = opened()
        let count = 20_000
        for start in stride(from: 0, to: count, by: 1_000) {
            let batch = (start..<start + 1_000).map { transfer($0) }
            let results = ledger.createTransfers(batch, at: Timestamp(nanoseconds: 0))
            #expect(results.allSatisfy { $0.status == .created })
        }
        #expect(ledger.transfers.count == count)
        #expect(ledger.transfers.map(\.id) == (0..<count).map { transfer($0).id })
        #expect((0..<count).allSatisfy { ledger.transfer(transfer($0).id)?.id == transfer($0).id })
        #expect(ledger.transfer(transfer(count).id) == nil)
        #expect(ledger.checkInvariants() == [])
    }

    @Test func reservingRoomChangesNothing() {
        var reserved = opened()
        reserved.reserveCapacity(accounts: 10, transfers: 50_000)
        var ledger = opened()
        let batch = (0..<5_000).map { transfer($0) }
        let moment = Timestamp(nanoseconds: 9_000)
        #expect(
            reserved.createTransfers(batch, at: moment) == ledger.createTransfers(batch, at: moment)
        )
        #expect(reserved == ledger)
        #expect(reserved.checkInvariants() == [])
    }

    @Test(arguments: [10, 1_023, 1_024, 1_025, 3_000, 4_096, 5_000])
    func copiesPartWays(_ count: Int) {
        var original = opened()
        _ = original.createTransfers(
            (0..<count).map { transfer($0) }, at: Timestamp(nanoseconds: 0))
        let bytes = original.canonicalBytes()
        var copy = original
        #expect(
            copy.createTransfer(transfer(count), at: Timestamp(nanoseconds: 0)) == .created)
        #expect(original.canonicalBytes() == bytes)
        #expect(original.transfer(transfer(count).id) == nil)
        #expect(copy.transferCount == count + 1)
        let other = copy.canonicalBytes()
        var chain = (count..<count + 2_000).map { transfer($0) }
        for place in 0..<1_999 { chain[place].flags = .linked }
        _ = original.createTransfers(chain, at: Timestamp(nanoseconds: 0))
        #expect(original.transferCount == count + 2_000)
        #expect(copy.canonicalBytes() == other)
        #expect(original.checkInvariants() == [] && copy.checkInvariants() == [])
    }

    @Test(arguments: [0, 1_000, 4_000, 8_000])
    func undoingAcrossChunksLeavesNothing(_ count: Int) {
        var ledger = opened()
        _ = ledger.createTransfers((0..<count).map { transfer($0) }, at: Timestamp(nanoseconds: 0))
        let before = ledger
        var chain = (count..<count + 6_000).map { transfer($0) }
        for place in chain.indices { chain[place].flags = .linked }
        chain.append(transfer(count + 6_000))
        chain[6_000].code = 0
        let results = ledger.createTransfers(chain, at: Timestamp(nanoseconds: 0))
        #expect(results.last?.status == .codeMustNotBeZero)
        #expect(ledger.transfers == before.transfers && ledger.accounts == before.accounts)
        #expect((0..<count).allSatisfy { ledger.transfer(transfer($0).id) != nil })
        #expect(ledger.transfer(transfer(count).id) == nil)
        #expect(ledger.checkInvariants() == [])
        chain.removeLast()
        chain[5_999].flags = []
        let again = ledger.createTransfers(chain, at: Timestamp(nanoseconds: 0))
        #expect(again.allSatisfy { $0.status == .created })
        #expect(ledger.checkInvariants() == [])
    }
}

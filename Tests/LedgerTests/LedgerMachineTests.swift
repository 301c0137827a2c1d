import Ledger
import Primitives
import Testing

/// When a command releases what is due: before its first event, by the moment of that event.
@Suite struct LedgerMachineTests {
    private static let second: UInt64 = 1_000_000_000
    /// When the transfer 1 was reserved, and when that ends.
    private static let reserved: UInt64 = 50 * second
    private static let end = reserved + second

    /// Account 1 has 10 to spend, all of it reserved by transfer 1; account 2 has no limit.
    private func books() -> LedgerMachine {
        var machine = LedgerMachine()
        let accounts = [
            Account(id: AccountID(1), ledger: 1, code: 1, flags: [.debitsMustNotExceedCredits]),
            Account(id: AccountID(2), ledger: 1, code: 1),
        ]
        _ = machine.apply(.createAccounts(accounts), at: Timestamp(seconds: 1))
        let funding = transfer(100, from: 2, to: 1)
        let pending = transfer(1, from: 1, to: 2, [.pending], timeout: 1)
        _ = machine.apply(
            .createTransfers([funding, pending]), at: Timestamp(nanoseconds: Self.reserved))
        return machine
    }

    private func transfer(
        _ id: UInt128, from debit: UInt128, to credit: UInt128, _ flags: TransferFlags = [],
        timeout: UInt32 = 0
    ) -> Transfer {
        Transfer(
            id: TransferID(id), debitAccount: AccountID(debit), creditAccount: AccountID(credit),
            amount: Amount(10), ledger: 1, code: 1, flags: flags, timeout: timeout)
    }

    /// What becomes of a batch whose first event is at this moment.
    private func statuses(
        _ machine: inout LedgerMachine, _ batch: [Transfer], from moment: UInt64
    ) -> [CreateTransferStatus] {
        let time = Timestamp(nanoseconds: moment + UInt64(batch.count) - 1)
        guard case .transfers(let results) = machine.apply(.createTransfers(batch), at: time)
        else { return [] }
        return results.map(\.status)
    }

    /// In the middle of the batch the time is over; the first event comes before that.
    @Test func aReservationCanBePostedUntilItsLastNanosecond() {
        let fillers = (10..<13).map { transfer($0, from: 2, to: 1) }
        for (moment, expected) in [
            (Self.end - 1, CreateTransferStatus.created), (Self.end, .pendingTransferExpired),
        ] {
            var machine = books()
            let post = Transfer.post(TransferID(1), id: TransferID(2))
            let found = statuses(&machine, [post] + fillers, from: moment)
            #expect(found == [expected, .created, .created, .created])
            #expect(machine.ledger.checkInvariants() == [])
        }
        // As the second event of a batch it is at its end.
        var machine = books()
        let post = Transfer.post(TransferID(1), id: TransferID(2))
        #expect(
            statuses(&machine, [fillers[0], post], from: Self.end - 1)
                == [.created, .pendingTransferExpired])
    }

    /// What it reserved can be spent by a batch that begins at its end, and not in one before.
    @Test func aLimitCountsWhatWasNotOverWhenTheBatchBegan() {
        let batch = (10..<13).map { transfer($0, from: 1, to: 2) }
        var early = books()
        #expect(
            statuses(&early, batch, from: Self.end - 1)
                == [.exceedsCredits, .exceedsCredits, .exceedsCredits])
        #expect(early.ledger.pendingStatus(TransferID(1)) == .pending)
        let pulse = early.apply(.pulse, at: Timestamp(nanoseconds: Self.end + 2))
        #expect(pulse == .pulsed([TransferID(1)]))
        var late = books()
        #expect(
            statuses(&late, batch, from: Self.end)
                == [.created, .exceedsCredits, .exceedsCredits])
        #expect(late.ledger.pendingStatus(TransferID(1)) == .expired)
    }

    @Test func aPulseReleasesAtItsOwnMoment() {
        var machine = books()
        let end = Timestamp(nanoseconds: Self.end)
        let before = Timestamp(nanoseconds: Self.end - 1)
        #expect(!machine.isPulseDue(at: before) && machine.isPulseDue(at: end))
        #expect(machine.apply(.pulse, at: before) == .pulsed([]))
        #expect(machine.apply(.pulse, at: end) == .pulsed([TransferID(1)]))
    }
}

import Ledger
import NaiveLedger
import Primitives
import Testing

@Suite("Ledger state")
struct LedgerStateTests {
    /// Plays a random history and answers the ledger it leaves.
    private func play(seed: UInt64, tableSeed: UInt64 = 1, rounds: Int = 120) -> LedgerState {
        var history = RandomHistory(seed: seed)
        var ledger = LedgerState(tableSeed: tableSeed)
        let opening = history.opening()
        _ = ledger.createAccounts(opening, at: history.moment(for: opening.count))
        for _ in 0..<rounds {
            let batch = history.transferBatch()
            let moment = history.moment(for: batch.count)
            _ = ledger.expire(at: moment)
            history.learn(batch, ledger.createTransfers(batch, at: moment))
        }
        return ledger
    }

    private func account(_ id: UInt128, _ flags: AccountFlags = []) -> Account {
        Account(id: AccountID(id), ledger: 1, code: 1, flags: flags)
    }

    private func transfer(
        _ id: UInt128, _ debit: UInt128, _ credit: UInt128, _ amount: UInt128,
        _ flags: TransferFlags = [], timeout: UInt32 = 0
    ) -> Transfer {
        Transfer(
            id: TransferID(id), debitAccount: AccountID(debit), creditAccount: AccountID(credit),
            amount: Amount(amount), ledger: 1, code: 1, flags: flags, timeout: timeout)
    }

    @Test func sameHistoryLeavesTheSameBytes() {
        let first = play(seed: 5)
        // The layout of the tables is not observable.
        let second = play(seed: 5, tableSeed: 99)
        #expect(first == second)
        #expect(first.canonicalBytes() == second.canonicalBytes())
        #expect(first.canonicalBytes() != play(seed: 6).canonicalBytes())
        #expect(first.transferCount > 50)
        #expect(!first.burntIDs.isEmpty)
    }

    @Test func decodedStateGoesOnLikeTheOriginal() throws {
        var original = play(seed: 11)
        let bytes = original.canonicalBytes()
        var decoded = try LedgerState(canonicalBytes: bytes)
        #expect(decoded == original)
        #expect(decoded.canonicalBytes() == bytes)
        #expect(decoded.nextExpiry == original.nextExpiry)
        var history = RandomHistory(seed: 12)
        for _ in 0..<60 {
            let batch = history.transferBatch()
            let moment = original.latest + .milliseconds(300)
            #expect(original.expire(at: moment) == decoded.expire(at: moment))
            let answers = original.createTransfers(batch, at: moment)
            #expect(answers == decoded.createTransfers(batch, at: moment))
            history.learn(batch, answers)
        }
        #expect(original.canonicalBytes() == decoded.canonicalBytes())
    }

    @Test func everyPartOfTheStateIsInItsBytes() {
        let moment = Timestamp(seconds: 9)
        var base = LedgerState()
        _ = base.createAccounts([account(1), account(2)], at: moment)
        _ = base.createTransfer(transfer(1, 1, 2, 5, .pending, timeout: 1), at: moment)
        var burnt = base
        #expect(burnt.createTransfer(transfer(2, 1, 3, 5), at: moment) == .creditAccountNotFound)
        var refused = base
        #expect(refused.createTransfer(transfer(0, 1, 2, 5), at: moment) == .idMustNotBeZero)
        var expired = base
        #expect(expired.expire(at: moment + .seconds(2)) == [TransferID(1)])
        var voided = base
        let void = Transfer.void(TransferID(1), id: TransferID(2))
        #expect(voided.createTransfer(void, at: moment) == .created)
        let states = [base, burnt, refused, expired, voided].map { $0.canonicalBytes() }
        #expect(Set(states).count == states.count)
    }

    @Test func brokenBytesAreRefused() throws {
        var ledger = LedgerState()
        _ = ledger.createAccounts([account(1), account(2)], at: Timestamp(seconds: 1))
        _ = ledger.createTransfer(transfer(1, 1, 2, 5), at: Timestamp(seconds: 2))
        let bytes = ledger.canonicalBytes()
        #expect(try LedgerState(canonicalBytes: bytes) == ledger)
        for length in 0..<bytes.count {
            #expect(throws: CodecError.self) {
                try LedgerState(canonicalBytes: Array(bytes[0..<length]))
            }
        }
        // Balances, ids, timestamps and links of the records hang together: these cannot change.
        let accountStart = 12
        let transferStart = 12 + 2 * 128 + 4
        let touched = [
            accountStart + 16, accountStart + 32, accountStart + 48, accountStart + 108,
            accountStart + 119, transferStart + 16, transferStart + 48, transferStart + 64,
            transferStart + 118, transferStart + 128,
        ]
        for offset in touched {
            var changed = bytes
            changed[offset] ^= 0x41
            #expect(throws: CodecError.self, "byte \(offset)") {
                try LedgerState(canonicalBytes: changed)
            }
        }
    }

    @Test func longBrokenChainLeavesNothing() {
        var ledger = LedgerState()
        _ = ledger.createAccounts([account(1), account(2)], at: Timestamp(seconds: 1))
        let kept = (1...500).map { transfer(UInt128($0) << 60 | 7, 1, 2, 1) }
        _ = ledger.createTransfers(kept, at: Timestamp(seconds: 2))
        let before = ledger
        var chain = (1...5_000).map {
            transfer(UInt128($0) * 0x1_0001, 1, 2, 1, [.linked, .pending], timeout: 5)
        }
        chain.append(transfer(1, 1, 1, 1))
        let results = ledger.createTransfers(chain, at: Timestamp(seconds: 3))
        #expect(results.dropLast().allSatisfy { $0.status == .linkedEventFailed })
        #expect(results.last?.status == .accountsMustBeDifferent)
        #expect(ledger.accounts == before.accounts)
        #expect(ledger.transfers == before.transfers)
        #expect(ledger.nextExpiry == nil)
        #expect(ledger.checkInvariants() == [])
        chain[5_000].creditAccount = AccountID(2)
        let again = ledger.createTransfers(chain, at: Timestamp(seconds: 4))
        #expect(again.allSatisfy { $0.status == .created })
        #expect(ledger.expire(at: Timestamp(seconds: 10)).count == 5_000)
        #expect(ledger.checkInvariants() == [])
        #expect(ledger.account(AccountID(1))?.debitsPosted == Amount(501))
    }

    @Test func timestampsRiseEvenIfTheCallerRepeatsOne() {
        var ledger = LedgerState()
        let moment = Timestamp(nanoseconds: 100)
        let accounts = ledger.createAccounts([account(1), account(2)], at: moment)
        #expect(accounts.map(\.timestamp.nanoseconds) == [99, 100])
        let batch = [transfer(1, 1, 2, 5), transfer(2, 1, 2, 5)]
        let transfers = ledger.createTransfers(batch, at: moment)
        #expect(transfers.map(\.timestamp.nanoseconds) == [101, 102])
        #expect(ledger.createTransfers([], at: Timestamp(nanoseconds: 500)) == [])
        #expect(ledger.latest == Timestamp(nanoseconds: 102))
        #expect(
            ledger.createTransfer(transfer(3, 1, 2, 5, .linked), at: moment)
                == .linkedEventChainOpen)
        #expect(ledger.createAccount(account(3, .linked), at: moment) == .linkedEventChainOpen)
        #expect(ledger.createAccount(account(3), at: Timestamp(nanoseconds: 500)) == .created)
        #expect(ledger.account(AccountID(3))?.timestamp == Timestamp(nanoseconds: 500))
        #expect(ledger.checkInvariants() == [])
    }

    @Test func trialBalanceAddsUpPastOneHundredAndTwentyEightBits() {
        var ledger = LedgerState()
        var accounts = (1...6).map { account(UInt128($0)) }
        accounts[4].ledger = 9
        accounts[5].ledger = 9
        _ = ledger.createAccounts(accounts.reversed(), at: Timestamp(seconds: 1))
        var other = transfer(3, 5, 6, 7, .pending)
        other.ledger = 9
        let batch = [transfer(1, 1, 2, .max), transfer(2, 3, 4, .max), other]
        #expect(
            ledger.createTransfers(batch, at: Timestamp(seconds: 2)).map(\.status)
                == [.created, .created, .created])
        let lines = ledger.trialBalance()
        #expect(lines.map(\.ledger) == [1, 9])
        #expect(lines.allSatisfy { $0.isBalanced })
        #expect(lines[0].debitsPosted.carries == 1)
        #expect(lines[0].debitsPosted.units == UInt128.max - 1)
        #expect(lines[0].creditsPosted.amount == nil)
        #expect(lines[1].creditsPending.amount == Amount(7))
        #expect(ledger.checkInvariants() == [])
    }
}

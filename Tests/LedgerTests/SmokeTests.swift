import Ledger
import Primitives
import Testing

@Test func movesMoneyBetweenTwoAccounts() {
    var ledger = LedgerState()
    let now = Timestamp(seconds: 1)
    let accounts = [
        Account(id: AccountID(1), ledger: 1, code: 1),
        Account(id: AccountID(2), ledger: 1, code: 1),
    ]
    #expect(ledger.createAccounts(accounts, at: now).map(\.status) == [.created, .created])
    let transfer = Transfer(
        id: TransferID(1), debitAccount: AccountID(1), creditAccount: AccountID(2),
        amount: Amount(7), ledger: 1, code: 1)
    #expect(ledger.createTransfer(transfer, at: now) == .created)
    #expect(ledger.createTransfer(transfer, at: now) == .exists)
    #expect(ledger.account(AccountID(2))?.creditsPosted == Amount(7))
    #expect(ledger.checkInvariants().isEmpty)
}

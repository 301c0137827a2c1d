import Chains
public import Clearing
import Primitives

/// What the books say came to the house's token account on Solana as deposits, taken at one moment,
/// beside what the account's history says.
public struct PayerDeposits: Hashable, Sendable {
    /// What the books have of the slots that were read.
    public let books: UInt128
    /// What of it the history has, including `booked`.
    public let chain: UInt128
    /// Transfers that the account's book still has for strays and that the books have as deposits.
    public let booked: Set<PayerBook.Transfer>

    /// Compares a book of the account with the house's deposits. O(deposits and strays).
    public init(_ book: PayerBook, _ house: borrowing ClearingHouse) {
        var (books, booked): (UInt128, Set<PayerBook.Transfer>) = (0, [])
        for deposit in house.deposits {
            let slot = deposit.transfer.slot
            if slot > book.start.slot, slot <= book.cursor.slot {
                books += UInt128(deposit.transfer.units)
            }
        }
        for stray in book.strayIn {
            guard let transfer = stray.tokenTransfer, let known = house.deposit(of: transfer),
                known.transfer == transfer
            else { continue }
            booked.insert(stray)
        }
        self.books = books
        self.booked = booked
        chain = booked.reduce(book.deposited) { $0 + UInt128($1.units) }
    }
}

extension PayerBook.Transfer {
    /// The same as the books name it; `nil` if nobody can be credited with it: no transfer explains
    /// it, or its place is not known.
    public var tokenTransfer: TokenTransfer? {
        guard let account, let instruction else { return nil }
        return TokenTransfer(
            owner: account.value, units: units, slot: slot, transaction: transaction,
            instruction: instruction)
    }
}

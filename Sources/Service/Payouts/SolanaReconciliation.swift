public import Chains
import Clearing
public import Primitives

/// The house's token account on Solana against the books, up to the slot that was read.
public struct SolanaReconciliation: Sendable {
    /// The token account.
    public let account: SolanaAddress
    /// Up to which slot its history was read; 0 before the first look.
    public let slot: UInt64
    /// When that was; `nil` before the first look.
    public let readAt: Timestamp?
    /// The comparisons.
    public let lines: [Reconciliation.Line]
    /// What is stuck.
    public let stranded: [StrandedItem]

    /// The comparisons of an account.
    ///
    /// - Parameters:
    ///   - deposits: what came to it as deposits.
    ///   - balance: what it holds by its history.
    ///   - holds: what it holds, if that is something else for good.
    public static func lines(
        _ found: PayerComparison, _ deposits: PayerDeposits, balance: UInt128, holds: UInt128?
    ) -> [Reconciliation.Line] {
        [
            Reconciliation.Line(
                check: .solanaSent, asset: .usd, chain: found.wentOut, books: found.found,
                explained: found.explained),
            Reconciliation.Line(
                check: .solanaPaid, asset: .usd, chain: found.found, books: found.paid,
                explained: 0),
            Reconciliation.Line(
                check: .solanaBalance, asset: .usd, chain: holds ?? balance, books: balance,
                explained: 0),
            Reconciliation.Line(
                check: .solanaDeposited, asset: .usd, chain: deposits.chain,
                books: deposits.books, explained: 0),
        ]
    }

    static func item(_ kind: StrandedItem.Kind, _ transfer: PayerBook.Transfer) -> StrandedItem {
        StrandedItem(
            kind, .usd, UInt128(transfer.units), solanaAccount: transfer.account,
            solanaTransaction: transfer.transaction)
    }

    /// Deposits that wait for long: the payer has nothing to sell. O(waiting deposits).
    static func waiting(
        _ house: borrowing ClearingHouse, since now: Timestamp, _ rules: StrandingRules
    ) -> [StrandedItem] {
        house.waitingDeposits.filter { $0.bookedAt + rules.overdue <= now }.map { deposit in
            StrandedItem(
                .depositWaiting, .usd, UInt128(deposit.waiting),
                account: house.party(deposit.party)?.address, number: deposit.id.rawValue,
                since: deposit.bookedAt, solanaTransaction: deposit.transfer.transaction)
        }
    }

    /// Payments whose receivers cannot be paid. O(open payments).
    static func quarantined(_ house: borrowing ClearingHouse) -> [StrandedItem] {
        var items: [StrandedItem] = []
        for dispersal in house.openDispersals where dispersal.rail == .solana {
            for payment in dispersal.payments where payment.state == .quarantined {
                guard case .solana(let owner) = payment.receiver else { continue }
                items.append(
                    StrandedItem(
                        .paymentQuarantined, dispersal.asset, payment.units,
                        account: house.party(payment.party)?.address,
                        number: dispersal.id.rawValue, since: dispersal.madeAt,
                        solanaAccount: SolanaAddress(owner)))
            }
        }
        return items
    }
}

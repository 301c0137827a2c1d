import Chains
import Clearing
import Logging
import Primitives

/// From the account's history to the books: what registered owners sent is booked as their parties'
/// deposits, each transfer once.
extension SolanaWatch {
    /// After how many commands the rest waits for the next look.
    private static let depositsAtOnce = 256

    /// Whether a transfer of a registered owner is to be credited.
    func isDeposit(
        _ transfer: PayerBook.Transfer, _ registered: Set<SolanaAddress>
    ) -> Bool {
        guard let owner = transfer.account, registered.contains(owner) else { return false }
        return transfer.instruction != nil && transfer.units >= minimumDeposit
            && !treasuries.owners.contains(owner)
    }

    /// Books what came and is not booked, oldest first, and takes it out of the strays. The books
    /// know each transfer by its place, so that one they have already is taken out alone.
    func bookDeposits(
        _ book: inout PayerBook, _ found: PayerComparison, _ registered: Set<SolanaAddress>
    ) async throws {
        let wanted = book.strayIn.filter { transfer in
            isDeposit(transfer, registered) && !found.returned.contains(transfer)
                && !found.doubtful.contains(transfer)
        }.prefix(Self.depositsAtOnce)
        try await namePayer(isWanted: !wanted.isEmpty)
        let transfers = wanted.compactMap(\.tokenTransfer)
        let outcomes = try await sequencer.submit(batch: transfers.map { .bookDeposit($0) })
        for (transfer, outcome) in zip(transfers, outcomes) {
            switch outcome {
            case .success:
                log.info(
                    "a deposit on Solana is booked",
                    metadata: [
                        "owner": "\(SolanaAddress(transfer.owner))", "units": "\(transfer.units)",
                        "transaction": "\(PayoutOwner.text(transfer.transaction))",
                    ])
            case .failure(.depositBooked), .failure(.tooManyDeposits),
                .failure(.depositorNotFound):
                continue
            case .failure(let rejection):
                log.error(
                    "a deposit on Solana was refused",
                    metadata: [
                        "transaction": "\(PayoutOwner.text(transfer.transaction))",
                        "why": "\(rejection)",
                    ])
            }
        }
        let now = book
        book.credit(try await sequencer.read { PayerDeposits(now, $0).booked })
    }

    /// Says whose claims are sold for deposits, if the books know another one's or nobody's. They
    /// are told only when there is a deposit.
    private func namePayer(isWanted: Bool) async throws {
        let claimant = claimant
        let isOther = try await sequencer.read { house in
            let known = house.depositPayer.flatMap { house.party($0) }?.address
            return known != claimant && (isWanted || !house.waitingDeposits.isEmpty)
        }
        if isOther { _ = try await sequencer.submit(.takeDeposits(payer: claimant)) }
    }
}

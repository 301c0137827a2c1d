import Primitives

extension LedgerState {
    /// Refuses a request that uses the id of a stored transfer for something else. The flags come
    /// first, because they decide how the rest is compared.
    func checkSame(
        _ request: Transfer, as stored: Transfer
    ) throws(CreateTransferStatus) {
        if request.flags != stored.flags { throw .existsWithDifferentFlags }
        if request.pendingID != stored.pendingID { throw .existsWithDifferentPendingID }
        if request.timeout != stored.timeout { throw .existsWithDifferentTimeout }
        if !request.flags.isDisjoint(with: .resolving) {
            guard case .transfer(let index) = lookUp(stored.pendingID) else {
                preconditionFailure("transfers are never deleted")
            }
            return try LedgerState.checkSame(
                LedgerState.filled(request, from: transfers[index]), as: stored)
        }
        // A balancing transfer moved what there was; the same request may name any limit above.
        var request = request
        let balancing: TransferFlags = [.balancingDebit, .balancingCredit]
        if !request.flags.isDisjoint(with: balancing), request.amount >= stored.amount {
            request.amount = stored.amount
        }
        try LedgerState.checkSame(request, as: stored)
    }

    /// A post or void with what it inherits from its pending transfer written out.
    private static func filled(_ request: Transfer, from pending: Transfer) -> Transfer {
        var request = request
        if request.debitAccount == .none { request.debitAccount = pending.debitAccount }
        if request.creditAccount == .none { request.creditAccount = pending.creditAccount }
        request.amount = resolvedAmount(request, of: pending)
        if request.userData128 == 0 { request.userData128 = pending.userData128 }
        if request.userData64 == 0 { request.userData64 = pending.userData64 }
        if request.userData32 == 0 { request.userData32 = pending.userData32 }
        if request.ledger == 0 { request.ledger = pending.ledger }
        if request.code == 0 { request.code = pending.code }
        return request
    }

    private static func checkSame(
        _ request: Transfer, as stored: Transfer
    ) throws(CreateTransferStatus) {
        if request.debitAccount != stored.debitAccount { throw .existsWithDifferentDebitAccountID }
        if request.creditAccount != stored.creditAccount {
            throw .existsWithDifferentCreditAccountID
        }
        if request.amount != stored.amount { throw .existsWithDifferentAmount }
        if request.userData128 != stored.userData128 { throw .existsWithDifferentUserData128 }
        if request.userData64 != stored.userData64 { throw .existsWithDifferentUserData64 }
        if request.userData32 != stored.userData32 { throw .existsWithDifferentUserData32 }
        if request.ledger != stored.ledger { throw .existsWithDifferentLedger }
        if request.code != stored.code { throw .existsWithDifferentCode }
    }
}

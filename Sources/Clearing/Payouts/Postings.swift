import Ledger
import Primitives

/// How the rules move money: every movement is one transfer in the double-entry ledger. Callers
/// have checked that it fits, so a refused transfer is a defect of the rules and stops the process
/// rather than let books and records differ.
extension ClearingHouse {
    /// Moves `amount` between two accounts; nothing happens for zero.
    mutating func move(
        _ amount: Amount, from source: AccountID, to target: AccountID, _ reason: TransferReason,
        _ reference: UInt64 = 0, at time: Timestamp
    ) {
        if amount.isZero { return }
        post(transfer(amount, source, target, reason, reference, []), at: time)
    }

    /// Reserves `amount`, to be taken or released later.
    mutating func reserve(
        _ amount: Amount, from source: AccountID, to target: AccountID, _ reason: TransferReason,
        _ reference: UInt64, at time: Timestamp
    ) -> TransferID {
        let request = transfer(amount, source, target, reason, reference, .pending)
        post(request, at: time)
        return request.id
    }

    /// Takes `amount` of a reservation (all of it when `nil`) and releases the rest.
    mutating func take(_ reservation: TransferID, amount: Amount? = nil, at time: Timestamp) {
        post(.post(reservation, id: takeTransferID(), amount: amount), at: time)
    }

    /// Releases a reservation.
    mutating func release(_ reservation: TransferID, at time: Timestamp) {
        post(.void(reservation, id: takeTransferID()), at: time)
    }

    private mutating func transfer(
        _ amount: Amount, _ source: AccountID, _ target: AccountID, _ reason: TransferReason,
        _ reference: UInt64, _ flags: TransferFlags
    ) -> Transfer {
        open(source, at: now)
        open(target, at: now)
        guard let number = source.ledgerNumber, number == target.ledgerNumber else {
            preconditionFailure("a transfer has one asset")
        }
        return Transfer(
            id: takeTransferID(), debitAccount: source, creditAccount: target, amount: amount,
            ledger: number, code: reason.rawValue, flags: flags, userData64: reference)
    }

    private mutating func post(_ request: Transfer, at time: Timestamp) {
        let status = ledger.createTransfer(request, at: time)
        precondition(status == .created, "the ledger refused a checked transfer: \(status)")
    }

    private mutating func takeTransferID() -> TransferID {
        defer { nextTransfer += 1 }
        return TransferID(nextTransfer)
    }

    /// Opens an account the first time it is used. Owners' accounts cannot be overdrawn; the mirror
    /// of the chain cannot pay out more dollars than came in.
    private mutating func open(_ id: AccountID, at time: Timestamp) {
        if ledger.account(id) != nil { return }
        guard let purpose = id.purpose, let number = id.ledgerNumber else {
            preconditionFailure("not an account of the house")
        }
        let flags: AccountFlags =
            if purpose == .chain, id.asset == .usd {
                .creditsMustNotExceedDebits
            } else if purpose.isSource {
                []
            } else {
                .debitsMustNotExceedCredits
            }
        let account = Account(
            id: id, ledger: number, code: UInt16(purpose.rawValue), flags: flags,
            userData64: id.owner.rawValue)
        let status = ledger.createAccount(account, at: time)
        precondition(status == .created, "the ledger refused a new account: \(status)")
    }
}

import Clearing
import Primitives
import Synchronization

/// Whether the chain holds what is owed. While it does not, nobody is paid with the others' money.
extension SettlementService {
    /// Chain units of dollars that are owed and not there, as the last reconciliation found: 0 if a
    /// person has said to go on with so many missing. TLY that is missing is a reserve that was not
    /// paid in, which the contract itself promises nobody.
    var missingCover: UInt128 {
        state.withLock { state in
            let missing = Self.missing(state.reconciliation)
            return missing > state.acceptedShortfall ? missing : 0
        }
    }

    /// Throws while dollars are missing.
    func requireCover() throws(PayoutDesk.Failure) {
        let missing = missingCover
        if missing == 0 { return }
        let amount = Asset.usd.amount(chainUnits: missing).map { Asset.usd.format($0) }
        throw .unavailable(
            "$\(amount ?? "very much") more is owed than the chain holds: nothing new is paid "
                + "until an operator has looked")
    }

    /// A person has seen what is missing: payments go on unless it gets more.
    func acceptShortfall() {
        state.withLock { $0.acceptedShortfall = Self.missing($0.reconciliation) }
    }

    private static func missing(_ found: Reconciliation?) -> UInt128 {
        found?.stranded.first { $0.kind == .uncovered && $0.asset == .usd }?.amount ?? 0
    }
}

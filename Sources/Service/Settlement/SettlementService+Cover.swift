import Clearing
import Logging
public import Primitives
import Synchronization

/// Whether the chain holds what is owed. While it does not, nobody is paid with the others' money.
extension SettlementService {
    /// Chain units of dollars that are owed and not there, as the last reconciliation found; 0 if
    /// a person has accepted that so many are missing, or before the first one. TLY that is missing
    /// is a reserve that was not paid in, of which the contract itself promises nothing.
    var missingCover: UInt128 {
        state.withLock { state in
            let missing = state.reconciliation?.missingDollars ?? 0
            return missing > state.acceptedShortfall ? missing : 0
        }
    }

    /// Throws while dollars are missing.
    public func requireCover() throws(PayoutDesk.Failure) {
        let missing = missingCover
        if missing == 0 { return }
        throw .unavailable(
            "$\(Self.dollars(missing)) more is owed than the chain holds: nothing new is "
                + "paid until an operator has looked")
    }

    /// Lets payments go on though so much is missing. It is forgotten as far as that is less again,
    /// and with the process.
    public func acceptShortfall(_ amount: Amount) {
        let units = Asset.usd.chainUnits(amount)
        state.withLock { $0.acceptedShortfall = units }
        log.critical(
            "an operator accepts that dollars are missing: payments go on",
            metadata: ["up to": "\(Self.dollars(units))"])
    }

    /// Keeps what a look with the usual rules found. While not all blocks are searched a stranger's
    /// tokens may pass for what is missing.
    func note(_ found: Reconciliation) {
        state.withLock { state in
            state.reconciliation = found
            guard found.isSearched else { return }
            state.acceptedShortfall = min(state.acceptedShortfall, found.missingDollars)
        }
    }

    private static func dollars(_ units: UInt128) -> String {
        Asset.usd.amount(chainUnits: units).map { Asset.usd.format($0) } ?? "very much"
    }
}

extension Reconciliation {
    /// What alert 9 says of dollars, in chain units.
    fileprivate var missingDollars: UInt128 {
        stranded.first { $0.kind == .uncovered && $0.asset == .usd }?.amount ?? 0
    }
}

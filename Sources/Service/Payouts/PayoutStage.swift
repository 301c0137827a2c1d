import Chains
public import Clearing
import Primitives
import Synchronization

/// How far a payment is.
public enum PayoutStage: String, Sendable {
    /// Nothing was given to a node yet.
    case waiting
    /// The chain refuses it for now.
    case refused
    /// It was given to the nodes, and is in no block that is deep enough.
    case submitted
    /// The same, for so long that a person should look. It may be carried out.
    case unknown
    /// It is in a block that is confirmed and not final, on Solana if such blocks are believed; or
    /// in a root of a pool there that waits for its delay.
    case confirmed
    /// Its receiver cannot be paid now.
    case quarantined
    /// It is paid.
    case paid
    /// It will not be made; its money is the payee's again.
    case returned
    /// It is part of a smaller dispersal.
    case moved
}

extension PayoutDesk {
    /// How far each payment of a dispersal is, in their order.
    public func stages(of dispersal: Dispersal) -> [PayoutStage] {
        dispersal.payments.indices.map { place in
            switch dispersal.payments[place].state {
            case .paid: .paid
            case .returned: .returned
            case .moved: .moved
            case .quarantined: .quarantined
            case .due:
                switch dispersal.rail {
                case .push: settlement.stage(of: dispersal)
                case .pool: dispersal.root.map { PayoutStage($0) } ?? .waiting
                default: solana?.stage(of: dispersal, payment: place) ?? .waiting
                }
            }
        }
    }
}

extension PayoutDesk {
    /// Why a dispersal waits though its payees are not to blame, in a sentence without its full
    /// stop; `nil` if it does not.
    public func waitsFor(_ dispersal: Dispersal) -> String? {
        guard let root = dispersal.root else { return settlement.waitsFor(dispersal) }
        switch root.stage {
        case .due: return solana?.pool?.seen.withLock { $0.trouble }
        case .committed:
            let slot = solana?.pool?.seen.withLock { $0.state?.activeFrom }
            return slot.map { "its root pays from slot \($0) on" }
        case .disputed:
            return "the pool's guardian dropped its root: find out why, then have it committed anew"
        case .active: return nil
        }
    }
}

extension PayoutStage {
    /// How far the payments of a root are that does not pay.
    fileprivate init(_ root: PoolRoot) {
        self =
            switch root.stage {
            case .due: .waiting
            case .disputed: .refused
            case .committed, .active: .confirmed
            }
    }
}

extension SettlementService {
    fileprivate func stage(of dispersal: Dispersal) -> PayoutStage {
        let (step, id) = look(at: SettlementOrder.key(ofDispersal: dispersal.name))
        switch step {
        case .refused, .withoutBond: return .refused
        case .done: return .submitted
        case .wait(.inFlight(_, let transactions)) where !transactions.isEmpty:
            return notes.isUnknown(id) ? .unknown : .submitted
        case .submit, .wait: return .waiting
        }
    }
}

extension SolanaSettlement {
    fileprivate func stage(of dispersal: Dispersal, payment: Int) -> PayoutStage {
        let id = driver.id(of: dispersal, payment: payment)
        switch driver.status(of: id) {
        case .absent, .waiting, .inFlight([]): return .waiting
        case .quarantined: return .quarantined
        case .inFlight where notes.isUnknown(id): return .unknown
        case .inFlight: return driver.isReportedSettled(id) ? .confirmed : .submitted
        case .closed: return .submitted
        }
    }
}

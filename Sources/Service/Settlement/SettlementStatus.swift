import Chains
public import Clearing
import Cryptography
public import Primitives
import Synchronization

/// How far a batch's root is on the chain it is settled on.
public struct BatchRail: Hashable, Sendable {
    /// Where the root stands.
    public enum Stage: String, Sendable {
        /// Nothing was given to a node yet.
        case waiting
        /// The contract, or the policy of the key's signer, refuses it for now; it is tried again.
        case refused
        /// It was given to the nodes, and is in no block that is deep enough.
        case submitted
        /// The same, for so long that a person should look. It may be carried out.
        case unknown
        /// It is so deep as the house's confirmations ask.
        case confirmed
        /// It is in a block that the nodes call final.
        case finalized
        /// A guardian dropped it before it paid; the next batch repeats its claims.
        case disputed
        /// It was cut before the root before it was disputed: a person has to let it go on.
        case held
    }

    /// Where the root stands.
    public let stage: Stage
    /// The transaction, once there is one: the last that was signed, or the one in the chain.
    public let transaction: Digest?
}

/// Why nothing new is sent to the chain, or settled.
public enum SettlementBreaker: String, CaseIterable, Sendable {
    /// Too few nodes answer.
    case nodesUnreachable = "nodes_unreachable"
    /// Gas costs more than it may.
    case feeSpike = "fee_spike"
    /// The key's account does not hold what its transactions may cost.
    case lowBalance = "low_balance"
    /// The key has spent what it may in a day; the next day closes it.
    case dayLimit = "day_limit"
    /// The signer refuses or does not answer; it is asked again.
    case noSignature = "no_signature"
    /// A final block is no longer in the chain; a person has to look.
    case deepReorganisation = "deep_reorganisation"
    /// Another program has the key; a person has to look.
    case keyUsedElsewhere = "key_used_elsewhere"
    /// More dollars are owed than the chain holds: nothing new is settled, what is under way goes
    /// on. Closes when they are not, or a person accepts it.
    case uncovered
}

extension SettlementService {
    /// The chain's name (CAIP-2).
    public var network: String { "eip155:\(chainID)" }

    /// How far a batch's root is.
    public func rail(of batch: Batch) -> BatchRail {
        let deep: BatchRail.Stage = finality == .finalized ? .finalized : .confirmed
        switch batch.state {
        case .cut: return BatchRail(stage: .waiting, transaction: nil)
        case .confirmed: return BatchRail(stage: deep, transaction: batch.transaction)
        case .disputed: return BatchRail(stage: .disputed, transaction: batch.transaction)
        case .held: return BatchRail(stage: .held, transaction: nil)
        case .sealed: break
        }
        let key = SettlementOrder.key(ofBatch: batch.id.rawValue, root: batch.root)
        let (step, id) = look(at: key)
        switch step {
        case .refused, .withoutBond: return BatchRail(stage: .refused, transaction: nil)
        case .done(let inclusion):
            return BatchRail(stage: deep, transaction: inclusion.transaction)
        case .wait(.inFlight(_, let transactions)) where !transactions.isEmpty:
            return BatchRail(
                stage: notes.isUnknown(id) ? .unknown : .submitted, transaction: transactions.last)
        case .submit, .wait: return BatchRail(stage: .waiting, transaction: nil)
        }
    }

    /// Why nothing new is sent to the chain, or settled.
    public var breakers: [SettlementBreaker] {
        let waits = driver.openBreakers.map { cause -> SettlementBreaker in
            switch cause {
            case .nodesUnreachable: .nodesUnreachable
            case .feeSpike: .feeSpike
            case .lowBalance: .lowBalance
            case .dayLimit: .dayLimit
            case .deepReorg: .deepReorganisation
            case .keyUsedElsewhere: .keyUsedElsewhere
            }
        }
        return waits + (driver.isUnsigned ? [.noSignature] : [])
            + (missingCover > 0 ? [.uncovered] : [])
    }

    /// How many slashes and roots are on their way.
    public var openIntents: Int { driver.openIntents }

    /// What the policy of the key's signer refuses; it is tried again now and then.
    public var refusedBySigner: [String] { notes.declined }

    /// How many of them have been so for long.
    public var unknownIntents: Int { notes.unknownCount }

    /// A person has looked: what waits for that goes on, and what was refused is tried at once.
    /// Whether the transaction manager heard it.
    public func resume() async -> Bool {
        state.withLock { $0.orders.retryNow() }
        do throws(EVMManagerDriverError) {
            try await driver.resume()
            return true
        } catch {
            return false
        }
    }
}

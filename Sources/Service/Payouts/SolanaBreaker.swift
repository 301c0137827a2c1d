import Chains

/// Why nothing new is sent on Solana.
public enum SolanaBreaker: String, CaseIterable, Sendable {
    /// Too few nodes answer.
    case nodesUnreachable = "nodes_unreachable"
    /// A transaction would cost more than it may.
    case feeSpike = "fee_spike"
    /// The account that pays holds too few lamports for its transactions.
    case lowLamports = "low_lamports"
    /// It holds fewer tokens than the next payment.
    case lowTokens = "low_tokens"
    /// A day's transactions may cost no more; the next day closes it.
    case dayLimit = "day_limit"
    /// The signer refuses or does not answer; it is asked again.
    case noSignature = "no_signature"

    fileprivate init(_ cause: SolanaBreakerCause) {
        switch cause {
        case .nodesUnreachable: self = .nodesUnreachable
        case .lowLamports: self = .lowLamports
        case .lowTokens: self = .lowTokens
        case .dayLimit: self = .dayLimit
        }
    }
}

extension SolanaSettlement {
    /// Why nothing new is sent, in no order.
    public var breakers: [SolanaBreaker] {
        driver.openBreakers.map { SolanaBreaker($0) }
            + (driver.isOverFeeLimit ? [.feeSpike] : [])
            + (driver.isUnsigned ? [.noSignature] : [])
    }
}

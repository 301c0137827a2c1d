import Chains
import Clearing
public import Primitives
import Synchronization

/// What a party is paid on Solana: what waits for the next settlement, and every payment that is
/// not made yet. Sums are decimal text of dollars; `units` are the token's.
public struct SolanaDue: Codable, Hashable, Sendable {
    /// A payment that is not made yet.
    public struct Payment: Codable, Hashable, Sendable {
        /// The dispersal it is of.
        public let dispersal: UInt64
        /// How much.
        public let amount: String
        /// The same in the token's units.
        public let units: String
        /// Whose token account it goes to, in base58.
        public let owner: String
        /// The token account.
        public let account: String
        /// How far it is: `waiting`, `submitted`, `unknown` or `quarantined`.
        public let stage: String
        /// The transaction that was signed for it last, if there is one.
        public let transaction: String?
        /// Why it cannot be received, for a quarantined one.
        public let reason: String?
        /// What to do about it.
        public let advice: String?
    }

    /// The token, in base58.
    public let mint: String
    /// Whom the next payments go to, in base58; `nil` if the party is no longer paid on Solana.
    public let owner: String?
    /// What the next settlement may send there.
    public let payable: String
    /// The payments, oldest first.
    public let payments: [Payment]
}

extension SolanaSettlement {
    /// What a party has coming on Solana; `nil` if it is not paid there and nothing is under way.
    /// O(open payments).
    public func due(of account: EVMAddress) async throws -> SolanaDue? {
        let found = try await sequencer.read { house in
            house.party(address: account).map { party in
                Position(
                    owner: party.payout.solana,
                    payable: house.balance(.payable, .usd, of: party.id),
                    open: house.openDispersals.filter { $0.rail == .solana }.flatMap { dispersal in
                        dispersal.payments.indices.compactMap { place in
                            let payment = dispersal.payments[place]
                            guard payment.party == party.id, payment.state.isOpen else {
                                return nil
                            }
                            return (dispersal, place)
                        }
                    })
            }
        }
        guard let found, found.owner != nil || !found.open.isEmpty else { return nil }
        return SolanaDue(
            mint: names.mint, owner: found.owner.map { PayoutOwner.text($0) },
            payable: found.owner == nil ? "0.00" : Asset.usd.format(found.payable),
            payments: found.open.compactMap { self.payment($0.dispersal, $0.place) })
    }

    private struct Position: Sendable {
        let owner: Digest?
        let payable: Amount
        let open: [(dispersal: Dispersal, place: Int)]
    }

    private func payment(_ dispersal: Dispersal, _ place: Int) -> SolanaDue.Payment? {
        let payment = dispersal.payments[place]
        guard case .solana(let owner) = payment.receiver else { return nil }
        let id = driver.id(of: dispersal, payment: place)
        var (stage, transaction, reason) = (PayoutStage.waiting, Signature?.none, String?.none)
        switch driver.status(of: id) {
        case .absent, .waiting: break
        case .inFlight(let signed):
            transaction = signed.last
            if transaction != nil {
                stage = driver.isReportedSettled(id) ? .confirmed : .submitted
                if notes.isUnknown(id) { stage = .unknown }
            }
        case .closed(.settled(let made, _)):
            (stage, transaction) = (.submitted, made)
        case .closed: break
        case .quarantined(let why): (stage, reason) = (.quarantined, why)
        }
        let target = SolanaAddress.tokenAccount(
            of: SolanaAddress(owner), mint: mint, program: program)
        return SolanaDue.Payment(
            dispersal: dispersal.id.rawValue, amount: Asset.usd.text(units: payment.units),
            units: "\(payment.units)", owner: PayoutOwner.text(owner), account: "\(target)",
            stage: stage.rawValue, transaction: transaction.map { PayoutOwner.text($0) },
            reason: reason, advice: Self.advice(stage, reason))
    }

    /// What somebody can do who waits for a payment.
    private static func advice(_ stage: PayoutStage, _ reason: String?) -> String? {
        let other = "name another account with POST /v1/payout, and it is paid there"
        switch stage {
        case .unknown:
            return "nothing: it may still be carried out, and the house waits for the chain's word"
        case .quarantined:
            switch reason.flatMap({ TokenRecipient.Reason(rawValue: $0) }) {
            case .frozen:
                return "have the token's issuer thaw the account, or \(other)"
            case .foreignOwner:
                return "the token account was given to somebody else: have it back, or \(other)"
            case .notATokenAccount, .uninitialised:
                return "the address holds no account of this token: close it, or \(other)"
            case nil: return "the chain undid the transfer: \(other), or wait; it is tried again"
            }
        default: return nil
        }
    }
}

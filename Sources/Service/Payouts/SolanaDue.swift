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
    /// What the party has in the house's pool; `nil` without a leaf there.
    public let pool: [PoolDue]?
}

/// What one owner can claim of the house's pool on Solana, as `exchequer pool claim` takes it.
/// `cumulative` and what is like it are the token's units.
public struct PoolDue: Codable, Hashable, Sendable {
    /// The pool, in base58.
    public let pool: String
    /// The payout program; `nil` of a pool that the house pays through no more.
    public let program: String?
    /// Whose leaf it is: the owner of the token account that is paid.
    public let owner: String
    /// All that the root that pays says the owner was ever owed.
    public let cumulative: String
    /// What was paid of it by a final block; `nil` if the cluster was not asked, or did not answer.
    public let claimed: String?
    /// What a claim would pay now, in dollars; `nil` if the cluster was not asked.
    public let amount: String?
    /// The siblings of the leaf, lowest first; none while no root has it.
    public let proof: [String]
    /// What a root that does not pay yet adds, in dollars.
    public let waiting: String
    /// The slot from which that may pay; `nil` while it is not committed.
    public let activeFrom: UInt64?

    enum CodingKeys: String, CodingKey {
        case pool, program, owner, cumulative, claimed, amount, proof, waiting
        case activeFrom = "active_from"
    }
}

extension SolanaSettlement {
    /// What a party has coming on Solana; `nil` if it is not paid there and nothing is under way.
    /// O(open payments).
    ///
    /// - Parameter asksChain: whether the cluster is asked what was claimed of the pool.
    public func due(of account: EVMAddress, asksChain: Bool) async throws -> SolanaDue? {
        let found = try await sequencer.read { house in
            house.party(address: account).map { party in
                Position(
                    owner: party.payout.solana,
                    payable: house.balance(.payable, .usd, of: party.id),
                    leaves: house.poolOwners(of: party.id).map { leaf in
                        Leaf(
                            pool: leaf.pool, owner: leaf.owner,
                            owed: house.owed(to: leaf.owner, through: leaf.pool),
                            paying: house.lastPaying(in: leaf.pool))
                    },
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
        guard let found,
            found.owner != nil || !found.open.isEmpty
                || found.leaves.contains(where: { $0.owed > 0 })
        else { return nil }
        var leaves: [PoolDue] = []
        for leaf in found.leaves where leaf.owed > 0 {
            leaves.append(try await due(leaf, asksChain: asksChain))
        }
        return SolanaDue(
            mint: names.mint, owner: found.owner.map { PayoutOwner.text($0) },
            payable: found.owner == nil ? "0.00" : Asset.usd.format(found.payable),
            payments: found.open.compactMap { self.payment($0.dispersal, $0.place) },
            pool: leaves.isEmpty ? nil : leaves)
    }

    private struct Position: Sendable {
        let owner: Digest?
        let payable: Amount
        let leaves: [Leaf]
        let open: [(dispersal: Dispersal, place: Int)]
    }

    /// An owner's part of a pool, as the books have it.
    private struct Leaf: Sendable {
        let pool, owner: Digest
        let owed: UInt128
        let paying: DispersalID?
    }

    private func due(_ leaf: Leaf, asksChain: Bool) async throws -> PoolDue {
        let address = SolanaAddress(leaf.pool)
        let own = pool?.pool.address == address ? pool : nil
        var proof: (cumulative: UInt64, path: [Digest])?
        if let paying = leaf.paying {
            proof = try await trees.tree(of: paying, in: address).proof(of: leaf.owner)
        }
        let cumulative = UInt128(proof?.cumulative ?? 0)
        let claimed = asksChain ? try? await own?.claimed(by: leaf.owner) : nil
        let state = own?.seen.withLock { $0.state }
        return PoolDue(
            pool: "\(address)", program: own.map { "\($0.pool.program)" },
            owner: PayoutOwner.text(leaf.owner), cumulative: "\(cumulative)",
            claimed: claimed.map { "\($0)" },
            amount: claimed.map {
                Asset.usd.text(units: cumulative - min(cumulative, UInt128($0)))
            },
            proof: proof?.path.map(\.hex) ?? [],
            waiting: Asset.usd.text(units: leaf.owed - min(leaf.owed, cumulative)),
            activeFrom: state?.waiting == nil ? nil : state?.activeFrom)
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

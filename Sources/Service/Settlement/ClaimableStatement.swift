import Primitives

/// What an address can have of the house's contract now, ready to be sent, and what is on its
/// way to it. Sums are decimal text of whole coins; `..._units` are chain units.
public struct ClaimableStatement: Codable, Hashable, Sendable {
    /// One asset of the root that pays.
    public struct Claim: Codable, Hashable, Sendable {
        /// What it is in.
        public let asset: String
        /// Its token.
        public let token: String
        /// What a claim would pay now.
        public let amount: String
        /// The same in chain units.
        public let amountUnits: String
        /// All that was ever owed, in chain units: what is in the leaf.
        public let cumulative: String
        /// What was paid of it, in chain units, by the contract's logs that are deep enough.
        public let claimed: String
        /// The siblings of the leaf, lowest first.
        public let proof: [String]
        /// The data of the contract's `claim`.
        public let calldata: String

        enum CodingKeys: String, CodingKey {
            case asset, token, amount, cumulative, claimed, proof, calldata
            case amountUnits = "amount_units"
        }
    }

    /// One asset that cannot be claimed yet.
    public struct Waiting: Codable, Hashable, Sendable {
        /// What it is in.
        public let asset: String
        /// Earned or withdrawn, for the next batch.
        public let payable: String
        /// In a batch whose root does not pay yet.
        public let batched: String
    }

    /// A provider's bond.
    public struct Bond: Codable, Hashable, Sendable {
        /// What serves as bond.
        public let bonded: String
        /// What is on its way out.
        public let unbonding: String
        /// What can be taken out now; `nil` if the chain was not asked.
        public let withdrawable: String?
        /// The data of the contract's `withdrawBond`, to be sent by the provider itself.
        public let calldata: String
    }

    /// The chain (CAIP-2).
    public let network: String
    /// Where to send the data.
    public let contract: String
    /// Who is paid, whoever sends it.
    public let account: String
    /// The batch whose root pays; `nil` while none does.
    public let batch: UInt64?
    /// What can be claimed.
    public let claims: [Claim]
    /// The data of one `claimMany` for all of it; `nil` if there is nothing.
    public let calldata: String?
    /// What will be.
    public let waiting: [Waiting]
    /// The bond; `nil` without one.
    public let bond: Bond?
    /// What is promised through payment channels and not claimed; `nil` if there is nothing.
    public let vouchers: [VoucherStatement]?
    /// What the party is paid on Solana; `nil` if nothing.
    public var solana: SolanaDue?
}

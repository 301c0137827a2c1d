import Chains
import Clearing
import Primitives

/// A reconciliation as JSON and for people. Chain units are decimal text.
public struct ReconciliationStatement: Codable, Hashable, Sendable {
    /// One comparison.
    public struct Line: Codable, Hashable, Sendable {
        /// The comparison's number and name.
        public let check: UInt8
        /// Its name.
        public let name: String
        /// In what.
        public let asset: String
        /// What the chain says, what the books say, and what is known to be there beside them.
        public let chain, books, explained: String
        /// The chain less the two; negative if money is missing there.
        public let difference: String
    }

    /// Something stuck.
    public struct Item: Codable, Hashable, Sendable {
        /// The kind's number.
        public let alert: UInt8
        /// Its name.
        public let name: String
        /// In what, if it is money.
        public let asset: String?
        /// How much, in whole coins and in chain units.
        public let amount, units: String?
        /// Whose it is, or who sent it.
        public let account: String?
        /// The batch or verdict.
        public let number: UInt64?
        /// The transaction it came with.
        public let transaction: String?
        /// Since when, in milliseconds since 1970.
        public let since: UInt64?
    }

    /// One asset as a whole, in chain units.
    public struct Holding: Codable, Hashable, Sendable {
        /// The asset.
        public let asset: String
        /// Where it lies on chain, and what the next root may promise of it.
        public let vault, contract, uncommitted: String
        /// What the ledger owes everybody.
        public let owed: String
        /// What can be claimed, and what batches that are not on chain yet add.
        public let claimable: String
        /// What batches that are not on chain yet add.
        public let inFlight: String

        enum CodingKeys: String, CodingKey {
            case asset, vault, contract, uncommitted, owed, claimable
            case inFlight = "in_flight"
        }
    }

    /// The account that pays on Solana.
    public struct Solana: Codable, Hashable, Sendable {
        /// The token account, in base58.
        public let account: String
        /// Up to which slot its history was read; 0 before the first look.
        public let slot: UInt64
        /// When that was, in milliseconds since 1970.
        public let at: UInt64?
    }

    /// Whether nothing differs.
    public let balanced: Bool
    /// Whether all blocks were searched for stray tokens; if not, ask again.
    public let searched: Bool
    /// The chain (CAIP-2).
    public let network: String
    /// The block at whose end books and chain were compared, and its hash.
    public let block: UInt64
    /// The block's hash.
    public let hash: String
    /// When, in milliseconds since 1970.
    public let at: UInt64
    /// The comparisons.
    public let lines: [Line]
    /// The assets.
    public let holdings: [Holding]
    /// Slashes that are executed in the books and not on chain.
    public let slashes: Int
    /// What is stuck.
    public let stranded: [Item]
    /// The account that pays on Solana, if there is one.
    public let solana: Solana?

    /// The statement of a reconciliation.
    public init(_ found: Reconciliation) {
        balanced = found.isBalanced
        searched = found.isSearched
        network = found.network
        block = found.holdings.block
        hash = found.holdings.hash.hex
        at = found.madeAt.nanoseconds / 1_000_000
        lines = found.lines.map { line in
            Line(
                check: line.check.rawValue, name: line.check.name, asset: line.asset.code,
                chain: "\(line.chain)", books: "\(line.books)", explained: "\(line.explained)",
                difference: "\(line.difference)")
        }
        holdings = Asset.allCases.map { asset in
            let token = asset == .usd ? found.holdings.usd : found.holdings.tly
            return Holding(
                asset: asset.code, vault: "\(token.inVault)", contract: "\(token.inContract)",
                uncommitted: "\(token.uncommitted)",
                owed: "\(asset.chainUnits(found.owed[asset] ?? .zero))",
                claimable: "\(found.claimable[asset] ?? 0)",
                inFlight: "\(found.inFlight[asset] ?? 0)")
        }
        slashes = found.openSlashes
        stranded = found.stranded.map { item in
            Item(
                alert: item.kind.rawValue, name: item.kind.name, asset: item.asset?.code,
                amount: item.asset.map { $0.text(units: item.amount) },
                units: item.asset == nil ? nil : "\(item.amount)",
                account: item.account?.hex ?? item.solanaAccount.map { "\($0)" },
                number: item.number,
                transaction: item.transaction?.hex
                    ?? item.solanaTransaction.map { PayoutOwner.text($0) },
                since: item.since.map { $0.nanoseconds / 1_000_000 })
        }
        solana = found.solana.map {
            Solana(
                account: "\($0.account)", slot: $0.slot,
                at: $0.readAt.map { $0.nanoseconds / 1_000_000 })
        }
    }
}

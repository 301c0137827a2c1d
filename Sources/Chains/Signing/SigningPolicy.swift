import Cryptography
import Foundation
public import Primitives

/// What a transaction costs and moves, at worst.
public struct SigningCost: Hashable, Sendable {
    /// The chain's own coin: wei, lamports.
    public var coin: UInt128
    /// Dollars, in units of the token on chain.
    public var usd: UInt128
    /// Tallies, in units of the token on chain.
    public var tly: UInt128

    /// A cost of these parts.
    public init(coin: UInt128 = 0, usd: UInt128 = 0, tly: UInt128 = 0) {
        self.coin = coin
        self.usd = usd
        self.tly = tly
    }

    /// Whether no part is above the other's.
    func isWithin(_ cap: SigningCost) -> Bool {
        coin <= cap.coin && usd <= cap.usd && tly <= cap.tly
    }

    /// The sum of the parts, saturating.
    func plus(_ other: SigningCost) -> SigningCost {
        SigningCost(
            coin: coin.saturatingSum(other.coin), usd: usd.saturatingSum(other.usd),
            tly: tly.saturatingSum(other.tly))
    }

    /// What is missing in `other`, part by part.
    func above(_ other: SigningCost) -> SigningCost {
        SigningCost(
            coin: coin > other.coin ? coin - other.coin : 0,
            usd: usd > other.usd ? usd - other.usd : 0,
            tly: tly > other.tly ? tly - other.tly : 0)
    }
}

/// The tokens that a key may disperse: what it moves of others cannot be counted.
public struct SigningTokens: Hashable, Sendable {
    /// The dollars' contract.
    public var usd: EVMAddress?
    /// The tallies' contract.
    public var tly: EVMAddress?

    /// These tokens; none unless told otherwise.
    public init(usd: EVMAddress? = nil, tly: EVMAddress? = nil) {
        self.usd = usd
        self.tly = tly
    }
}

/// A pool of a payout program on Solana, to which a key may commit roots.
public struct SigningPool: Hashable, Sendable {
    /// The program.
    public var program: SolanaAddress
    /// The pool.
    public var pool: SolanaAddress

    /// This pool of this program.
    public init(program: SolanaAddress, pool: SolanaAddress) {
        self.program = program
        self.pool = pool
    }
}

/// What one key may sign.
public struct SigningPolicy: Hashable, Sendable {
    /// Where the key acts.
    public enum Scope: Hashable, Sendable {
        /// On these EVM chains it may call these functions, by contract and selector, and disperse
        /// these tokens.
        case evm(
            chains: Set<UInt64>, calls: [EVMAddress: Set<[UInt8]>], tokens: SigningTokens)
        /// On Solana it may pay tokens of these mints, and commit roots to these pools.
        case solana(mints: Set<SolanaAddress>, pools: Set<SigningPool> = [])
    }

    /// Where the key acts.
    public var scope: Scope
    /// The most that one transaction may cost and move.
    public var perTransaction: SigningCost
    /// The most that the key may spend and move in a day of UTC.
    public var perDay: SigningCost
    /// What roots had committed before the signer began: only what is above it is moved.
    public var committed: SigningCost
    /// For which channels it may deposit and sign vouchers; for none unless told otherwise.
    public var channels: SigningChannels?

    /// A policy.
    public init(
        scope: Scope, perTransaction: SigningCost, perDay: SigningCost,
        committed: SigningCost = SigningCost(), channels: SigningChannels? = nil
    ) {
        self.channels = channels
        self.scope = scope
        self.perTransaction = perTransaction
        self.perDay = perDay
        self.committed = committed
    }

    /// Whether it has `disperse` and no token for it: a policy of before dispersals were counted,
    /// which signs none until it says which tokens it is about.
    public var lacksTokens: Bool {
        guard case .evm(_, let calls, let tokens) = scope, tokens == SigningTokens() else {
            return false
        }
        return calls.values.contains { $0.contains(SettlementCall.disperseSelector) }
    }
}

/// What is wrong with a file of policies.
public struct SigningPolicyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence without its full stop.
    public let description: String
}

/// The policies of a signer's keys, as their file has them (docs/reference/signer.md).
public struct SigningPolicies: Hashable, Sendable {
    /// By the key's name: the EVM account in lower case, the Solana account in base58.
    public let byKey: [String: SigningPolicy]

    private struct File: Decodable {
        let version: Int
        let keys: [String: Entry]
    }

    private struct Entry: Decodable {
        let chains: [UInt64]?
        let calls: [String: [String]]?
        let mints: [String]?
        let pools: [String: [String]]?
        let tokens: Tokens?
        let channels: Channels?
        let coin_per_transaction, coin_per_day, usd_per_transaction, usd_per_day: String
        let tly_per_transaction, tly_per_day, committed_usd, committed_tly: String?
    }

    private struct Tokens: Decodable {
        let usd, tly: String?
    }

    private struct Channels: Decodable {
        let contract, collector: String
    }

    /// Reads a file's JSON. Every cap must be there: one that is forgotten is no cap.
    public init(json: [UInt8]) throws(SigningPolicyError) {
        let file: File
        do {
            file = try JSONDecoder().decode(File.self, from: Data(json))
        } catch DecodingError.keyNotFound(let key, _) {
            throw SigningPolicyError(description: "\(key.stringValue) is missing")
        } catch {
            throw SigningPolicyError(description: "it is no JSON of policies")
        }
        guard file.version == 1 else {
            throw SigningPolicyError(description: "version \(file.version) is not known")
        }
        var policies: [String: SigningPolicy] = [:]
        for (name, entry) in file.keys {
            do throws(SigningPolicyError) {
                let (key, policy) = try Self.policy(name, entry)
                policies[key] = policy
            } catch {
                throw SigningPolicyError(description: "\(name): \(error)")
            }
        }
        byKey = policies
    }

    private static func policy(
        _ name: String, _ entry: Entry
    ) throws(SigningPolicyError) -> (String, SigningPolicy) {
        if let address = EVMAddress(checking: name) {
            guard let chains = entry.chains, let calls = entry.calls else {
                throw SigningPolicyError(description: "an EVM account wants chains and calls")
            }
            guard entry.tly_per_transaction != nil, entry.tly_per_day != nil else {
                throw SigningPolicyError(
                    description: "tly_per_transaction and tly_per_day are missing")
            }
            return (
                address.hex,
                SigningPolicy(
                    scope: .evm(
                        chains: Set(chains), calls: try self.calls(calls),
                        tokens: try tokens(entry.tokens)),
                    perTransaction: try cost(
                        entry.coin_per_transaction, 18, entry.usd_per_transaction,
                        entry.tly_per_transaction),
                    perDay: try cost(
                        entry.coin_per_day, 18, entry.usd_per_day, entry.tly_per_day),
                    committed: try cost("0", 18, entry.committed_usd ?? "0", entry.committed_tly),
                    channels: try entry.channels.map { given throws(SigningPolicyError) in
                        SigningChannels(
                            contract: try contract(given.contract),
                            collector: try contract(given.collector))
                    })
            )
        }
        guard SolanaAddress(name) != nil, let mints = entry.mints else {
            throw SigningPolicyError(
                description: "neither an EVM account nor a Solana account with mints")
        }
        let addresses = mints.compactMap { SolanaAddress($0) }
        guard addresses.count == mints.count else {
            throw SigningPolicyError(description: "a mint is no address")
        }
        return (
            name,
            SigningPolicy(
                scope: .solana(
                    mints: Set(addresses), pools: try pools(entry.pools ?? [:])),
                perTransaction: try cost(
                    entry.coin_per_transaction, 9, entry.usd_per_transaction, nil),
                perDay: try cost(entry.coin_per_day, 9, entry.usd_per_day, nil))
        )
    }

    private static func pools(
        _ given: [String: [String]]
    ) throws(SigningPolicyError) -> Set<SigningPool> {
        var pools: Set<SigningPool> = []
        for (name, places) in given {
            for place in places {
                guard let program = SolanaAddress(name), let pool = SolanaAddress(place) else {
                    throw SigningPolicyError(description: "a pool or its program is no address")
                }
                pools.insert(SigningPool(program: program, pool: pool))
            }
        }
        return pools
    }

    private static func calls(
        _ given: [String: [String]]
    ) throws(SigningPolicyError) -> [EVMAddress: Set<[UInt8]>] {
        var calls: [EVMAddress: Set<[UInt8]>] = [:]
        for (name, functions) in given {
            let address = try contract(name)
            for function in functions {
                calls[address, default: []].insert(try selector(function))
            }
        }
        return calls
    }

    private static func contract(_ text: String) throws(SigningPolicyError) -> EVMAddress {
        guard let address = EVMAddress(checking: text) else {
            throw SigningPolicyError(description: "\(text) is no address")
        }
        return address
    }

    private static func tokens(_ given: Tokens?) throws(SigningPolicyError) -> SigningTokens {
        func token(_ text: String?) throws(SigningPolicyError) -> EVMAddress? {
            guard let text else { return nil }
            return try contract(text)
        }
        let tokens = SigningTokens(usd: try token(given?.usd), tly: try token(given?.tly))
        if let usd = tokens.usd, usd == tokens.tly {
            throw SigningPolicyError(description: "one token is given as usd and as tly")
        }
        return tokens
    }

    /// The selector of a function: given itself, or of the function's signature.
    private static func selector(_ function: String) throws(SigningPolicyError) -> [UInt8] {
        if function.hasPrefix("0x"), let bytes = Hex.decode(function), bytes.count == 4 {
            return bytes
        }
        guard function.hasSuffix(")"), function.contains("("), !function.contains(" ") else {
            throw SigningPolicyError(
                description: "\(function) is no function: write name(type,type) or a selector")
        }
        return SettlementCall.selector(function)
    }

    private static func cost(
        _ coin: String, _ decimals: Int, _ usd: String, _ tly: String?
    ) throws(SigningPolicyError) -> SigningCost {
        SigningCost(
            coin: try amount(coin, decimals),
            usd: try amount(usd, Asset.usd.chainDecimals),
            tly: try amount(tly ?? "0", Asset.tly.chainDecimals))
    }

    /// A decimal number in units of its last place.
    private static func amount(
        _ text: String, _ decimals: Int
    ) throws(SigningPolicyError) -> UInt128 {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        let digits =
            parts[0] + fraction
            + String(repeating: "0", count: max(0, decimals - fraction.utf8.count))
        guard !parts[0].isEmpty, fraction.utf8.count <= decimals,
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let amount = UInt128(digits)
        else { throw SigningPolicyError(description: "\(text) is no amount") }
        return amount
    }
}

public import Chains
public import Clearing
import Logging
import Primitives
import Synchronization

/// What a rollup charges beside gas for transactions like the house's, as so much gas more at the
/// price of then: plans know one kind of cost. Nothing on a chain that is no such rollup.
public struct RollupQuote: Hashable, Sendable {
    /// What a transaction is for.
    public enum Kind: CaseIterable, Hashable, Sendable {
        /// A root.
        case commit
        /// Making it pay.
        case activate
        /// A claim of one of 16,384 leaves.
        case claim
        /// A push to one payee.
        case push
        /// A push to `payeesOfMany`.
        case pushMany
        /// A deposit in a channel.
        case deposit
        /// A claim of its voucher.
        case voucher
        /// The transfer of what was claimed.
        case sweep
    }

    /// Payees of a large push.
    static let payeesOfMany = 500

    /// `nil` if the chain is no such rollup.
    private var fees: [Kind: UInt64]?

    /// What enough nodes tell, each kind by itself: one that fails is no word against the others.
    /// `nil` if they neither tell anything nor that the chain charges nothing.
    ///
    /// - Parameters:
    ///   - told: each node's fees in wei, as far as it told them; none of a chain that has none.
    ///   - price: wei for a unit of gas.
    public init?(_ told: [[Kind: UInt128]], _ quorum: Quorum, price: UInt128) {
        // Beyond this nothing is sent anyway, and sums of it stay far below 2^64.
        let most: UInt128 = 1_000_000_000_000
        let price = max(price, 1)
        var fees: [Kind: UInt64] = [:]
        for kind in Kind.allCases {
            guard let fee = quorum.reached(told.compactMap { $0[kind] }) else { continue }
            fees[kind] = UInt64(min(fee / price + (fee % price == 0 ? 0 : 1), most))
        }
        if fees.isEmpty {
            guard told.count(where: \.isEmpty) >= quorum.needed else { return nil }
            return
        }
        self.fees = fees
    }

    /// A chain that charges nothing beside gas.
    private init() {}

    /// As a chain without such fees is reckoned with.
    static let none = RollupQuote()

    /// This with what it does not tell as it was told before.
    func filled(from earlier: RollupQuote?) -> RollupQuote {
        var filled = self
        filled.fees?.merge(earlier?.fees ?? [:]) { new, _ in new }
        return filled
    }

    private func tells(_ kinds: [Kind]) -> Bool {
        fees.map { fees in kinds.allSatisfy { fees[$0] != nil } } ?? true
    }

    /// Whether ways to pay can be compared with it.
    public var tellsSettling: Bool { tells([.commit, .activate, .claim, .push, .pushMany]) }

    /// Whether channels can be reckoned with it.
    public var tellsChannels: Bool { tells([.deposit, .voucher, .sweep]) }

    private func gas(_ kind: Kind) -> UInt64 { fees?[kind] ?? 0 }

    /// The gas table with the fees in it; as it is if not all are told.
    public func table(_ gas: GasTable) -> GasTable {
        guard tellsSettling else { return gas }
        let (one, all) = (self.gas(.push), self.gas(.pushMany))
        let payee = (all - min(one, all)) / UInt64(Self.payeesOfMany - 1)
        var table = gas
        table.commit += self.gas(.commit)
        table.activate += self.gas(.activate)
        table.claim += self.gas(.claim)
        table.payee += payee
        table.dispersal += one - min(payee, one)
        return table
    }

    /// Gas of a channel's first deposit.
    public var deposit: UInt64 { ChannelReckoning.depositGas + gas(.deposit) }

    /// Gas of a voucher's claim and of the transfer.
    public var voucher: UInt64 { ChannelReckoning.claimGas + gas(.voucher) + gas(.sweep) }
}

/// What is known of a rollup's fees.
struct RollupKnowledge: Sendable {
    /// What enough nodes told last.
    var quote: RollupQuote?
    /// Whether the last question was in vain, as the log says already.
    var isUntold = false
    /// Whether channels ask, and when they may again.
    var isAsked = false
    var nextQuestion = ContinuousClock.now
}

extension SettlementService {
    /// How long channels wait that know nothing of a rollup's fees.
    private static let questionPause = Duration.seconds(60)

    /// What the chain charges beside gas, as enough nodes quote it now; what they last did as far
    /// as too few do, and `nil` if they never did. Nobody's money waits for it.
    func rollupQuote(price: UInt128) async -> RollupQuote? {
        var trouble: ChainError?
        var told: RollupQuote?
        do throws(ChainError) {
            told = try await askRollup(price: price)
        } catch {
            trouble = error
        }
        let isWhole = told.map { $0.tellsSettling && (channels.options == nil || $0.tellsChannels) }
        let (known, isNew) = state.withLock { state in
            if let told { state.rollup.quote = told.filled(from: state.rollup.quote) }
            defer { state.rollup.isUntold = isWhole != true }
            return (state.rollup.quote, isWhole != true && !state.rollup.isUntold)
        }
        if isNew {
            log.warning(
                known?.tellsSettling == true
                    ? "ways to pay are compared with what this rollup charged beside gas before"
                    : "ways to pay are compared without what this rollup charges beside gas",
                metadata: [
                    "why": "\(trouble.map { "\($0)" } ?? "too few nodes tell it")",
                    "channels": known?.tellsChannels == true
                        ? "reckoned with what was told before" : "none is opened or filled up",
                ])
        }
        return known
    }

    private func askRollup(price: UInt128) async throws(ChainError) -> RollupQuote? {
        let samples: RollupSamples
        do throws(ABIError) {
            samples = try RollupSamples(
                contract, artifact, chainID: chainID, usd: usd, channels: channels.options,
                gas: payer?.options.gas ?? GasTable(), price: price)
        } catch {
            throw .abi(error)
        }
        let answers = await nodes.answers { node throws(ChainError) in
            try await samples.quote(by: node)
        }
        return RollupQuote(answers.compactMap { try? $0.get() }, nodes.quorum, price: price)
    }

    /// What is known of the fees, for decisions about channels. `nil` while nobody tells: a channel
    /// can wait, and what is sent does not wait for the answer, which is there at a later look.
    func knownRollupQuote() -> RollupQuote? {
        let (known, asks) = state.withLock { state in
            let known = state.rollup.quote.flatMap { $0.tellsChannels ? $0 : nil }
            let asks = known == nil && !state.rollup.isAsked && state.rollup.nextQuestion <= .now
            if asks { state.rollup.isAsked = true }
            return (known, asks)
        }
        if asks {
            Task {
                if let price = try? await gasPrice() { _ = await rollupQuote(price: price) }
                state.withLock { state in
                    state.rollup.isAsked = false
                    state.rollup.nextQuestion = .now + Self.questionPause
                }
            }
        }
        return known
    }
}

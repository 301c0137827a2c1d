public import Economics
public import Primitives

/// The smallest whole model: who earns the emission sells a share of it into a constant-product
/// pool, buyers bring money that varies by chance, and the price is what the pool says. The example
/// for a model of one's own, and fast enough for the runner's own tests.
///
/// Emission is the house's (`rules`), a step is an epoch, and every epoch has the work for it.
public struct HalvingPool: SimulationModel {
    /// `halving_pool`.
    public static let name = "halving_pool"
    /// What it is.
    public static let summary =
        "Earners of the house's emission sell a share of it each step into a constant-product pool."
    /// What a scenario can set.
    public static let parameters = [
        ParameterSpec(
            "sell_share", .decimal(places: 4, of: "share"), 0...10_000, standard: 5_000,
            about: "What earners sell of their tokens each step."),
        ParameterSpec(
            "demand", .decimal(places: 2, of: "usd"), 0...1_000_000_000_000, standard: 50_000,
            about: "The money that buyers bring each step, on average."),
        ParameterSpec(
            "demand_spread", .decimal(places: 4, of: "share"), 0...10_000, standard: 5_000,
            about: "How far the money of a step can lie from the average."),
        ParameterSpec(
            "pool_tokens", .decimal(places: 2, of: "tly"), 100...100_000_000_000_000,
            standard: 10_000_000, about: "The tokens in the pool at the start."),
        ParameterSpec(
            "pool_money", .decimal(places: 2, of: "usd"), 100...100_000_000_000_000,
            standard: 10_000_000, about: "The money in the pool at the start."),
        ParameterSpec(
            "swap_fee", .decimal(places: 3, of: "share"), 0...999, standard: 3,
            about: "What the pool keeps of each payment."),
    ]
    /// What every step tells.
    public static let metrics = [
        MetricSpec("emitted", .decimal(places: 6, of: "tly"), about: "Tokens emitted in the step."),
        MetricSpec("supply", .decimal(places: 6, of: "tly"), about: "Tokens that there are."),
        MetricSpec("sold", .decimal(places: 6, of: "tly"), about: "Tokens sold in the step."),
        MetricSpec("proceeds", .decimal(places: 6, of: "usd"), about: "What they brought."),
        MetricSpec("spent", .decimal(places: 6, of: "usd"), about: "What buyers paid in the step."),
        MetricSpec("price", .decimal(places: 9, of: "usd"), about: "Money a token in the pool."),
        MetricSpec("held", .decimal(places: 6, of: "tly"), about: "Tokens that earners hold."),
    ]

    /// Steps done.
    public private(set) var steps = 0
    /// The seed and every row so far, folded.
    public private(set) var digest: UInt64
    private let sellShare: UInt128
    private let demand: UInt64
    private let spread: UInt64
    private let fee: UInt32
    private let policy: EmissionPolicy
    private let draws: Draws
    private var emission = EmissionState.none
    private var supply: Amount
    private var held = Amount.zero
    private var tokens: Amount
    private var money: Amount

    /// The pool before its first step.
    public init(
        _ values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        sellShare = UInt128(values[0])
        demand = UInt64(values[1])
        spread = UInt64(values[2])
        tokens = Amount(UInt128(values[3]) * 10_000_000_000)
        money = Amount(UInt128(values[4]) * 10_000_000_000)
        fee = UInt32(values[5])
        supply = tokens
        policy = rules.emission
        draws = Draws(seed: seed)
        digest = seed
    }

    /// Emission, the earners' sale, the buyers' purchase.
    public mutating func step(into row: inout [Int64]) {
        steps += 1
        let minted = mint()
        supply += minted
        held += minted
        let sold = Amount(held.units * sellShare / 10_000)
        let proceeds = swap(sold, &tokens, &money)
        held -= sold
        let spent = Amount(UInt128(moneyOfBuyers()) * 10_000_000_000)
        // What buyers buy leaves the market: they use it up elsewhere.
        _ = swap(spent, &money, &tokens)
        row[0] = millionths(minted)
        row[1] = millionths(supply)
        row[2] = millionths(sold)
        row[3] = millionths(proceeds)
        row[4] = millionths(spent)
        row[5] = price
        row[6] = millionths(held)
        for value in row { digest = fold(digest, UInt64(bitPattern: value)) }
    }

    /// The house's emission for this epoch; nothing where the policy has no answer.
    private mutating func mint() -> Amount {
        var observation = EmissionObservation(epoch: UInt64(steps), issued: supply)
        observation.bonded = held
        observation.bondable = supply
        observation.work = 1_000_000
        do throws(EconomicsError) {
            return try policy.advance(&emission, by: observation)
        } catch {
            return .zero
        }
    }

    private func moneyOfBuyers() -> UInt64 {
        let width = demand * spread / 10_000
        return demand - width + UInt64(draws.stream(.buyer).below(Int64(2 * width + 1), steps))
    }

    /// Pays into one reserve from the other; nothing happens where the pool has no answer.
    private func swap(_ paid: Amount, _ into: inout Amount, _ from: inout Amount) -> Amount {
        do throws(EconomicsError) {
            let out = try ConstantProduct.output(
                paying: paid, reserveIn: into, reserveOut: from, feePerMille: fee)
            into += paid
            from -= out
            return out
        } catch {
            return .zero
        }
    }

    private var price: Int64 {
        let exact = money.scaled(by: 1_000_000_000, over: max(tokens.units, 1), rounding: .down)
        return Int64(clamping: exact?.units ?? .max)
    }

    private func millionths(_ amount: Amount) -> Int64 {
        Int64(clamping: amount.units / 1_000_000)
    }

    private func fold(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        var generator = SplitMix64(seed: hash ^ value)
        return generator.next()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt64(steps))
        writer.write(digest)
        writer.write(emission)
        for amount in [supply, held, tokens, money] { writer.write(amount) }
    }

    /// The pool of a checkpoint.
    public init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        try self.init(values, rules: rules, seed: seed)
        do throws(CodecError) {
            steps = Int(try reader.readUInt64() & 0xFFFF_FFFF)
            digest = try reader.readUInt64()
            emission = try reader.read()
            supply = try reader.read()
            held = try reader.read()
            tokens = try reader.read()
            money = try reader.read()
        } catch {
            throw ScenarioError("the checkpoint is damaged (\(error))")
        }
    }
}

public import Primitives

/// Simple minting, which decays with time, beside baseline minting, which decays with the work done
/// up to a baseline that grows from epoch to epoch.
///
/// Source: filecoin-project/builtin-actors, actors/reward/src/logic.rs (`compute_reward`,
/// `compute_r_theta`, `baseline_power_from_prev`), state.rs (`update_to_next_epoch_with_reward`).
/// Fixed point has 128 places and is cut off as there: the constants of Filecoin give its digits.
public struct BaselineMinting: Hashable, Sendable {
    /// All that simple minting ever mints.
    public var simpleTotal: Amount
    /// All that baseline minting ever mints.
    public var baselineTotal: Amount
    /// Epochs in which half of what is left is minted.
    public var halfLife: UInt64
    /// The baseline of the first epoch, in units of work.
    public var baselineStart: UInt128
    /// What the baseline grows by in an epoch, as a part of it times 2^128.
    public var baselineGrowth: UInt128

    /// A rule.
    public init(
        simpleTotal: Amount, baselineTotal: Amount, halfLife: UInt64, baselineStart: UInt128,
        baselineGrowth: UInt128
    ) {
        self.simpleTotal = simpleTotal
        self.baselineTotal = baselineTotal
        self.halfLife = halfLife
        self.baselineStart = baselineStart
        self.baselineGrowth = baselineGrowth
    }

    /// Filecoin's main network: 330 and 770 million tokens of 10^18 units, half in six years of
    /// epochs of 30 seconds; 2.5 EiB that grow by 200 % a year.
    public static let filecoin = BaselineMinting(
        simpleTotal: Amount(330_000_000_000_000_000_000_000_000),
        baselineTotal: Amount(770_000_000_000_000_000_000_000_000), halfLife: 6 * 1_051_200,
        baselineStart: 2_888_888_880_000_000_000,
        baselineGrowth: 224_377_702_615_002_589_582_494_545_262_197)

    /// The baseline an epoch later, rounded down.
    public func nextBaseline(_ baseline: UInt128) throws(EconomicsError) -> UInt128 {
        let growth = baseline.multipliedFullWidth(by: baselineGrowth).high
        let (sum, overflow) = baseline.addingReportingOverflow(growth)
        if overflow { throw .overflow }
        return sum
    }

    /// What an epoch (from 0) mints in which effective time moves from `earlier` to `later`,
    /// rounded down.
    public func reward(
        epoch: UInt64, from earlier: EffectiveTime, to later: EffectiveTime
    ) throws(EconomicsError) -> Amount {
        let rate = ExponentialDecay.rate(halfLife: halfLife)
        let growth = ExponentialDecay.growth(halfLife: halfLife)
        let decay = ExponentialDecay.value(UInt256(UInt128(epoch), times: rate))
        let initial = UInt256(simpleTotal.units, times: growth)
        let simple = decay.high == 0 ? initial.scaled(byFraction: decay.low) : initial
        let before = ExponentialDecay.value(earlier.bits.scaled(byFraction: rate))
        let after = ExponentialDecay.value(later.bits.scaled(byFraction: rate))
        guard let passed = before.subtracting(after),
            let baseline = passed.multiplied(by: baselineTotal.units),
            let sum = simple.adding(baseline)
        else { throw .overflow }
        return Amount(sum.high)
    }

    func advance(
        _ state: inout EmissionState, by observation: EmissionObservation
    ) throws(EconomicsError) -> Amount {
        var progress = BaselineProgress.beginning(of: self)
        if case .baseline(let known) = state { progress = known }
        let amount = try progress.advance(by: self, work: UInt128(observation.work))
        state = .baseline(progress)
        return amount
    }
}

/// Effective time, in epochs with 128 bits behind the point: how long the network would have taken
/// for its work had it always done as much as the baseline.
public struct EffectiveTime: Hashable, Sendable {
    let bits: UInt256

    /// Whole epochs and a part of one, times 2^128.
    public init(epochs: UInt64, fraction: UInt128 = 0) {
        bits = UInt256(high: UInt128(epochs), low: fraction)
    }

    /// Where the sum of baselines meets the work done, between the last two whole epochs.
    ///
    /// `ceiling` is the later of the two, `baseline` the sum of baselines up to it and `last` the
    /// baseline of that one epoch; `realized` the work done.
    public init(
        ceiling: UInt64, last: UInt128, realized: UInt128, baseline: UInt128
    ) throws(EconomicsError) {
        if ceiling == 0 {
            bits = UInt256(low: 0)
            return
        }
        guard last > 0, baseline >= realized else { throw .nothingToDivideBy }
        let missing = baseline - realized
        let (whole, rest) = missing.quotientAndRemainder(dividingBy: last)
        let fraction = last.dividingFullWidth((rest, 0)).quotient
        let time = UInt256(high: UInt128(ceiling), low: 0)
        guard let bits = time.subtracting(UInt256(high: whole, low: fraction)) else {
            throw .overflow
        }
        self.bits = bits
    }

    /// The whole epochs.
    public var epochs: UInt128 { bits.high }
    /// The part of an epoch, times 2^128.
    public var fraction: UInt128 { bits.low }
}

/// How far the network has come along its baseline.
public struct BaselineProgress: Hashable, Sendable {
    /// Epochs minted.
    public private(set) var epochs: UInt64
    /// Effective time, rounded up to whole epochs.
    public private(set) var time: UInt64
    /// The baseline at that time.
    public private(set) var timeBaseline: UInt128
    /// The baseline of the last epoch.
    public private(set) var epochBaseline: UInt128
    /// Work done, of each epoch no more than its baseline.
    public private(set) var realized: UInt128
    /// The sum of baselines up to the effective time.
    public private(set) var baseline: UInt128

    static func beginning(of rule: BaselineMinting) -> BaselineProgress {
        // The baseline of the epoch before the first: start / (1 + growth), rounded down.
        let before = UInt256(low: rule.baselineStart).fraction(
            of: UInt256(high: 1, low: rule.baselineGrowth))
        return BaselineProgress(
            epochs: 0, time: 0, timeBaseline: rule.baselineStart, epochBaseline: before.low,
            realized: 0, baseline: 0)
    }

    mutating func advance(
        by rule: BaselineMinting, work: UInt128
    ) throws(EconomicsError) -> Amount {
        let earlier = try effectiveTime()
        var next = self
        next.epochBaseline = try rule.nextBaseline(epochBaseline)
        next.realized = try sum(realized, min(next.epochBaseline, work))
        while next.realized > next.baseline {
            next.time += 1
            next.timeBaseline = try rule.nextBaseline(next.timeBaseline)
            next.baseline = try sum(next.baseline, next.timeBaseline)
        }
        let later = try next.effectiveTime()
        let amount = try rule.reward(epoch: epochs, from: earlier, to: later)
        next.epochs += 1
        self = next
        return amount
    }

    private func effectiveTime() throws(EconomicsError) -> EffectiveTime {
        try EffectiveTime(
            ceiling: time, last: timeBaseline, realized: realized, baseline: baseline)
    }

    private func sum(_ left: UInt128, _ right: UInt128) throws(EconomicsError) -> UInt128 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        if overflow { throw .overflow }
        return sum
    }
}

extension BaselineProgress: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(epochs)
        writer.write(time)
        writer.write(timeBaseline)
        writer.write(epochBaseline)
        writer.write(realized)
        writer.write(baseline)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        epochs = try reader.readUInt64()
        time = try reader.readUInt64()
        timeBaseline = try reader.readUInt128()
        epochBaseline = try reader.readUInt128()
        realized = try reader.readUInt128()
        baseline = try reader.readUInt128()
        if timeBaseline == 0 || realized > baseline { throw .invalidValue("baseline") }
    }
}

extension BaselineMinting: EmissionRule {
    static var name: String { "baseline_minting" }
    static var keys: [PolicyKey] {
        [
            PolicyKey("simple_total", .tokens), PolicyKey("baseline_total", .tokens),
            PolicyKey("half_life"), PolicyKey("baseline_start"), PolicyKey("baseline_growth_q128"),
        ]
    }
    var values: [UInt128] {
        [
            simpleTotal.units, baselineTotal.units, UInt128(halfLife), baselineStart,
            baselineGrowth,
        ]
    }

    init(values: [UInt128]) {
        self.init(
            simpleTotal: Amount(values[0]), baselineTotal: Amount(values[1]),
            halfLife: UInt64(clamping: values[2]), baselineStart: values[3],
            baselineGrowth: values[4])
    }

    var problem: String? {
        if halfLife == 0 { return "a half-life has epochs" }
        if baselineStart == 0 { return "a baseline must begin above zero" }
        if baselineStart > 1 << 64 { return "the baseline begins over 2^64" }
        return EmissionLimits.problem(of: simpleTotal, baselineTotal)
    }
}

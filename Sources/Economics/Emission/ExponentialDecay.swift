/// `e^-x` in whole numbers with 128 bits behind the point, bit for bit as Filecoin computes it.
///
/// Source: filecoin-project/builtin-actors, actors/reward/src/expneg.rs: a quotient of polynomials,
/// evaluated by Horner's rule with every product cut off to 128 places (toward minus infinity).
/// Its error is below 3.4e-30 for x < 1.725 and 4.6e-15 for x < 5. From x = 16 on, where the
/// source's numerator nears zero and then turns negative, the answer here is 0.
enum ExponentialDecay {
    /// One.
    static let one = UInt256(high: 1, low: 0)

    /// `e^-x` for `x` with 128 bits behind the point: at most one. O(1).
    static func value(_ x: UInt256) -> UInt256 {
        if x.high >= 16 { return UInt256(low: 0) }
        let top = polynomial(numerator, at: x)
        let bottom = polynomial(denominator, at: x)
        return top.isNegative ? UInt256(low: 0) : top.magnitude.fraction(of: bottom.magnitude)
    }

    /// `ln 2 / epochs`, rounded down: the decay that halves in so many epochs.
    static func rate(halfLife: UInt64) -> UInt128 {
        naturalLogarithmOf2.dividing(by: UInt128(halfLife)).quotient.shiftedDown
    }

    /// `e^rate - 1` for that rate: the power series with 192 places, cut off to 128.
    static func growth(halfLife: UInt64) -> UInt128 {
        var term = naturalLogarithmOf2.dividing(by: UInt128(halfLife)).quotient
        let rate = term.shiftedDown
        var sum = UInt256(low: 0)
        var count: UInt128 = 1
        while term != UInt256(low: 0), let more = sum.adding(term) {
            sum = more
            count += 1
            term = term.scaled(byFraction: rate).dividing(by: count).quotient
        }
        return sum.shiftedDown
    }

    /// ln 2 with 192 bits behind the point, rounded down.
    private static let naturalLogarithmOf2 = UInt256(
        high: 12_786_308_645_202_655_659,
        low: 268_357_121_134_877_432_155_352_775_128_268_715_565)

    private static func polynomial(_ coefficients: [Int256], at x: UInt256) -> Int256 {
        var sum = coefficients[0]
        for coefficient in coefficients.dropFirst() {
            sum = sum.scaledDown(by: x).adding(coefficient)
        }
        return sum
    }

    private static let numerator: [Int256] = [
        Int256(-648_770_010_757_830_093_818_553_637_600),
        Int256(67_469_480_939_593_786_226_847_644_286_976),
        Int256(-3_197_587_544_499_098_424_029_388_939_001_856),
        Int256(89_244_641_121_992_890_118_377_641_805_348_864),
        Int256(-1_579_656_163_641_440_567_800_982_336_819_953_664),
        Int256(17_685_496_037_279_256_458_459_817_590_917_169_152),
        Int256(-115_682_590_513_835_356_866_803_355_398_940_131_328),
        Int256(magnitude: one, isNegative: false),
    ]

    private static let denominator: [Int256] = [
        Int256(1_225_524_182_432_722_209_606_361),
        Int256(114_095_592_300_906_098_243_859_450),
        Int256(5_665_570_424_063_336_070_530_214_243),
        Int256(194_450_132_448_609_991_765_137_938_448),
        Int256(5_068_267_641_632_683_791_026_134_915_072),
        Int256(104_716_890_604_972_796_896_895_427_629_056),
        Int256(1_748_338_658_439_454_459_487_681_798_864_896),
        Int256(23_704_654_329_841_312_470_660_182_937_960_448),
        Int256(259_380_097_567_996_910_282_699_886_670_381_056),
        Int256(2_250_336_698_853_390_384_720_606_936_038_375_424),
        Int256(14_978_272_436_876_548_034_486_263_159_246_028_800),
        Int256(72_144_088_983_913_131_323_343_765_784_380_833_792),
        Int256(magnitude: UInt256(low: 224_599_776_407_103_106_596_571_252_037_123_047_424)),
        Int256(magnitude: one),
    ]
}

/// A signed number of 256 bits: what the polynomials need.
private struct Int256: Sendable {
    let magnitude: UInt256
    let isNegative: Bool

    init(magnitude: UInt256, isNegative: Bool = false) {
        self.magnitude = magnitude
        self.isNegative = isNegative
    }

    init(_ value: Int128) {
        self.init(magnitude: UInt256(low: value.magnitude), isNegative: value < 0)
    }

    func adding(_ other: Int256) -> Int256 {
        if isNegative == other.isNegative {
            return Int256(
                magnitude: fits(magnitude.adding(other.magnitude)), isNegative: isNegative)
        }
        if let rest = magnitude.subtracting(other.magnitude) {
            return Int256(magnitude: rest, isNegative: isNegative)
        }
        return Int256(
            magnitude: fits(other.magnitude.subtracting(magnitude)), isNegative: other.isNegative)
    }

    /// `self * x / 2^128`, rounded toward minus infinity, for `x` below 16.
    func scaledDown(by x: UInt256) -> Int256 {
        let rest = magnitude.low.multipliedFullWidth(by: x.low).low
        let whole = fits(magnitude.multiplied(by: x.high))
        var product = fits(whole.adding(magnitude.scaled(byFraction: x.low)))
        if isNegative, rest != 0 { product = fits(product.adding(UInt256(low: 1))) }
        return Int256(magnitude: product, isNegative: isNegative)
    }

    private func fits(_ value: UInt256?) -> UInt256 {
        guard let value else { preconditionFailure("the polynomials stay below 2^150") }
        return value
    }
}

extension UInt256 {
    /// Without the last 64 bits, of a number that then has at most 128.
    fileprivate var shiftedDown: UInt128 {
        precondition(high >> 64 == 0)
        return high << 64 | low >> 64
    }
}

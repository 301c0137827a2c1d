import Primitives
import Testing

/// Schoolbook 256-bit multiply and divide on bits: obvious, slow, and independent of the library.
private func naiveScaled(
    _ value: UInt128, _ numerator: UInt128, _ denominator: UInt128, _ rounding: Rounding
) -> UInt128? {
    guard denominator != 0 else { return nil }
    var bits = [Bool](repeating: false, count: 256)
    for shift in 0..<128 where numerator >> UInt128(shift) & 1 == 1 {
        var carry = false
        for place in 0..<128 + (128 - shift) where place + shift < 256 {
            let bit = place < 128 && value >> UInt128(place) & 1 == 1
            let old = bits[place + shift]
            bits[place + shift] = (bit != old) != carry
            carry = (bit && old) || (carry && (bit != old))
        }
    }
    var quotient: UInt128 = 0
    var remainder: UInt128 = 0
    for place in (0..<256).reversed() {
        let top = remainder >> 127 == 1
        remainder = remainder << 1 | (bits[place] ? 1 : 0)
        let fits = top || remainder >= denominator
        if fits { remainder = remainder &- denominator }
        if quotient >> 127 == 1 { return nil }
        quotient = quotient << 1 | (fits ? 1 : 0)
    }
    if rounding == .up, remainder != 0 { return quotient == .max ? nil : quotient + 1 }
    return quotient
}

struct AmountTests {
    @Test func scalingAgreesWithSchoolbookArithmetic() {
        var random = SplitMix64(seed: 3)
        var (fitted, overflowed, rounded) = (0, 0, 0)
        for _ in 0..<3_000 {
            let (value, up, down): (UInt128, UInt128, UInt128) = (
                random.edgy(), random.edgy(), random.edgy()
            )
            let low = Amount(value).scaled(by: up, over: down, rounding: .down)
            let high = Amount(value).scaled(by: up, over: down, rounding: .up)
            #expect(low?.units == naiveScaled(value, up, down, .down))
            #expect(high?.units == naiveScaled(value, up, down, .up))
            if low == nil { overflowed += 1 } else { fitted += 1 }
            if low != high { rounded += 1 }
        }
        #expect(fitted > 100 && overflowed > 100 && rounded > 100)
    }

    @Test func roundingUpAtTheVeryTopOverflows() {
        #expect(Amount(.max).scaled(by: .max, over: .max, rounding: .up) == Amount(.max))
        let product = Amount(.max).scaled(by: .max - 1, over: .max - 2, rounding: .down)
        #expect(product == nil)
        #expect(Amount(7).scaled(by: 1, over: 0, rounding: .down) == nil)
    }

    @Test func sharesRoundAsToldAndNeverExceedTheWhole() {
        #expect(Amount(101).share(basisPoints: 5_000, rounding: .down) == Amount(50))
        #expect(Amount(101).share(basisPoints: 5_000, rounding: .up) == Amount(51))
        #expect(Amount(.max).share(basisPoints: 10_000, rounding: .up) == Amount(.max))
        #expect(Amount(1).share(basisPoints: 0, rounding: .up) == .zero)
    }

    @Test func checkedSumsReportWhatDoesNotFit() {
        #expect(Amount(.max).checkedAdding(Amount(1)) == nil)
        #expect(Amount(1).checkedAdding(Amount(2)) == Amount(3))
        #expect(Amount(1).checkedSubtracting(Amount(2)) == nil)
        #expect(Amount(2).checkedSubtracting(Amount(2)) == .zero)
    }

    @Test func aTokenIsNeverFreeByRounding() {
        #expect(Price(perMillion: 1).cost(tokens: 1) == Amount(1))
        #expect(Price(perMillion: 1).cost(tokens: 1_000_001) == Amount(2))
        #expect(Price(perMillion: 0).cost(tokens: .max) == .zero)
        let most = UInt128(UInt64.max) * UInt128(UInt64.max) / 1_000_000 + 1
        #expect(Price(perMillion: .max).cost(tokens: .max) == Amount(most))
    }

    @Test func costsThatFitAndDoNotFitAWordAreRoundedAlike() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<2_000 {
            let price = random.next() >> (random.next() % 64)
            let tokens = random.next() >> (random.next() % 64)
            let product = UInt128(price) * UInt128(tokens)
            let expected = (product + 999_999) / 1_000_000
            #expect(Price(perMillion: price).cost(tokens: tokens) == Amount(expected))
        }
    }

    @Test func timeSaturatesAtItsEnd() {
        #expect(Timestamp(nanoseconds: .max) + .seconds(1) == Timestamp(nanoseconds: .max))
        #expect(Timestamp.zero + .milliseconds(3) == Timestamp(nanoseconds: 3_000_000))
    }
}

struct AssetTests {
    @Test(arguments: [
        ("0", 0), ("1", 1_000_000_000_000), ("1.25", 1_250_000_000_000),
        ("0.000000000001", 1), ("000.5", 500_000_000_000),
        ("340282366920938463463374607.431768211455", UInt128.max),
    ])
    func reads(text: String, units: UInt128) {
        #expect(Asset.usd.parse(text) == Amount(units))
    }

    @Test(arguments: [
        "", ".", ".5", "1.", "-1", "+1", "1e3", " 1", "1 ", "1,5", "1.2.3", "٣",
        "0.0000000000001", "340282366920938463463374607.431768211456",
    ])
    func refuses(text: String) {
        #expect(Asset.usd.parse(text) == nil)
    }

    @Test func formattingIsExactAndReadsBack() {
        #expect(Asset.usd.format(Amount(1_250_000_000_000)) == "1.25")
        #expect(Asset.usd.format(Amount(1)) == "0.000000000001")
        #expect(Asset.usd.format(.zero) == "0.00")
        #expect(Asset.usd.format(Amount(3_000_000_000_000), minimumDecimals: 0) == "3")
        var random = SplitMix64(seed: 4)
        for _ in 0..<1_000 {
            let amount = Amount(random.edgy())
            #expect(Asset.tly.parse(Asset.tly.format(amount)) == amount)
        }
    }

    @Test func chainUnitsRoundDownAndTheDustStays() {
        #expect(Asset.usd.chainUnits(Amount(1_999_999)) == 1)
        #expect(Asset.tly.chainUnits(Amount(1_999)) == 1)
        #expect(Asset.usd.amount(chainUnits: 5) == Amount(5_000_000))
        #expect(Asset.usd.amount(chainUnits: .max) == nil)
        #expect(Asset.usd.roundedUp(Amount(1_000_001)) == Amount(2_000_000))
        #expect(Asset.usd.roundedUp(Amount(2_000_000)) == Amount(2_000_000))
        #expect(Asset.usd.roundedUp(.zero) == .zero)
        #expect(Asset.usd.roundedUp(Amount(.max)) == nil)
    }

    @Test func whatDoesNotFitIsTheGreatest() {
        #expect(UInt64(3).saturatingSum(4) == 7)
        #expect(UInt64.max.saturatingSum(1) == .max && (UInt64.max - 1).saturatingSum(1) == .max)
        #expect(UInt128.max.saturatingSum(.max) == .max && UInt128(0).saturatingSum(0) == 0)
    }
}

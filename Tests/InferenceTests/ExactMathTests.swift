import CKernels
import Foundation
import Testing

/// The kernels' own functions against the C library's, which is exact enough to compare with.
@Suite struct ExactMathTests {
    @Test func everyHalfWidensExactlyAndNarrowsBack() {
        for bits in UInt16.min...UInt16.max {
            let half = Float16(bitPattern: bits)
            let widened = xk_half_to_float(bits)
            if half.isNaN {
                #expect(widened.isNaN)
                continue
            }
            if widened != Float(half) || xk_float_to_half(widened) != bits {
                Issue.record("half \(bits)")
            }
        }
    }

    @Test func singlesNarrowToTheNearestHalf() {
        var bits: UInt32 = 0
        while bits < 0x7f80_0000 {
            for delta in [0, 1, 0x0fff, 0x1000, 0x1001] as [UInt32] {
                let value = Float(bitPattern: bits + delta)
                if value.isFinite, xk_float_to_half(-value) != Float16(-value).bitPattern {
                    Issue.record("single \(value)")
                }
            }
            bits += 0x0001_1000
        }
    }

    @Test func exponentialsAndLogarithmsAreAccurate() {
        for step in 0...4_000 {
            let x = Double(step - 2_000) * 0.35
            let expected = exp(x)
            #expect(abs(xk_exp(x) - expected) <= expected * 4e-16)
            #expect(abs(xk_log(expected) - x) <= max(abs(x), 1) * 4e-16)
            let single = max(Float(x / 8), -87)
            let exact = exp(Double(single))
            #expect(abs(Double(xk_exp_single(single)) - exact) <= exact * 3e-7)
        }
        #expect(xk_exp(-1_000) == 0 && xk_exp_single(-90) == 0)
        #expect(xk_exp_single(500) == xk_exp_single(88))
        #expect(xk_log(0) == -.infinity && xk_log(-1).isNaN && xk_exp(.nan).isNaN)
    }

    @Test func rotationAnglesAreAccurate() {
        var sine = 0.0
        var cosine = 0.0
        for step in 0..<20_000 {
            let x = Double(step) * 6.5537
            unsafe xk_sincos(x, &sine, &cosine)
            if abs(sine - sin(x)) > 1e-14 || abs(cosine - cos(x)) > 1e-14 {
                Issue.record("angle \(x)")
            }
        }
    }

    /// The bits of these functions are part of the contract: they must never change.
    @Test func contractFunctionsHaveTheirGoldenBits() {
        let inputs: [Float] = [-87, -20.5, -1, -0.1, 0, 0.3, 1, 10, 88]
        let bits = inputs.map { xk_exp_single($0).bitPattern }
        #expect(
            bits.map { String($0, radix: 16) }
                == [
                    "b33687", "30abd1d8", "3ebc5ab2", "3f67a36d", "3f800000", "3facc82c",
                    "402df854", "46ac14ee", "7ef882b7",
                ])
    }
}

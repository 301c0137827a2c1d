/// A set of Unicode characters.
struct ScalarSet: Hashable {
    /// In ascending order, with gaps between.
    private(set) var ranges: [ClosedRange<UInt32>] = []

    static let all = ScalarSet(0...0x10ffff)
    static let digits = ScalarSet(0x30...0x39)
    static let word = ScalarSet([0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
    static let space = ScalarSet([0x09...0x0d, 0x20...0x20])
    /// All but ends of lines.
    static let dot = ScalarSet([0x0a...0x0d, 0x85...0x85, 0x2028...0x2029]).inverted

    init(_ ranges: [ClosedRange<UInt32>] = []) { self.ranges = ranges }
    init(_ range: ClosedRange<UInt32>) { ranges = [range] }
    init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

    mutating func formUnion(_ other: ScalarSet) {
        var merged: [ClosedRange<UInt32>] = []
        for range in (ranges + other.ranges).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound &+ 1 {
                merged[merged.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        ranges = merged
    }

    /// All other characters.
    var inverted: ScalarSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10ffff { gaps.append(next...0x10ffff) }
        return ScalarSet(gaps)
    }

    /// Those of ASCII.
    var ascii: ScalarSet { clamped(to: 0...0x7f) }

    private func clamped(to bounds: ClosedRange<UInt32>) -> ScalarSet {
        ScalarSet(ranges.filter { $0.overlaps(bounds) }.map { $0.clamped(to: bounds) })
    }

    func contains(_ value: UInt32) -> Bool { ranges.contains { $0.contains(value) } }

    /// The UTF-8 sequences of the characters that stand in a JSON text by themselves, each as one
    /// range for each byte.
    var sequences: [[ClosedRange<UInt8>]] {
        var sequences: [[ClosedRange<UInt8>]] = []
        // Runs whose encodings are equally long; quotes, backslashes, controls and halves are left
        // out.
        let runs: [ClosedRange<UInt32>] = [
            0x20...0x21, 0x23...0x5b, 0x5d...0x7f, 0x80...0x7ff, 0x800...0xd7ff,
            0xe000...0xffff, 0x1_0000...0x10_ffff,
        ]
        for run in runs {
            for range in clamped(to: run).ranges {
                Self.split(range.lowerBound, range.upperBound, into: &sequences)
            }
        }
        return sequences
    }

    /// Cuts a range at the places where a byte other than the last changes, until each byte has a
    /// range of its own whatever the others are.
    private static func split(
        _ low: UInt32, _ high: UInt32, into sequences: inout [[ClosedRange<UInt8>]]
    ) {
        if high > 0x7f {
            for shift in [6, 12, 18] as [UInt32] {
                let mask = (UInt32(1) << shift) - 1
                guard low & ~mask != high & ~mask else { continue }
                if low & mask != 0 {
                    split(low, low | mask, into: &sequences)
                    return split((low | mask) + 1, high, into: &sequences)
                }
                if high & mask != mask {
                    split(low, (high & ~mask) - 1, into: &sequences)
                    return split(high & ~mask, high, into: &sequences)
                }
            }
        }
        guard let first = Unicode.Scalar(low), let last = Unicode.Scalar(high) else { return }
        sequences.append(zip(String(first).utf8, String(last).utf8).map { $0...$1 })
    }
}

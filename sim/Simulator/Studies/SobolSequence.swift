/// Sobol's sequence in the order of Gray codes, from its point 1 on: point 0 is zero.
///
/// Source: I. M. Sobol (1967); P. Bratley and B. L. Fox, Algorithm 659, ACM TOMS 14 (1988); the
/// direction numbers are Joe's and Kuo's. The same points as SciPy's without scrambling.
public struct SobolSequence: Sendable {
    /// The most dimensions.
    public static let mostDimensions = SobolDirections.rows.count + 1

    private let directions: [[UInt64]]
    private var point: [UInt64]
    private var index: UInt64 = 0

    /// The sequence of so many dimensions, at most `mostDimensions`.
    public init(dimensions: Int) {
        precondition(dimensions <= Self.mostDimensions)
        directions = (0..<dimensions).map(Self.direction)
        point = Array(repeating: 0, count: dimensions)
    }

    /// The next point, in parts of 2^64.
    public mutating func next() -> [UInt64] {
        let bit = (~index).trailingZeroBitCount
        index += 1
        for dimension in point.indices { point[dimension] ^= directions[dimension][bit] }
        return point
    }

    /// Goes over the next `count` points.
    public mutating func skip(_ count: Int) { for _ in 0..<count { _ = next() } }

    private static func direction(_ dimension: Int) -> [UInt64] {
        if dimension == 0 { return (0..<64).map { 1 << (63 - $0) } }
        let (coefficients, numbers) = SobolDirections.rows[dimension - 1]
        let degree = numbers.count
        var words: [UInt64] = []
        for bit in 0..<64 {
            if bit < degree {
                words.append(numbers[bit] << UInt64(63 - bit))
                continue
            }
            var word = words[bit - degree] ^ (words[bit - degree] >> UInt64(degree))
            for step in 1..<degree where coefficients >> UInt64(degree - 1 - step) & 1 == 1 {
                word ^= words[bit - step]
            }
            words.append(word)
        }
        return words
    }
}

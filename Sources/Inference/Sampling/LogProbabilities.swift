import CKernels

/// Log probabilities of one row of logits, from additions and the project's own `exp` and `log`
/// in double precision: the same on every machine.
public struct LogProbabilities: Sendable {
    private let logits: [Float]
    /// The logarithm of the sum of all exponentials.
    private let total: Double

    /// Normalises one row of finite logits.
    public init(logits: [Float]) {
        self.logits = logits
        let top = Double(logits.max() ?? 0)
        var sum = 0.0
        for logit in logits { sum += xk_exp(Double(logit) - top) }
        total = top + xk_log(sum)
    }

    /// The log probability of one token; `nil` if there is no such token.
    public func of(_ token: Int32) -> Double? {
        guard token >= 0, Int(token) < logits.count else { return nil }
        return Double(logits[Int(token)]) - total
    }

    /// The `count` most likely tokens, the most likely first, the lowest id of equals first.
    public func top(_ count: Int) -> [TokenProbability] {
        TopTokens.largest(min(max(count, 0), logits.count), of: logits).map {
            TokenProbability(token: Int32($0), logProbability: Double(logits[$0]) - total)
        }
    }

    /// What the model thought of a position at which `token` was put.
    public func score(_ token: Int32, top count: Int) -> PositionScore {
        PositionScore(
            chosen: TokenProbability(token: token, logProbability: of(token) ?? -.infinity),
            top: top(count))
    }
}

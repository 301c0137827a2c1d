import Primitives

/// A token and the natural logarithm of its probability.
public struct TokenProbability: Hashable, Sendable {
    /// The token.
    public let token: Int32
    /// Natural logarithm of its probability at temperature 1; at most 0 up to rounding.
    public let logProbability: Double

    /// A token with its log probability.
    public init(token: Int32, logProbability: Double) {
        self.token = token
        self.logProbability = logProbability
    }
}

/// What the model thought of one position: of the token that stands or was put there, and of the
/// most likely ones. By its logits as they are, before penalties, biases and temperature.
public struct PositionScore: Hashable, Sendable {
    /// The most of `top` that can be asked for with an answer.
    public static let maximumTop = WireFrame.maximumLikelyTokens

    /// The token that stands there, with its log probability.
    public let chosen: TokenProbability
    /// The most likely tokens, the most likely first, the lowest of equals first.
    public let top: [TokenProbability]

    /// A score of its parts.
    public init(chosen: TokenProbability, top: [TokenProbability]) {
        self.chosen = chosen
        self.top = top
    }

    /// Whether these can be the numbers of a model with this vocabulary that was asked for the
    /// `count` most likely tokens: known tokens, probabilities, and in their order. The chosen
    /// token's is the same where it is among the likely ones, and else not above them.
    public func isPossible(top count: Int, vocabulary: Int32) -> Bool {
        func isKnown(_ entry: TokenProbability) -> Bool {
            entry.token >= 0 && entry.token < vocabulary && entry.logProbability.isFinite
                && entry.logProbability < 1e-6
        }
        func precedes(_ left: TokenProbability, _ right: TokenProbability) -> Bool {
            left.logProbability > right.logProbability
                || left.logProbability == right.logProbability && left.token < right.token
        }
        guard isKnown(chosen), top.allSatisfy(isKnown), top.count == min(count, Int(vocabulary)),
            zip(top, top.dropFirst()).allSatisfy({ precedes($0, $1) }),
            Set(top.map(\.token)).count == top.count
        else { return false }
        if let same = top.first(where: { $0.token == chosen.token }) { return same == chosen }
        return top.last.map { precedes($0, chosen) } ?? true
    }
}

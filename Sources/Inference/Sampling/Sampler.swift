import CKernels

/// Chooses tokens from logits, the same on every machine.
///
/// Temperature 0 takes the largest logit, the lowest id of equals. Above 0 each candidate j gets
/// the key logit(j)/temperature + G(j), and the largest key wins (Gumbel-max, which is exactly
/// softmax sampling). G(j) = -log(-log(u)) where u comes from Philox with the seed as key and
/// (token, position) as counter: a position's choice depends on nothing but its logits, so a
/// verifier can recompute it alone and a speculative run chooses the same tokens.
public struct Sampler: Sendable {
    /// How to choose.
    public let parameters: SamplingParameters

    /// A sampler; throws if a parameter is out of its range.
    public init(_ parameters: SamplingParameters) throws(EngineError) {
        if let field = parameters.invalidField { throw .invalidParameter(field) }
        self.parameters = parameters
    }

    /// The token for `position`, which is how many tokens come before it in the sequence, prompt
    /// included. The logits are those of the position before.
    public func sample(logits: [Float], position: Int) -> Int32 {
        if parameters.temperature == 0 { return Self.largest(logits) }
        guard parameters.topK > 0 || parameters.topP < 1 else {
            return choose(logits, candidates: 0..<logits.count, position: position)
        }
        let limit = parameters.topK == 0 ? logits.count : Int(parameters.topK)
        var candidates = TopTokens.largest(min(limit, logits.count), of: logits)
        if parameters.topP < 1 { candidates = nucleus(candidates, logits) }
        candidates.sort()
        return choose(logits, candidates: candidates, position: position)
    }

    /// The token with the largest logit, the lowest of equals; 0 for no logits.
    public static func largest(_ logits: [Float]) -> Int32 {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return Int32(best)
    }

    /// The fewest first candidates whose probability at this temperature, among all candidates,
    /// reaches `topP`; sums in double precision in the candidates' order.
    private func nucleus(_ candidates: [Int], _ logits: [Float]) -> [Int] {
        guard let first = candidates.first else { return [] }
        let temperature = Double(parameters.temperature)
        let top = Double(logits[first]) / temperature
        let weights = candidates.map { xk_exp(Double(logits[$0]) / temperature - top) }
        let wanted = Double(parameters.topP) * weights.reduce(0, +)
        var sum = 0.0
        for (index, weight) in weights.enumerated() {
            sum += weight
            if sum >= wanted { return Array(candidates[...index]) }
        }
        return candidates
    }

    private func choose(
        _ logits: [Float], candidates: some Sequence<Int>, position: Int
    ) -> Int32 {
        let temperature = Double(parameters.temperature)
        var best = 0
        var bestKey = -Double.infinity
        for token in candidates {
            let random = randomBits(token: token, position: position)
            let base = Double(logits[token]) / temperature
            // u < 1 - 2^-(k+1) with k leading ones, so G < (k + 1) log 2: most tokens need no log.
            let ones = Double((~random).leadingZeroBitCount + 1)
            if base + ones * 0.6931471805599454 + 1e-9 < bestKey { continue }
            let uniform = (Double(random >> 11) + 0.5) * 0x1p-53
            let key = base - xk_log(-xk_log(uniform))
            if key > bestKey {
                bestKey = key
                best = token
            }
        }
        return Int32(best)
    }

    private func randomBits(token: Int, position: Int) -> UInt64 {
        let seed = parameters.seed
        let block = Philox.block(
            counter: (
                UInt32(truncatingIfNeeded: token), UInt32(truncatingIfNeeded: position),
                UInt32(truncatingIfNeeded: position >> 32), 0
            ),
            key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
        return UInt64(block.1) << 32 | UInt64(block.0)
    }
}

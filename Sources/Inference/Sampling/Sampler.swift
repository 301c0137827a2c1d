import CKernels

/// Chooses tokens from logits, the same on every machine. A choice depends on the parameters, the
/// logits, the position and the tokens so far, and on nothing else: a verifier can recompute it
/// alone, and a speculative run chooses the same tokens.
///
/// The steps, in this order; each operation of the first four is one of IEEE 754 binary32, rounded
/// to nearest even, and what is too large for it is the largest number:
///
/// 1. **Logit bias**: the token's bias is added to its logit (OpenAI's API reference).
/// 2. **Repetition penalty** r, for tokens that occur in prompt or output: a logit x above 0
///    becomes x / r, any other x * r (Keskar et al., "CTRL", 2019, as vLLM and llama.cpp do it for logits
///    that are not above 0).
/// 3. **Frequency penalty** f, for tokens that were chosen n times: x - n * f.
/// 4. **Presence penalty** p, for tokens that were chosen at all: x - p (3 and 4 by OpenAI's API
///    reference; the prompt does not count, as in vLLM).
/// 5. Temperature 0 takes the largest logit. Above 0, candidates are all tokens, of which **top-k**
///    keeps the k with the largest logits, **top-p** the fewest first of these whose probability at
///    the temperature, among these, reaches p, and **min-p** those whose probability at the
///    temperature is at least m times that of the most likely (llama.cpp's `min_p` behind its
///    temperature): x/T - max/T >= log(m), in binary64.
/// 6. Each candidate j gets the key x(j)/T + G(j), and the largest key wins (Gumbel-max, which is
///    exactly softmax sampling). G(j) = -log(-log(u)) where u comes from Philox with the seed as
///    key and (token, position) as counter.
///
/// Of equals the lowest token is taken.
public struct Sampler: Sendable {
    /// How to choose.
    public let parameters: SamplingParameters
    /// The logarithm of min-p.
    private let minimum: Double

    /// A sampler; throws if a parameter is out of its range.
    public init(_ parameters: SamplingParameters) throws(EngineError) {
        if let field = parameters.invalidField { throw .invalidParameter(field) }
        self.parameters = parameters
        minimum = parameters.minP > 0 ? xk_log(Double(parameters.minP)) : -.infinity
    }

    /// The token for `position`, which is how many tokens come before it in the sequence, prompt
    /// included. The logits are those of the position before. Only for parameters that count no
    /// tokens.
    public func sample(logits: [Float], position: Int) -> Int32 {
        precondition(!parameters.countsOutput, "penalties count the tokens so far")
        return sample(logits: logits, position: position, after: TokenHistory(for: parameters))
    }

    /// The token for `position`, after the tokens of `history`.
    public func sample(logits: [Float], position: Int, after history: TokenHistory) -> Int32 {
        // Whatever forbids tokens (a grammar) acts on the logits between these two.
        let logits = parameters.changesLogits ? changed(logits, after: history) : logits
        return choose(logits, position: position)
    }

    // MARK: Logits

    /// Steps 1 to 4. Each token's logit is changed by itself, so their order does not matter.
    private func changed(_ logits: [Float], after history: TokenHistory) -> [Float] {
        var logits = logits
        for bias in parameters.logitBias where Int(bias.token) < logits.count {
            logits[Int(bias.token)] = Self.finite(logits[Int(bias.token)] + bias.value)
        }
        let (penalty, frequency) = (parameters.repetitionPenalty, parameters.frequencyPenalty)
        history.forEach { token, count in
            guard token >= 0, Int(token) < logits.count else { return }
            var logit = logits[Int(token)]
            if penalty != 1 { logit = Self.finite(logit > 0 ? logit / penalty : logit * penalty) }
            if count.output > 0 {
                logit = Self.finite(logit - Float(count.output) * frequency)
                logit = Self.finite(logit - parameters.presencePenalty)
            }
            logits[Int(token)] = logit
        }
        return logits
    }

    private static func finite(_ value: Float) -> Float {
        min(max(value, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
    }

    // MARK: Choice

    /// Steps 5 and 6.
    private func choose(_ logits: [Float], position: Int) -> Int32 {
        if parameters.temperature == 0 { return Self.largest(logits) }
        guard parameters.topK > 0 || parameters.topP < 1 else {
            guard parameters.minP > 0 else {
                return choose(logits, candidates: 0..<logits.count, position: position)
            }
            let best = Int(Self.largest(logits))
            let candidates = likely(logits.indices, beside: best, logits)
            return choose(logits, candidates: candidates, position: position)
        }
        let limit = parameters.topK == 0 ? logits.count : Int(parameters.topK)
        var candidates = TopTokens.largest(min(limit, logits.count), of: logits)
        if parameters.topP < 1 { candidates = nucleus(candidates, logits) }
        if parameters.minP > 0, let best = candidates.first {
            candidates = likely(candidates, beside: best, logits)
        }
        candidates.sort()
        return choose(logits, candidates: candidates, position: position)
    }

    /// The candidates that min-p keeps; `best` is the most likely token.
    private func likely(
        _ candidates: some Sequence<Int>, beside best: Int, _ logits: [Float]
    ) -> [Int] {
        let temperature = Double(parameters.temperature)
        let top = Double(logits[best]) / temperature
        return candidates.filter { Double(logits[$0]) / temperature - top >= minimum }
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

import Inference
import Primitives

/// Log probabilities as OpenAI spells them: a list of tokens in chat, four lists side by side in
/// plain completions.
enum CompletionLogprobs: Encodable, Sendable {
    case chat(Content)
    case plain(Lists)

    struct Content: Encodable, Sendable {
        let content: [Token]
    }

    /// A token of a chat's answer with the most likely ones in its place.
    struct Token: Encodable, Sendable {
        let token: String
        let logprob: Double
        let bytes: [UInt8]
        var topLogprobs: [Token]?
    }

    struct Lists: Encodable, Sendable {
        var tokens: [String] = []
        var tokenLogprobs: [Double] = []
        /// By text; of tokens with the same text the most likely.
        var topLogprobs: [[String: Double]] = []
        /// Where each token's text begins in the answer, in Unicode scalars.
        var textOffset: [Int] = []
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .chat(let content): try content.encode(to: encoder)
        case .plain(let lists): try lists.encode(to: encoder)
        }
    }
}

/// Writes the log probabilities of an answer, part by part.
struct LogprobsWriter: Sendable {
    let isChat: Bool
    let tokenizer: Tokenizer
    private var decoder = StreamDecoder()
    /// Unicode scalars of the tokens so far.
    private var offset = 0

    init(isChat: Bool, tokenizer: Tokenizer) {
        self.isChat = isChat
        self.tokenizer = tokenizer
    }

    /// The next tokens of the answer.
    mutating func write(_ scores: [PositionScore]) -> CompletionLogprobs {
        if isChat { return .chat(.init(content: scores.map(token))) }
        var lists = CompletionLogprobs.Lists()
        for score in scores {
            lists.tokens.append(text(score.chosen.token))
            lists.tokenLogprobs.append(score.chosen.logProbability)
            var top: [String: Double] = [:]
            // The chosen one is always there, as at OpenAI.
            for entry in score.top + [score.chosen] where top[text(entry.token)] == nil {
                top[text(entry.token)] = entry.logProbability
            }
            lists.topLogprobs.append(top)
            lists.textOffset.append(offset)
            let bytes = tokenizer.bytes(of: score.chosen.token)
            offset += decoder.append(bytes).unicodeScalars.count
        }
        return .plain(lists)
    }

    private func token(_ score: PositionScore) -> CompletionLogprobs.Token {
        var token = entry(score.chosen)
        token.topLogprobs = score.top.map(entry)
        return token
    }

    private func entry(_ entry: TokenProbability) -> CompletionLogprobs.Token {
        CompletionLogprobs.Token(
            token: text(entry.token), logprob: entry.logProbability,
            bytes: tokenizer.bytes(of: entry.token))
    }

    /// Half a character is U+FFFD; `bytes` has what it is.
    private func text(_ token: Int32) -> String {
        String(decoding: tokenizer.bytes(of: token), as: UTF8.self)
    }
}

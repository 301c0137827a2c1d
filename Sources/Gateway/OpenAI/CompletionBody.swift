import Foundation
import Primitives
import Service

/// The body of `/v1/chat/completions` and `/v1/completions`, as OpenAI and OpenRouter spell it.
/// Fields that ask for what this house cannot do are read to be refused.
struct CompletionBody: Decodable, Sendable {
    struct Message: Decodable, Sendable {
        let role: String
        let content: Content?
    }

    /// Text, or a list of parts that must be text.
    enum Content: Decodable, Sendable {
        case text(String)
        case parts([Part])

        struct Part: Decodable, Sendable {
            let type: String
            let text: String?
        }

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                self = .text(text)
            } else {
                self = .parts(try value.decode([Part].self))
            }
        }

        /// The text; `nil` if a part is something else.
        var text: String? {
            switch self {
            case .text(let text): return text
            case .parts(let parts):
                var all = ""
                for part in parts {
                    guard part.type == "text", let text = part.text else { return nil }
                    all += text
                }
                return all
            }
        }
    }

    /// A text, a list of one text, or token ids, or a list of one list of them.
    enum Prompt: Decodable, Sendable {
        case text(String)
        case tokens([Int32])
        case many

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                self = .text(text)
            } else if let tokens = try? value.decode([Int32].self) {
                self = .tokens(tokens)
            } else if let texts = try? value.decode([String].self) {
                self = texts.count == 1 ? .text(texts[0]) : .many
            } else {
                let lists = try value.decode([[Int32]].self)
                self = lists.count == 1 ? .tokens(lists[0]) : .many
            }
        }
    }

    /// One text or several.
    struct Stops: Decodable, Sendable {
        let texts: [String]

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                texts = [text]
            } else {
                texts = try value.decode([String].self)
            }
        }
    }

    struct StreamOptions: Decodable, Sendable {
        let includeUsage: Bool?
    }

    /// Routing preferences as OpenRouter spells them.
    struct Provider: Decodable, Sendable {
        struct MaximumPrice: Decodable, Sendable {
            let prompt: Decimal?
            let completion: Decimal?
        }

        let order: [String]?
        let only: [String]?
        let ignore: [String]?
        let allowFallbacks: Bool?
        let sort: String?
        let maxPrice: MaximumPrice?
        let dataCollection: String?
        let zdr: Bool?
        let quantizations: [String]?
        /// This house's own: `exact`, or `any` for statistical offers too.
        let numerics: String?
    }

    /// The schema itself is read from the body's bytes, which have the order of its properties.
    struct ResponseFormat: Decodable, Sendable {
        let type: String
    }

    /// Anything at all: it only matters whether it is there.
    struct Anything: Decodable, Sendable {
        init(from decoder: any Decoder) throws {}
    }

    let model: String
    let messages: [Message]?
    let prompt: Prompt?
    let stream: Bool?
    let streamOptions: StreamOptions?
    let maxTokens: Int?
    let maxCompletionTokens: Int?
    let temperature: Double?
    let topP: Double?
    let topK: Int?
    let minP: Double?
    let repetitionPenalty: Double?
    let presencePenalty: Double?
    let frequencyPenalty: Double?
    let logitBias: [String: Double]?
    let seed: Int64?
    let stop: Stops?
    let provider: Provider?
    let n: Int?
    let bestOf: Int?
    let echo: Bool?
    let suffix: String?
    let tools: [Anything]?
    let functions: [Anything]?
    let responseFormat: ResponseFormat?
    let logprobs: Logprobs?
    let topLogprobs: Int?

    /// `true` in chat, a number in completions.
    enum Logprobs: Decodable, Hashable, Sendable {
        case flag(Bool)
        case number(Int)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let flag = try? value.decode(Bool.self) {
                self = .flag(flag)
            } else {
                self = .number(try value.decode(Int.self))
            }
        }
    }

    /// The first field that asks for what this house cannot do.
    var unsupported: String? {
        if let n, n != 1 { return "n" }
        if let bestOf, bestOf != 1 { return "best_of" }
        if echo == true { return "echo" }
        if let suffix, !suffix.isEmpty { return "suffix" }
        if let tools, !tools.isEmpty { return "tools" }
        if let functions, !functions.isEmpty { return "functions" }
        return nil
    }
}

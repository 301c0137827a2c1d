import Cryptography
public import Primitives

/// How the next token is chosen. With the same parameters, logits and tokens so far every machine
/// chooses the same token, at any temperature. The steps and formulas are in `Sampler`.
public struct SamplingParameters: Hashable, Sendable {
    /// A number that is added to the logit of one token.
    public struct Bias: Hashable, Sendable {
        /// The token. One that is not in the vocabulary changes nothing.
        public var token: Int32
        /// What is added to its logit, -100 to 100 and not 0.
        public var value: Float

        /// A bias for a token.
        public init(token: Int32, value: Float) {
            self.token = token
            self.value = value
        }
    }

    /// The most tokens with a bias.
    public static let maximumBiases = 300
    /// Canonical bytes are never longer.
    public static let maximumBytes =
        20 + 1 + 16 + 33 + 4 + 8 * maximumBiases + 5 + OutputFormat.maximumSchemaBytes

    /// 0 takes the most likely token; higher is more random. At most 100.
    public var temperature: Float
    /// Only the `topK` most likely tokens can be chosen; 0 for all.
    public var topK: UInt32
    /// Only the fewest most likely tokens that together have at least this probability can be
    /// chosen; above 0, and 1 for all.
    public var topP: Float
    /// Only tokens whose probability is at least this part of the most likely one's can be chosen;
    /// 0 for all, at most 1.
    public var minP: Float = 0
    /// Makes tokens of prompt and output less likely (above 1) or more likely (below); 1 changes
    /// nothing. Above 0, at most 100.
    public var repetitionPenalty: Float = 1
    /// Is taken off the logits of tokens that were chosen before; -100 to 100.
    public var presencePenalty: Float = 0
    /// Is taken off the logits of tokens for each time that they were chosen before; -100 to 100.
    public var frequencyPenalty: Float = 0
    /// Tokens with a bias, in ascending order of token, each at most once.
    public var logitBias: [Bias] = []
    /// What the answer's text must be.
    public var format: OutputFormat = .text
    /// What makes one random run differ from another.
    public var seed: UInt64
    /// The hash of the prompt's tokens (`promptHash(of:)`), so that who signs for the parameters
    /// signs for the prompt that the repetition penalty counts; `nil` where nobody signs.
    public var promptHash: Digest?

    /// Parameters; the most likely token if nothing is said.
    public init(temperature: Float = 0, topK: UInt32 = 0, topP: Float = 1, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// Always the most likely token.
    public static let greedy = SamplingParameters()

    /// Whether a choice depends on the prompt's tokens.
    public var countsPrompt: Bool { repetitionPenalty != 1 }

    /// Whether a choice depends on tokens that were chosen before.
    public var countsOutput: Bool {
        countsPrompt || presencePenalty != 0 || frequencyPenalty != 0
    }

    /// Whether a choice depends on tokens that were chosen before, for any reason.
    public var needsOutput: Bool { countsOutput || format != .text }

    /// Whether logits are changed before one is chosen by them.
    public var changesLogits: Bool { countsOutput || !logitBias.isEmpty }

    /// The name of the first field that is out of its range; `nil` if all are usable.
    public var invalidField: String? {
        if !(temperature >= 0 && temperature <= 100) { return "temperature" }
        if !(topP > 0 && topP <= 1) { return "topP" }
        if !(minP >= 0 && minP <= 1) { return "minP" }
        if !(repetitionPenalty > 0 && repetitionPenalty <= 100) { return "repetitionPenalty" }
        if !(presencePenalty.magnitude <= 100) { return "presencePenalty" }
        if !(frequencyPenalty.magnitude <= 100) { return "frequencyPenalty" }
        if logitBias.count > Self.maximumBiases { return "logitBias" }
        for (place, bias) in logitBias.enumerated() {
            let isNext = place == 0 || logitBias[place - 1].token < bias.token
            guard isNext, bias.token >= 0, bias.value.magnitude <= 100, bias.value != 0 else {
                return "logitBias"
            }
        }
        return promptHash == nil || countsPrompt ? nil : "promptHash"
    }

    /// The hash that stands for a prompt in `promptHash`: SHA-256 of the tokens that occur in it as
    /// a counted list of 32-bit numbers, each once and in ascending order. Neither order nor number
    /// of occurrences counts for the penalty.
    public static func promptHash(of prompt: some Sequence<Int32>) -> Digest {
        let tokens = distinct(prompt)
        var writer = ByteWriter()
        writer.write(UInt32(tokens.count))
        for token in tokens { writer.write(UInt32(bitPattern: token)) }
        return SHA256.hash(writer.bytes)
    }

    /// The tokens that occur in a prompt, each once and in ascending order.
    public static func distinct(_ prompt: some Sequence<Int32>) -> [Int32] {
        Set(prompt).sorted()
    }

    /// The parameters with the hash of the prompt if they count its tokens.
    public func committed(to prompt: [Int32]) -> SamplingParameters {
        var parameters = self
        parameters.promptHash = countsPrompt ? Self.promptHash(of: prompt) : nil
        return parameters
    }
}

/// Twenty bytes (temperature, top-k, top-p, seed), and an extension if anything else is said:
/// version 1, min-p, repetition, presence and frequency penalty, the prompt's hash, biases. Version
/// 2 has the output format behind these, if it is not text. There is nothing behind the parameters,
/// so that an extension is told by bytes that are left.
extension SamplingParameters: CanonicalCodable {
    private var version: UInt8 { format == .text ? 1 : 2 }

    private var hasExtension: Bool { minP != 0 || changesLogits || format != .text }

    public func encode(into writer: inout ByteWriter) {
        writer.write(temperature.bitPattern)
        writer.write(topK)
        writer.write(topP.bitPattern)
        writer.write(seed)
        guard hasExtension else { return }
        writer.write(version)
        for number in [minP, repetitionPenalty, presencePenalty, frequencyPenalty] {
            // There is one zero.
            writer.write(number == 0 ? 0 : number.bitPattern)
        }
        writer.write(promptHash != nil)
        if let promptHash { writer.write(promptHash) }
        writer.write(UInt32(logitBias.count))
        for bias in logitBias {
            writer.write(UInt32(bitPattern: bias.token))
            writer.write(bias.value.bitPattern)
        }
        if format != .text { writer.write(format) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            temperature: Float(bitPattern: try reader.readUInt32()),
            topK: try reader.readUInt32(),
            topP: Float(bitPattern: try reader.readUInt32()), seed: try reader.readUInt64())
        if reader.remaining > 0 { try readExtension(&reader) }
        if let invalidField { throw .invalidValue(invalidField) }
    }

    private mutating func readExtension(_ reader: inout ByteReader) throws(CodecError) {
        let version = try reader.readUInt8()
        guard version == 1 || version == 2 else { throw .invalidValue("sampling version") }
        minP = try Self.number(&reader, "minP")
        repetitionPenalty = try Self.number(&reader, "repetitionPenalty")
        presencePenalty = try Self.number(&reader, "presencePenalty")
        frequencyPenalty = try Self.number(&reader, "frequencyPenalty")
        if try reader.readBool() { promptHash = try reader.readDigest() }
        for _ in 0..<(try reader.readCount(limit: Self.maximumBiases)) {
            logitBias.append(
                Bias(
                    token: Int32(bitPattern: try reader.readUInt32()),
                    value: Float(bitPattern: try reader.readUInt32())))
        }
        if version == 2 { format = try reader.read() }
        guard hasExtension, version == self.version else {
            throw .invalidValue("sampling extension")
        }
    }

    private static func number(
        _ reader: inout ByteReader, _ field: String
    ) throws(CodecError) -> Float {
        let bits = try reader.readUInt32()
        guard bits != 0x8000_0000 else { throw .invalidValue(field) }
        return Float(bitPattern: bits)
    }
}

/// Why a model file was refused or could not be made ready. The number is stable for ever; the
/// detail names the key, tensor or limit.
public struct ModelError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// The file cannot be opened or mapped.
        case cannotOpen = 101
        /// The file does not start with `GGUF`.
        case badMagic = 102
        /// The format version is neither 2 nor 3.
        case unsupportedVersion = 103
        /// The file ends before what it announces.
        case truncated = 104
        /// A count or length is over this reader's limit.
        case limitExceeded = 105
        /// Text is not UTF-8.
        case invalidText = 106
        /// A metadata value has a type the format does not define.
        case unknownValueType = 201
        /// A metadata key stands twice.
        case duplicateKey = 202
        /// An array holds arrays.
        case nestedArray = 203
        /// A metadata key that the model needs is missing.
        case missingKey = 204
        /// A metadata value has another type than its key asks for.
        case wrongValueType = 205
        /// A flag byte is neither 0 nor 1.
        case invalidFlag = 206
        /// The alignment is not a power of two from 8 to 65,536.
        case badAlignment = 207
        /// A tensor name stands twice.
        case duplicateTensor = 301
        /// A tensor has no, too many, empty or too large dimensions.
        case badDimensions = 302
        /// A tensor's number format is not one this engine runs.
        case unsupportedTensorType = 303
        /// A quantised tensor's rows are not whole blocks.
        case partialBlock = 304
        /// A tensor does not start on the file's alignment.
        case misalignedTensor = 305
        /// A tensor reaches past the end of the file.
        case tensorOutOfBounds = 306
        /// Two tensors share bytes.
        case overlappingTensors = 307
        /// A tensor that the architecture needs is missing.
        case missingTensor = 308
        /// A tensor that the architecture does not know.
        case unexpectedTensor = 309
        /// A tensor has another shape than the architecture asks for.
        case wrongShape = 310
        /// A norm is not stored as 32-bit floats.
        case wrongTensorType = 311
        /// The architecture is not one this engine runs.
        case unsupportedArchitecture = 401
        /// The model asks for something that would change the arithmetic, such as rope scaling.
        case unsupportedFeature = 402
        /// The sizes do not fit together.
        case invalidArchitecture = 403
        /// The tokenizer is not one this engine knows.
        case unsupportedTokenizer = 501
        /// Tokens, types and merges do not fit together.
        case invalidVocabulary = 502
        /// The chat template is not one this engine knows.
        case unsupportedChatTemplate = 503
        /// The model has no chat template.
        case noChatTemplate = 504
        /// The chat template refuses this conversation, such as two user messages in a row.
        case unsuitableConversation = 505
        /// A text is too long to be turned into tokens.
        case textTooLong = 506
        /// Not enough memory.
        case outOfMemory = 601
        /// A weight is infinite or not a number.
        case weightsNotFinite = 602
        /// This machine lacks the instructions of the requested path.
        case unsupportedPath = 603
        /// The layer range is not inside the model.
        case layersOutOfRange = 604
        /// The thread count is not from 1 to 256.
        case badThreadCount = 605
    }

    /// What was wrong.
    public let code: Code
    /// Where: a key, a tensor, a limit; plain text for people.
    public let detail: String

    /// An error with its place.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}

extension ModelError: CustomStringConvertible {
    /// `model error 306 (tensorOutOfBounds): blk.0.ffn_up.weight`.
    public var description: String { "model error \(code.rawValue) (\(code)): \(detail)" }
}

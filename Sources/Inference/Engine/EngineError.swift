/// Why a stage did not run. Nothing changed: the session stays at the position it had. The
/// numbers (`code`) are stable for ever.
public enum EngineError: Error, Hashable, Sendable {
    /// No tokens or no activations were given.
    case emptyInput
    /// A token is not in the vocabulary; carries it.
    case tokenOutOfRange(Int32)
    /// The number of floats is not positions times hidden size.
    case wrongActivationCount(expected: Int, found: Int)
    /// An activation that came in is infinite or not a number.
    case inputNotFinite
    /// The result is infinite or not a number: these weights overflow on this input.
    case resultNotFinite
    /// The session has no room for that many positions.
    case tooManyPositions(capacity: Int, needed: Int)
    /// Tokens were given to a stage without the first layer.
    case notFirstStage
    /// Activations were given to the stage with the first layer, which takes tokens.
    case isFirstStage
    /// Logits were asked of a stage without the last layer.
    case notLastStage
    /// A session cannot be cut to a position it has not reached.
    case positionOutOfRange(Int)
    /// Not enough memory for the session.
    case outOfMemory
    /// The sampling parameters are not usable; carries the field's name.
    case invalidParameter(String)
    /// The stage's key-value memory is promised to other sessions.
    case poolExhausted(pages: Int, reserved: Int, needed: Int)
    /// A session was given twice in one pass.
    case sessionRepeated
    /// As many callers wait as may.
    case queueFull
    /// The format that the answer is to be held to cannot be enforced.
    case unusableFormat(SchemaError)

    /// The stable number.
    public var code: UInt16 {
        switch self {
        case .emptyInput: 1
        case .tokenOutOfRange: 2
        case .wrongActivationCount: 3
        case .inputNotFinite: 4
        case .resultNotFinite: 5
        case .tooManyPositions: 6
        case .notFirstStage: 7
        case .isFirstStage: 8
        case .notLastStage: 9
        case .positionOutOfRange: 10
        case .outOfMemory: 11
        case .invalidParameter: 12
        case .poolExhausted: 13
        case .sessionRepeated: 14
        case .queueFull: 15
        case .unusableFormat: 16
        }
    }
}

/// Guesses which tokens come next. Wrong guesses cost time and never change what comes out.
///
/// A guess may depend on nothing but the tokens, so that a run can be repeated; it needs not be
/// good, or the same on two machines.
public protocol DraftSource: Sendable {
    /// Takes tokens that have become certain: the prompt, then what the model chose.
    mutating func append(_ tokens: [Int32])

    /// The most likely next tokens, at most `count`, after the certain ones and `pending`, which
    /// are guesses that have not been judged yet. None if there is no idea.
    mutating func draft(after pending: [Int32], count: Int) -> [Int32]

    /// How good the ground for the next guess is: a class from 0 to `DraftController.classes - 1`
    /// whose guesses have the same chance. The controller learns what each class is worth.
    var evidence: Int { get }

    /// Whether `draft` takes as long as running a model, so that it must not run on an event loop.
    var isSlow: Bool { get }
}

/// Guesses nothing: one position at a time.
public struct NoDraft: DraftSource {
    /// A source without ideas.
    public init() {}

    /// Does nothing.
    public mutating func append(_ tokens: [Int32]) {}
    /// Nothing.
    public mutating func draft(after pending: [Int32], count: Int) -> [Int32] { [] }
    /// The lowest class.
    public var evidence: Int { 0 }
    /// It is not.
    public var isSlow: Bool { false }
}

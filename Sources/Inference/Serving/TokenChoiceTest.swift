import CKernels

/// Whether an answer's tokens look chosen by this model, as far as another engine can be told from
/// another model: a sequential probability ratio test (Wald 1945) over tokens of greedy answers.
///
/// Only the tokens count, scored by the caller's own pass over them. Log probabilities that a
/// provider reports are worth nothing: one pass of the right model over the tokens of a cheap one
/// gives them, all true. **Not a conviction**: the rates below were measured on one model, and an
/// honest engine with other weights than the registered ones fails as a cheat does.
public struct TokenChoiceTest: Hashable, Sendable {
    /// What the tokens so far say.
    public enum Finding: Hashable, Sendable {
        /// As an honest engine's.
        case consistent
        /// As another model's.
        case inconsistent
        /// Too few tokens, or none that can be tested.
        case undecided
    }

    /// How often an honest engine of another arithmetic chooses another token than ours, guarded:
    /// measured were at most 3.3 % for SmolLM2-135M.
    public static let honestRate = 0.06
    /// How often a coarser quantisation does, guarded: measured were 18 to 29 %.
    public static let otherRate = 0.15
    /// The chance to call an honest engine inconsistent.
    public static let falseAlarm = 1e-6
    /// The chance to call another model consistent.
    public static let miss = 1e-3

    /// Tokens that were compared.
    public private(set) var tokens = 0
    /// Those that are not this model's best.
    public private(set) var mismatches = 0
    /// The logarithm of the likelihood ratio: above 0 speaks for another model.
    public private(set) var ratio = 0.0
    private var isInconsistent = false

    /// A test that has seen nothing.
    public init() {}

    /// What was found. `inconsistent` stays: at any time, that is as unlikely for an honest engine
    /// as `falseAlarm` says (Ville's inequality). Anything else can change with more tokens.
    public var finding: Finding {
        if isInconsistent { return .inconsistent }
        return ratio <= xk_log(Self.miss / (1 - Self.falseAlarm)) ? .consistent : .undecided
    }

    /// Takes the scores of a greedy answer (`Generator.score` with `top` of at least 1).
    public mutating func add(greedy scores: [PositionScore]) {
        for score in scores {
            let isOther = score.top.first?.token != score.chosen.token
            tokens += 1
            if isOther { mismatches += 1 }
            ratio +=
                isOther
                ? xk_log(Self.otherRate / Self.honestRate)
                : xk_log((1 - Self.otherRate) / (1 - Self.honestRate))
            if ratio >= xk_log((1 - Self.miss) / Self.falseAlarm) { isInconsistent = true }
        }
    }
}

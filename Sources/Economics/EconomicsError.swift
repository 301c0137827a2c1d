/// Why a rule of this target has no answer.
public enum EconomicsError: Error, Equatable, Sendable {
    /// The result, or a number on the way to it, does not fit its type.
    case overflow
    /// There is nothing to divide by: no price, no stake, an empty pool.
    case nothingToDivideBy
    /// More is asked for than is there.
    case insufficient
    /// The result is less than the smallest unit, or than the least that is allowed.
    case tooSmall
    /// A limit of the rule forbids it now (a breaker is open).
    case halted
    /// A name that no policy has, or a parameter it does not know or cannot use; carries which.
    case invalid(String)
}

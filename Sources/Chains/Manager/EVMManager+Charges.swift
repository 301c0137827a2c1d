public import Primitives

/// How far somebody has read what a manager's accounts were charged.
public struct EVMChargeMark: Hashable, Sendable {
    var intents = 0
    var fillers = 0

    /// Nothing was read yet.
    public init() {}
}

/// What the chain charged the accounts of a manager: every transaction of its own that is final,
/// the undone and the empty ones included.
extension EVMManager {
    /// The transactions that became final since `mark`, and where to go on: first those of intents,
    /// in the order in which these ended, then those that filled nonces. Not beyond an intent among
    /// `unsaid`. O(what is new).
    public func charges(
        after mark: EVMChargeMark, before unsaid: Set<Digest> = []
    ) -> (found: [EVMInclusion], next: EVMChargeMark) {
        var next = mark
        var found: [EVMInclusion] = []
        for intent in closed.dropFirst(mark.intents) {
            if unsaid.contains(intent.id) { break }
            next.intents += 1
            switch intent.outcome {
            case .settled(let inclusion), .failed(.reverted(let inclusion)):
                found.append(inclusion)
            case .submitted, .unknown, .failed: break
            }
        }
        found += fillers.dropFirst(mark.fillers)
        next.fillers = max(mark.fillers, fillers.count)
        return (found, next)
    }
}

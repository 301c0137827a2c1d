/// Why a message of a bisection game is refused or loses the game (docs/reference/bisection.md).
/// Numbers are stable for ever.
public struct BisectionRejection: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// The bytes are not a message of this version, or a part is over its limit.
        case unreadable = 821
        /// The receipt, the sampling parameters and the model do not belong together.
        case otherSubject = 822
        /// The message is about another game.
        case otherGame = 823
        /// It is not this party's turn, or the message is about another turn, or the game is over.
        case wrongTurn = 824
        /// The message was not signed by a party of the game.
        case badSignature = 825
        /// Another kind of message was asked for.
        case wrongKind = 826
        /// Not as many hashes as were asked for.
        case wrongCount = 827
        /// The hashes do not lead to the hash they are to open.
        case brokenFold = 828
        /// What was chosen is not among what was offered.
        case choiceOutOfRange = 829
        /// An opening is missing, too many, or not of the size of what the operation reads.
        case wrongOpening = 830
        /// What was opened is not what was committed to.
        case brokenPath = 831
        /// The weights opened are not those of the model.
        case otherWeights = 832
        /// The operation gives what the accused says: nothing is wrong with it.
        case operationHolds = 833
        /// The operation gives something else than the accused says.
        case operationDiffers = 834
        /// The party did not answer in time.
        case timedOut = 835
        /// The referee could not execute the operation; nobody loses.
        case notExecuted = 836
    }

    /// What is wrong.
    public let code: Code
    /// One sentence for a person.
    public let reason: String

    /// A rejection with its parts.
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

extension BisectionRejection: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "bisection_\(code.rawValue): \(reason)" }
}

/// Why a node cannot run. Numbers are stable for ever; the reason is for a person and never holds
/// a key.
public struct NodeError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// A field of the configuration cannot be.
        case badConfiguration = 401
        /// A key file cannot be read, cannot be made, or does not hold a key.
        case badKeyFile = 402
        /// A model file was refused.
        case badModel = 403
        /// The house has no model with these weights.
        case modelMismatch = 404
        /// The upstream serves another model than the one to be offered.
        case upstreamMismatch = 405
        /// The upstream lacks what a node needs of it, or answers something else.
        case upstreamUnusable = 406
        /// The house cannot be reached, or the answer was lost.
        case houseUnreachable = 501
        /// The house refused a request.
        case houseRefused = 502
        /// The house's answer is not of this protocol.
        case badAnswer = 503
        /// The link to the house broke or was refused.
        case linkLost = 504
        /// The upstream cannot be reached, or is not ready.
        case upstreamUnreachable = 505
    }

    /// What was wrong.
    public let code: Code
    /// One sentence for a person.
    public let reason: String
    /// The house's rejection number, if it gave one.
    public let rejection: UInt16?
    /// Whether the same may work later.
    public let isTransient: Bool

    /// An error with its reason.
    public init(
        _ code: Code, _ reason: String, rejection: UInt16? = nil, isTransient: Bool? = nil
    ) {
        self.code = code
        self.reason = reason
        self.rejection = rejection
        let passing: [Code] = [.houseUnreachable, .linkLost, .upstreamUnreachable]
        self.isTransient = isTransient ?? passing.contains(code)
    }
}

extension NodeError: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "node_\(code.rawValue): \(reason)" }
}

/// Why an upstream did not answer as it should. Never holds a key, a prompt or what the server
/// wrote: servers quote prompts in their errors.
public enum UpstreamError: Error, Hashable, Sendable {
    /// No connection, or it broke; carries why.
    case unreachable(String)
    /// The server answered with this HTTP status.
    case refused(status: Int)
    /// The answer is not what such a server says; carries what is wrong with it.
    case badAnswer(String)
    /// The server serves something else; carries what differs.
    case mismatch(String)
    /// No token came for too long.
    case timedOut
    /// The caller has no more use for the answer.
    case cancelled

    /// Whether the same request may do better in a moment.
    public var isTransient: Bool {
        switch self {
        case .unreachable: true
        case .refused(let status): status == 429 || status >= 500
        case .badAnswer, .mismatch, .timedOut, .cancelled: false
        }
    }
}

extension UpstreamError: CustomStringConvertible {
    /// One sentence for a person.
    public var description: String {
        switch self {
        case .unreachable(let why): "the upstream cannot be reached: \(why)"
        case .refused(let status): "the upstream answered with status \(status)"
        case .badAnswer(let what): "the upstream's answer is not usable: \(what)"
        case .mismatch(let what): "the upstream serves something else: \(what)"
        case .timedOut: "the upstream sent no token for too long"
        case .cancelled: "the answer is not wanted any more"
        }
    }
}

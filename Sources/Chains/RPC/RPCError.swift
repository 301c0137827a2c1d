public import Transport

/// Why a call of a node gave no result.
public enum RPCError: Error, Hashable, Sendable {
    /// The exchange failed below JSON-RPC.
    case transport(HTTPError)
    /// The server answered with an HTTP status other than 2xx and without a JSON-RPC error.
    case status(Int)
    /// The node refused the call: its code and message, and the bytes a contract reverted with.
    case server(code: Int, message: String, data: [UInt8]?)
    /// The answer is not one: no JSON, another id, a missing or ill-formed field; says which.
    case malformed(String)

    /// Whether the node may have carried the call out all the same.
    public var isOutcomeUnknown: Bool {
        switch self {
        case .transport(let error): error.isOutcomeUnknown
        case .status(let status): status >= 500
        case .malformed: true
        case .server: false
        }
    }
}

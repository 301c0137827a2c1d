/// Why lines could not be exchanged over a Unix socket.
public enum UnixSocketError: Error, Hashable, Sendable {
    /// Nobody listens there, or the path is no socket or too long; carries the path.
    case unreachable(String)
    /// Another user's process is at the other end; carries its number.
    case stranger(UInt32)
    /// The answer did not come in time.
    case timedOut
    /// The other end hung up before its line was whole.
    case closed
    /// A line is longer than allowed.
    case tooLong
    /// Something listens there already; carries the path.
    case inUse(String)
}

extension UnixSocketError: CustomStringConvertible {
    /// One sentence without its full stop.
    public var description: String {
        switch self {
        case .unreachable(let path): "nobody listens at \(path)"
        case .stranger(let user): "the process at the other end belongs to user \(user)"
        case .timedOut: "no answer came in time"
        case .closed: "the other end hung up"
        case .tooLong: "a line is longer than allowed"
        case .inUse(let path): "something listens at \(path) already"
        }
    }
}

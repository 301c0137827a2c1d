/// What one stage of a ring takes from its neighbours.
public struct RingLimits: Hashable, Sendable {
    /// Requests at a time.
    public var requests = 64
    /// Positions of one request; the model's context if that is shorter.
    public var positions = 1 << 20
    /// Positions of all requests together: their keys and values are kept in memory.
    public var allPositions = 1 << 20
    /// Positions in one window.
    public var rows = 256
    /// Bytes of windows that wait before the stage stops reading its links.
    public var waitingBytes = 64 << 20
    /// Bytes of windows of one request that may wait.
    public var waitingBytesPerRequest = 16 << 20
    /// Bytes that wait to be sent on a link before nothing more is computed for it.
    public var unsentBytes = 8 << 20

    /// The usual limits.
    public init() {}
}

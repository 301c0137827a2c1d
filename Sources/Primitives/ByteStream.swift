/// Where a long encoding goes, a part at a time, so that it is never in memory as a whole.
public protocol ByteSink: AnyObject, Sendable {
    /// Takes the next bytes. What goes wrong is for whoever owns the sink to find out.
    func take(_ bytes: [UInt8])
}

/// Where a long encoding comes from, a part at a time.
public protocol ByteSource: AnyObject, Sendable {
    /// Bytes that `next` has still to give.
    var remaining: Int { get }
    /// The next bytes; none at the end, or if they cannot be had.
    func next() -> [UInt8]
}

public import Cryptography

/// Why a secure link was not opened, or how it ended.
public enum SecureLinkError: Error, Hashable, Sendable {
    /// No TCP connection or listening socket came about.
    case couldNotConnect(String)
    /// The other side did not finish the handshake in time.
    case handshakeTimedOut
    /// The handshake was refused.
    case handshake(SecureChannelError)
    /// A frame's length is outside what the link allows; carries the length.
    case badLength(Int)
    /// A record was altered, replayed or lost.
    case channel(SecureChannelError)
    /// The connection ended without the other side saying that it was done.
    case cut(String)
    /// This side closed the link.
    case closed
}

extension SecureLinkError: CustomStringConvertible {
    /// What happened, in a few words.
    public var description: String {
        switch self {
        case .couldNotConnect(let words): "no connection came about (\(words))"
        case .handshakeTimedOut: "the handshake was not finished in time"
        case .handshake(let error): "the handshake was refused (\(error))"
        case .badLength(let length): "a frame of \(length) bytes is not taken"
        case .channel(let error): "a record was altered, replayed or lost (\(error))"
        case .cut(let words): words
        case .closed: "the link was closed"
        }
    }
}

/// The limits of a link.
public struct SecureLinkOptions: Sendable {
    /// The longest frame, in bytes.
    public var maximumFrame: Int
    /// How long the handshake may take.
    public var handshakeTimeout: Duration
    /// How many bytes of received frames wait for their reader before this side stops reading.
    public var bufferedBytes: Int
    /// How many links a listener keeps, those in the handshake included.
    public var maximumLinks: Int

    /// 16 MiB frames, 10 seconds, 4 MiB waiting, 1,024 links unless told otherwise.
    public init(
        maximumFrame: Int = 16 << 20, handshakeTimeout: Duration = .seconds(10),
        bufferedBytes: Int = 4 << 20, maximumLinks: Int = 1_024
    ) {
        self.maximumFrame = maximumFrame
        self.handshakeTimeout = handshakeTimeout
        self.bufferedBytes = bufferedBytes
        self.maximumLinks = maximumLinks
    }
}

public import Cryptography
public import Primitives

/// How a leader replicates its journal to one standby.
public struct ReplicationOptions: Sendable {
    /// When a command counts as durable.
    public enum Acknowledgement: String, Sendable, CaseIterable {
        /// When it is synced on both machines: the standby may take over by itself.
        case sync
        /// When it is synced here: the standby follows as fast as it can.
        case async
    }

    /// Where the standby listens.
    public var host: String
    /// The port it listens on.
    public var port: Int
    /// The key that this machine shows.
    public var identity: Ed25519.PrivateKey
    /// The key that the standby must show.
    public var standby: PublicKey
    /// When a command counts as durable.
    public var acknowledgement: Acknowledgement
    /// In `sync`: how long nothing may come from the standby while something waits for it. After
    /// that the append fails, and the leader with it.
    public var timeout = Duration.seconds(10)
    /// In `sync`: whether the leader goes on without its standby after `timeout`. The standby then
    /// never takes over by itself.
    public var alone = false
    /// Called once, on a thread of replication, when a standby has taken over or follows another
    /// leader: this process must stop. Appends fail in any case.
    public var onFenced: @Sendable (UInt64) -> Void = { _ in }
    /// Called with words for the log whenever the connection comes or goes.
    public var report: @Sendable (String) -> Void = { _ in }

    /// Replication to a standby; sync unless told otherwise.
    public init(
        host: String, port: Int, identity: Ed25519.PrivateKey, standby: PublicKey,
        acknowledgement: Acknowledgement = .sync
    ) {
        self.host = host
        self.port = port
        self.identity = identity
        self.standby = standby
        self.acknowledgement = acknowledgement
    }

    /// Whether nothing is ever acknowledged that the standby does not hold.
    var allowsTakeover: Bool { acknowledgement == .sync && !alone }
}

import Cryptography
import Primitives

/// Whether sessions of a stage may share the pages of equal beginnings.
public enum PrefixSharing: Hashable, Sendable {
    /// Never.
    case off
    /// Those of sessions in the same scope.
    case on
}

/// Whose sessions may share pages, such as one account's. How fast a prompt is answered tells
/// whether somebody of the scope sent the same beginning before, so a scope never holds two parties
/// that must not learn that of each other (docs/decisions/0024-prefixes-are-shared-in-a-scope.md).
public struct PrefixScope: Hashable, Sendable {
    /// A hash of what names the scope.
    let root: Digest

    /// The scope with this name; any bytes.
    public init(_ name: [UInt8]) {
        root = SHA256.hash(name)
    }
}

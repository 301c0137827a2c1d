public import Primitives

/// The two texts of the node protocol that are signed as text (docs/reference/node-protocol.md):
/// nodes write them and the house writes them again to check.
public enum NodeTexts {
    /// What a node signs with each HTTP request. `path` starts with `/` and includes the query;
    /// `time` is in milliseconds since 1970.
    public static func request(
        method: String, path: String, time: UInt64, body: [UInt8]
    ) -> String {
        "exchequer-request-v1\n\(method)\n\(path)\n\(time)\n\(SHA256.hash(body).hex)"
    }

    /// What a provider's EVM key signs (EIP-191) to let a node work for its address.
    public static func authorisation(
        node: PublicKey, address: EVMAddress, chain: UInt64
    ) -> String {
        "exchequer-node-v1\nnode \(node.hex)\naddress \(address.hex)\nchain \(chain)"
    }
}

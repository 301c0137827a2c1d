import Cryptography
import Primitives
import Service
import Synchronization

/// Texts that owners of addresses are asked to sign for an API key: each good once, for five
/// minutes. Nothing is kept of those that nobody signs.
final class KeyChallenges: Sendable {
    private static let lifetime: UInt64 = 300_000
    private static let capacity = 100_000
    private let secret: [UInt8]
    /// Texts that were used, and until when they would have been good.
    private let used = Mutex<[Digest: UInt64]>([:])

    init(secret: [UInt8]) {
        self.secret = secret
    }

    /// A new text for this address to sign.
    func issue(
        _ address: EVMAddress, house: PublicKey, random: [UInt8], at now: Timestamp
    ) -> String {
        let text = """
            Exchequer API key
            house \(house.hex)
            address \(address.hex)
            nonce \(Hex.encode(random))
            until \(now.nanoseconds / 1_000_000 + Self.lifetime)
            """
        return text + "\ncheck \(check(text).hex)"
    }

    /// Whether the text was issued here for this address and is still good; it is used up.
    func redeem(_ message: String, for address: EVMAddress, at now: Timestamp) -> Bool {
        let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
        let milliseconds = now.nanoseconds / 1_000_000
        guard lines.count == 6, lines[2] == "address \(address.hex)",
            lines[4].hasPrefix("until "), let until = UInt64(lines[4].dropFirst(6)),
            lines[5] == "check \(check(lines[..<5].joined(separator: "\n")).hex)",
            until >= milliseconds
        else { return false }
        let name = SHA256.hash(Array(message.utf8))
        return used.withLock { used in
            if used.count >= Self.capacity { used = used.filter { $0.value >= milliseconds } }
            guard used.count < Self.capacity else { return false }
            return used.updateValue(until, forKey: name) == nil
        }
    }

    /// Proves to this process that it wrote the text: a hash keyed at both ends.
    private func check(_ text: String) -> Digest {
        SHA256.hash(secret + SHA256.hash(secret + Array(text.utf8)).bytes)
    }
}

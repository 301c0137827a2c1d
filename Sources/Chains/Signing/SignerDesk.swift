public import Cryptography
import Foundation
public import Primitives
import Synchronization

/// The reference signer without its socket: a line comes in, a line goes out. It holds keys,
/// applies their policies, and gives no signature away before what it signed for is durable.
public final class SignerDesk: Sendable {
    /// A key it signs with.
    public enum Key: Sendable {
        /// An EVM account's.
        case evm(Secp256k1.PrivateKey)
        /// A Solana account's.
        case solana(Ed25519.PrivateKey)

        /// How requests and policies name it.
        public var name: String {
            switch self {
            case .evm(let key): key.address.hex
            case .solana(let key): key.address.description
            }
        }
    }

    /// What it decided about one request, for a log. No secret is in it.
    public struct Decision: Sendable {
        /// How the key is named; empty if the request named none.
        public let key: String
        /// What was asked for: a function, or the request's method.
        public let name: String
        /// The transaction's digest, if it came to that.
        public let digest: Digest?
        /// What it adds to the day; nothing if it was refused.
        public let added: SigningCost
        /// Why it was refused, if it was.
        public let refusal: SignerRefusal?
    }

    private let keys: [String: Key]
    private let policies: [String: SigningPolicy]
    private let book: Mutex<SigningBook>
    private let durable: @Sendable (SigningBook) throws -> Void
    private let decided: @Sendable (Decision) -> Void
    private let clock: @Sendable () -> Timestamp

    /// A desk that goes on with a book.
    ///
    /// - Parameters:
    ///   - durable: writes the book down, in place of the one before; what throws is not signed.
    ///   - decided: takes each decision, for a log.
    public init(
        keys: [Key], policies: SigningPolicies, book: SigningBook,
        durable: @escaping @Sendable (SigningBook) throws -> Void,
        decided: @escaping @Sendable (Decision) -> Void, clock: @escaping @Sendable () -> Timestamp
    ) {
        self.keys = Dictionary(keys.map { ($0.name, $0) }) { first, _ in first }
        self.policies = policies.byKey
        self.book = Mutex(book)
        self.durable = durable
        self.decided = decided
        self.clock = clock
    }

    /// The keys it has a policy for, in order.
    public var names: [String] { keys.keys.filter { policies[$0] != nil }.sorted() }

    /// Answers a line. One request after the other is decided; the answer to a request that comes
    /// again is the same signature, and counts once.
    public func answer(_ line: [UInt8]) -> [UInt8] {
        guard let request = SignerLine.decode(SignerRequest.self, line), request.id.utf8.count <= 64
        else {
            let refusal = SignerRefusal(.malformed, "the line is no request")
            return say(Decision(refusal), id: "")
        }
        guard request.v == SignerRequest.version else {
            let refusal = SignerRefusal(.version, "version \(request.v) is not known")
            return say(Decision(refusal), id: request.id)
        }
        switch request.method {
        case "keys":
            return SignerLine.encode(
                SignerAnswer(v: SignerRequest.version, id: request.id, keys: names))
        case "sign": return sign(request)
        default:
            let refusal = SignerRefusal(.method, "there is no such method")
            return say(Decision(refusal), id: request.id)
        }
    }

    private func sign(_ request: SignerRequest) -> [UInt8] {
        let name = request.key.map { $0.hasPrefix("0x") ? $0.lowercased() : $0 } ?? ""
        do throws(SignerRefusal) {
            guard let key = keys[name], let policy = policies[name] else {
                throw SignerRefusal(.noSuchKey, "there is no such key here, or no policy for it")
            }
            let (wanted, digest, sign) = try assess(request, key, policy)
            let added = try takeDown(wanted, name, policy)
            decided(
                Decision(
                    key: name, name: wanted.name, digest: digest, added: added, refusal: nil))
            return SignerLine.encode(
                SignerAnswer(
                    v: SignerRequest.version, id: request.id,
                    signature: "0x" + Hex.encode(sign())))
        } catch {
            return say(Decision(error, key: name), id: request.id)
        }
    }

    /// What a request asks for, the digest of it, and how it would be signed.
    private func assess(
        _ request: SignerRequest, _ key: Key, _ policy: SigningPolicy
    ) throws(SignerRefusal) -> (SigningAssessment, Digest, () -> [UInt8]) {
        switch (key, request.evm, request.solana, request.channel) {
        case (.evm(let key), nil, nil, let fields?):
            let (message, channel) = try fields.message()
            let digest = message.digest(in: channel)
            return (
                try policy.assess(message, in: channel, from: key.address), digest,
                { key.sign(digest).bytes }
            )
        case (.evm(let key), let fields?, nil, nil):
            let transaction = try fields.transaction()
            let digest = transaction.signingHash
            return (
                try policy.assess(transaction, from: key.address), digest,
                { key.sign(digest).bytes }
            )
        case (.solana(let key), nil, let fields?, nil):
            guard let message = Data(base64Encoded: fields.message).map({ [UInt8]($0) }) else {
                throw SignerRefusal(.malformed, "the message is no base64")
            }
            return (
                try policy.assess(message: message, from: key.address), SHA256.hash(message),
                { key.sign(message).bytes }
            )
        default:
            throw SignerRefusal(
                .malformed, "what is to be signed is missing, or not of the key's kind")
        }
    }

    /// Counts a transaction, durably; a book that could not be written counts for nothing.
    private func takeDown(
        _ wanted: SigningAssessment, _ name: String, _ policy: SigningPolicy
    ) throws(SignerRefusal) -> SigningCost {
        try book.withLock { book throws(SignerRefusal) in
            var next = book
            let added = try next.admit(wanted, by: name, policy, at: clock())
            do {
                if next != book { try durable(next) }
            } catch {
                throw SignerRefusal(.notDurable, "what would be signed cannot be written down")
            }
            book = next
            return added
        }
    }

    private func say(_ decision: Decision, id: String) -> [UInt8] {
        decided(decision)
        let refusal = decision.refusal.map {
            SignerAnswer.Refusal(code: $0.code, message: $0.message)
        }
        return SignerLine.encode(
            SignerAnswer(v: SignerRequest.version, id: id, error: refusal))
    }
}

extension SignerDesk.Decision {
    fileprivate init(_ refusal: SignerRefusal, key: String = "") {
        self.init(key: key, name: "", digest: nil, added: SigningCost(), refusal: refusal)
    }
}

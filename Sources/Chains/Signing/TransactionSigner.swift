public import Cryptography
public import Primitives

/// Whoever signs an EVM account's transactions: a key of this process, or a signer of its own.
///
/// A signer that does not answer has perhaps signed. That is safe as long as nobody else is given
/// the signature: a manager gives a transaction to a node only when it is in its log.
public protocol EVMSigner: Sendable {
    /// The account.
    var address: EVMAddress { get }
    /// A signature of `EVMTransaction.signingHash`. Whoever asks checks it.
    func signature(
        of transaction: EVMTransaction
    ) async throws(SigningFailure) -> RecoverableSignature
}

/// Whoever signs a Solana account's transactions.
public protocol SolanaSigner: Sendable {
    /// The account.
    var address: SolanaAddress { get }
    /// A signature of the message's bytes. Whoever asks checks it.
    func signature(of message: SolanaMessage) async throws(SigningFailure) -> Signature
}

extension Secp256k1.PrivateKey: EVMSigner {
    /// A signature at once.
    public func signature(
        of transaction: EVMTransaction
    ) async throws(SigningFailure) -> RecoverableSignature {
        sign(transaction.signingHash)
    }
}

extension Ed25519.PrivateKey: SolanaSigner {
    /// The account of the key.
    public var address: SolanaAddress { SolanaAddress(publicKey) }

    /// A signature at once.
    public func signature(of message: SolanaMessage) async throws(SigningFailure) -> Signature {
        sign(message.bytes)
    }
}

/// Why there is no signature. The transaction is asked for again later.
public enum SigningFailure: Error, Hashable, Sendable {
    /// The signer said no.
    case refused(SignerRefusal)
    /// The signer did not answer as it should: it is not there, too slow, or somebody else's.
    case noAnswer(String)
    /// What it answered is no signature of this key over this transaction.
    case badAnswer
}

extension SigningFailure: CustomStringConvertible {
    /// One sentence without its full stop.
    public var description: String {
        switch self {
        case .refused(let refusal): "the signer refuses: \(refusal)"
        case .noAnswer(let why): "the signer does not answer: \(why)"
        case .badAnswer: "the signer's answer is no signature of this key over this transaction"
        }
    }
}

/// What a signer refuses with. The numbers are stable for ever and never reused.
public enum SignerCode: Int, CaseIterable, Sendable {
    /// The line is no request.
    case malformed = 1
    /// A version that the signer does not know.
    case version = 2
    /// A method that the signer does not have.
    case method = 3
    /// A key that it does not hold, or holds no policy for.
    case noSuchKey = 4
    /// The digest is not of the transaction that came with it.
    case otherDigest = 5
    /// The policy does not have the chain.
    case chain = 6
    /// The policy does not have the contract, program or mint.
    case contract = 7
    /// The policy does not have the function.
    case function = 8
    /// More than one transaction may cost or move.
    case transactionCap = 9
    /// More than the key may spend or move in a day; another day it may be signed.
    case dayCap = 10
    /// What would be signed could not be written down first.
    case notDurable = 11
}

/// A signer's no.
public struct SignerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The number, as docs/reference/signer.md lists them; a foreign signer may have others.
    public let code: Int
    /// For people.
    public let message: String

    /// A refusal of a number that this version knows.
    public init(_ code: SignerCode, _ message: String) {
        self.init(code: code.rawValue, message: message)
    }

    /// A refusal.
    public init(code: Int, message: String) {
        self.code = code
        self.message = message
    }

    /// Whether it says of a channel's message that the signer takes none, or none of such a
    /// channel, whatever day it is and whatever was signed before.
    public var isOfChannels: Bool {
        switch SignerCode(rawValue: code) {
        case .malformed, .version, .method, .noSuchKey, .chain, .contract: true
        case .otherDigest, .function, .transactionCap, .dayCap, .notDurable, nil: false
        }
    }

    /// Whether the policy does not allow what was asked, now or ever. Any other refusal says
    /// nothing about the transaction.
    var isOfThePolicy: Bool {
        switch SignerCode(rawValue: code) {
        case .chain, .contract, .function, .transactionCap, .dayCap: true
        case .malformed, .version, .method, .noSuchKey, .otherDigest, .notDurable, nil: false
        }
    }

    /// The words, then the number.
    public var description: String { "\(message) (\(code))" }
}

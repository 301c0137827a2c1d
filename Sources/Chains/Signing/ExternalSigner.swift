public import Cryptography
import Foundation
import Glibc
public import Primitives
import Synchronization
import Transport

/// A signer in a process of its own, reached over a Unix socket. The answer of any other user's
/// process is not believed.
public struct SignerSocket: Sendable {
    /// Where it listens.
    public let path: String
    /// The users whose process may be the signer; this process's own unless told otherwise.
    public var users: Set<UInt32> = [getuid()]
    /// How long an answer may take. Shorter than a manager's `retryAfter`, so that at most one
    /// request for a transaction is under way.
    public var timeout = Duration.seconds(5)

    /// The signer at a path.
    public init(path: String) { self.path = path }

    /// The most bytes of an answer.
    private static let limit = 64 << 10
    private static let lastID = Atomic<UInt64>(0)

    /// The keys it has a policy for: addresses of EVM accounts and of Solana accounts.
    public func keys() async throws(SigningFailure) -> [String] {
        let answer = try await call(request("keys"))
        guard let keys = answer.keys else { throw .badAnswer }
        return keys
    }

    func request(_ method: String) -> SignerRequest {
        let number = Self.lastID.add(1, ordering: .relaxed).newValue
        return SignerRequest(v: SignerRequest.version, id: "\(getpid())-\(number)", method: method)
    }

    func call(_ request: SignerRequest) async throws(SigningFailure) -> SignerAnswer {
        let line: [UInt8]
        do throws(UnixSocketError) {
            line = try await UnixSocket.exchange(
                SignerLine.encode(request), at: path, limit: Self.limit, timeout: timeout,
                users: users)
        } catch {
            throw .noAnswer("\(error)")
        }
        guard let answer = SignerLine.decode(SignerAnswer.self, line), answer.id == request.id,
            answer.v == SignerRequest.version
        else { throw .badAnswer }
        if let error = answer.error {
            // A stranger's words go to the log: not more of them than a line.
            let words = error.message.cut(toBytes: 200)
            throw .refused(SignerRefusal(code: error.code, message: words))
        }
        return answer
    }
}

/// An EVM account whose key an external signer holds.
public struct ExternalEVMSigner: ChannelSigner {
    /// The account.
    public let address: EVMAddress
    private let socket: SignerSocket

    /// The account of a signer.
    public init(address: EVMAddress, socket: SignerSocket) {
        self.address = address
        self.socket = socket
    }

    /// The signer's signature, checked.
    public func signature(
        of transaction: EVMTransaction
    ) async throws(SigningFailure) -> RecoverableSignature {
        var request = socket.request("sign")
        request.key = address.hex
        request.evm = SignerRequest.EVM(transaction)
        return try await checked(request, transaction.signingHash)
    }

    /// The signer's signature, checked.
    public func signature(
        of message: ChannelMessage, in channel: BatchChannel
    ) async throws(SigningFailure) -> RecoverableSignature {
        var request = socket.request("sign")
        request.key = address.hex
        request.channel = SignerRequest.Channel(message, in: channel)
        return try await checked(request, message.digest(in: channel))
    }

    private func checked(
        _ request: SignerRequest, _ digest: Digest
    ) async throws(SigningFailure) -> RecoverableSignature {
        let answer = try await socket.call(request)
        guard let bytes = answer.signature.flatMap({ Hex.decode($0) }),
            let signature = RecoverableSignature(bytes), signature.recover(digest) == address
        else { throw .badAnswer }
        return signature
    }
}

/// A Solana account whose key an external signer holds.
public struct ExternalSolanaSigner: SolanaSigner {
    /// The account.
    public let address: SolanaAddress
    private let socket: SignerSocket

    /// The account of a signer.
    public init(address: SolanaAddress, socket: SignerSocket) {
        self.address = address
        self.socket = socket
    }

    /// The signer's signature, checked.
    public func signature(of message: SolanaMessage) async throws(SigningFailure) -> Signature {
        var request = socket.request("sign")
        request.key = address.description
        request.solana = SignerRequest.Solana(message: Data(message.bytes).base64EncodedString())
        let answer = try await socket.call(request)
        guard let bytes = answer.signature.flatMap({ Hex.decode($0) }),
            let signature = Signature(bytes),
            PublicKey(address.value).verifies(signature, of: message.bytes)
        else { throw .badAnswer }
        return signature
    }
}

public import Cryptography
public import Primitives

/// What the payer of a channel of `x402BatchSettlement` signs besides transactions.
public enum ChannelMessage: Hashable, Sendable {
    /// All that may be claimed.
    case voucher(cumulative: UInt128)
    /// Under which books a voucher is signed.
    case books(cumulative: UInt128, sequence: UInt64, PushedBooks)
    /// The token's leave for the collector to fetch a deposit, once for its salt.
    case deposit(ChannelDeposit)

    /// What is signed of it for a channel.
    public func digest(in channel: BatchChannel) -> Digest {
        switch self {
        case .voucher(let cumulative): channel.voucherDigest(cumulative)
        case .books(let cumulative, let sequence, let books):
            channel.booksDigest(cumulative, sequence: sequence, books)
        case .deposit(let deposit):
            channel.depositDigest(
                deposit.amount, validAfter: 0, validBefore: deposit.validBefore,
                salt: deposit.salt, collector: deposit.collector, tokenName: deposit.tokenName,
                tokenVersion: deposit.tokenVersion)
        }
    }
}

/// A deposit that the collector may fetch.
public struct ChannelDeposit: Hashable, Sendable {
    /// How much, in the token's smallest unit.
    public var amount: UInt128
    /// The second since 1970 from which it counts no more.
    public var validBefore: UInt64
    /// Tells the channel's deposits apart.
    public var salt: Digest
    /// Who fetches it.
    public var collector: EVMAddress
    /// The token's name in what it has signed (EIP-712).
    public var tokenName: String
    /// The token's version there.
    public var tokenVersion: String

    /// A deposit of these parts.
    public init(
        _ amount: UInt128, validBefore: UInt64, salt: Digest, collector: EVMAddress,
        tokenName: String, tokenVersion: String
    ) {
        self.amount = amount
        self.validBefore = validBefore
        self.salt = salt
        self.collector = collector
        self.tokenName = tokenName
        self.tokenVersion = tokenVersion
    }
}

/// Whoever signs for the payer of channels. Signatures are deterministic (RFC 6979): the same
/// message has the same bytes.
public protocol ChannelSigner: EVMSigner {
    /// A signature of the message's digest in the channel, checked.
    func signature(
        of message: ChannelMessage, in channel: BatchChannel
    ) async throws(SigningFailure) -> RecoverableSignature
}

extension Secp256k1.PrivateKey: ChannelSigner {
    /// A signature at once.
    public func signature(
        of message: ChannelMessage, in channel: BatchChannel
    ) async throws(SigningFailure) -> RecoverableSignature {
        sign(message.digest(in: channel))
    }
}

/// For which channels a key signs. The deposit and the token are the key's own, so that what
/// vouchers move was counted when it was deposited.
public struct SigningChannels: Hashable, Sendable {
    /// The contract that holds the deposits.
    public var contract: EVMAddress
    /// Who fetches them.
    public var collector: EVMAddress

    /// Channels of this contract, filled through this collector.
    public init(contract: EVMAddress, collector: EVMAddress) {
        self.contract = contract
        self.collector = collector
    }
}

extension SigningPolicy {
    /// Whether the key may sign such a message, and what it moves: a deposit counts, once for its
    /// name; a voucher only says whose that is.
    func assess(
        _ message: ChannelMessage, in channel: BatchChannel, from account: EVMAddress
    ) throws(SignerRefusal) -> SigningAssessment {
        guard case .evm(let chains, _, let tokens) = scope else {
            throw SignerRefusal(.noSuchKey, "the key's policy is for Solana")
        }
        guard chains.contains(channel.chainID) else {
            throw SignerRefusal(.chain, "chain \(channel.chainID) is not in the policy")
        }
        guard let channels, channel.contract == channels.contract else {
            throw SignerRefusal(
                .contract,
                "channels of \(channel.contract.hex) are not in the policy: \"channels\" says of "
                    + "which contract and collector they may be")
        }
        guard channel.config.payer == account, channel.signer == account,
            channel.config.token == tokens.usd
        else {
            throw SignerRefusal(
                .contract, "the channel is not this account's, or not of the policy's dollars")
        }
        switch message {
        case .voucher:
            return SigningAssessment(
                place: nil, cost: SigningCost(), movement: .each, name: "a voucher")
        case .books:
            return SigningAssessment(
                place: nil, cost: SigningCost(), movement: .each, name: "the books of a voucher")
        case .deposit(let deposit):
            guard deposit.collector == channels.collector else {
                throw SignerRefusal(
                    .contract, "\(deposit.collector.hex) is not the policy's collector")
            }
            return SigningAssessment(
                place: message.digest(in: channel), cost: SigningCost(usd: deposit.amount),
                movement: .once(Keccak256.hash(channel.id, deposit.salt)),
                name: "a channel's deposit")
        }
    }
}

import Cryptography
public import Primitives

/// What a batch does, in the order of its payouts.
public enum SolanaBatchKind: UInt8, Hashable, Sendable {
    /// Pays.
    case pay = 1
    /// Makes the token accounts of its payouts' owners. Doing it twice does no harm.
    case makeAccounts = 2
}

/// A transaction to be signed.
public struct SolanaDraft: Hashable, Sendable {
    /// The batch.
    public let batch: UInt64
    /// What the batch does.
    public let kind: SolanaBatchKind
    /// Who is paid, or whose accounts are made.
    public let payouts: [TokenPayout]
    /// A recent blockhash, or the value of the nonce.
    public let blockhash: Digest
    /// The last height whose block may take it; the greatest number with a nonce.
    public let lastValidHeight: UInt64
    /// The durable nonce account, if there is one.
    public let nonce: SolanaAddress?
    /// What a compute unit may cost, in millionths of a lamport.
    public let price: UInt64
    /// The lookup tables it may use.
    public let tables: [SolanaLookupTable]

    /// The message, and how many of the payouts fit it. Throws if none does or it costs too much.
    func fitting(
        _ policy: SolanaManagerPolicy
    ) throws(SolanaError) -> (message: SolanaMessage, count: Int) {
        var plan = policy.plan(price: price)
        switch kind {
        case .pay:
            plan.nonce = nonce.map { ($0, policy.payer) }
            return try plan.message(for: payouts[...], blockhash: blockhash, tables: tables)
        case .makeAccounts:
            return try plan.makingAccounts(for: payouts.map(\.owner)[...], blockhash: blockhash)
        }
    }

    /// The message with all payouts.
    public func message(_ policy: SolanaManagerPolicy) throws(SolanaError) -> SolanaMessage {
        let (message, count) = try fitting(policy)
        guard count == payouts.count else { throw .tooManyAccounts(payouts.count) }
        return message
    }

    /// The same with the first of its payouts, or at another price.
    func prefix(_ count: Int, price: UInt64? = nil) -> SolanaDraft {
        SolanaDraft(
            batch: batch, kind: kind, payouts: Array(payouts.prefix(count)), blockhash: blockhash,
            lastValidHeight: lastValidHeight, nonce: nonce, price: price ?? self.price,
            tables: tables)
    }

    /// A hash of what tells its transaction from others of the payer's: whom it pays what, on which
    /// blockhash, at which price.
    var imprint: Digest {
        var writer = ByteWriter()
        for payout in payouts {
            writer.write(payout.owner)
            writer.write(payout.amount)
        }
        writer.write(blockhash)
        writer.write(price)
        return SHA256.hash(writer.bytes)
    }
}

/// The imprint of a batch that pays on a blockhash. Another batch of the same imprint would have
/// the same transaction, which the chain carries out once.
struct SolanaImprint: Hashable, Sendable {
    let digest: Digest
    let batch: UInt64
    let madeAt: Timestamp

    /// A blockhash is good for a minute or so; this covers a cluster that stood still.
    static let kept = Timestamp.Span.seconds(3_600)
}

extension SolanaImprint: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(digest)
        writer.write(batch)
        writer.write(madeAt)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        digest = try reader.readDigest()
        batch = try reader.readUInt64()
        madeAt = try reader.read()
    }
}

/// One transaction that was signed for a batch.
struct SolanaAttempt: Hashable, Sendable {
    let id: Signature
    let lastValidHeight: UInt64
    let price: UInt64
    let signedAt: Timestamp
}

/// Payouts that are carried out together or not at all. They leave it only when every transaction
/// ever signed for it can no longer be carried out.
struct SolanaBatch: Hashable, Sendable {
    let number: UInt64
    let kind: SolanaBatchKind
    let ids: [Digest]
    /// The nonce whose value its transactions use up.
    let nonce: SolanaNonce?
    let formedAt: Timestamp
    /// What is to be signed next.
    var pending: SolanaDraft?
    /// Without a nonce at most one.
    var attempts: [SolanaAttempt] = []
    /// The bytes of the last attempt.
    var raw: [UInt8] = []
    /// When the last attempt was last given to the nodes, or its signature asked for; zero: do it
    /// again at once.
    var actedAt = Timestamp.zero
    /// Whether the last look saw one of its transactions.
    var isSeen = false
    var isUnknown = false
    var isTooOld = false
    /// What is paid in all.
    var tokens: UInt64
    /// A slot that was final before it was formed; 0 if it is of before that was noted.
    var after: UInt64 = 0

    /// The first slot that one of its transactions may be in.
    var earliest: UInt64 { after == 0 ? 0 : after + 1 }

    /// Whether nodes may have forgotten what was signed for it.
    func isOld(_ policy: SolanaManagerPolicy, at now: Timestamp) -> Bool {
        guard let first = attempts.first else { return false }
        return now.hasPassed(policy.historyKept, since: first.signedAt)
    }

    /// What the dearest of its transactions may cost, in lamports: at most one is carried out.
    func cost(_ policy: SolanaManagerPolicy) -> UInt64 {
        let price = attempts.map(\.price).max() ?? 0
        return policy.cost(kind, ids.count, price: max(price, pending?.price ?? 0))
    }
}

extension SolanaDraft: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(batch)
        writer.write(kind.rawValue)
        writer.write(UInt32(payouts.count))
        for payout in payouts {
            writer.write(payout.owner)
            writer.write(payout.amount)
        }
        writer.write(blockhash)
        writer.write(lastValidHeight)
        writer.write(nonce)
        writer.write(price)
        writer.write(tables)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        batch = try reader.readUInt64()
        kind = try SolanaBatchKind.read(from: &reader)
        var payouts: [TokenPayout] = []
        for _ in 0..<(try reader.readCount(limit: SolanaMessage.accountLimit)) {
            payouts.append(
                TokenPayout(to: try reader.read(), amount: try reader.readUInt64()))
        }
        self.payouts = payouts
        blockhash = try reader.readDigest()
        lastValidHeight = try reader.readUInt64()
        nonce = try reader.readOptional()
        price = try reader.readUInt64()
        tables = try reader.readArray(limit: SolanaManagerInput.listLimit)
    }
}

extension SolanaBatchKind {
    static func read(from reader: inout ByteReader) throws(CodecError) -> SolanaBatchKind {
        guard let kind = SolanaBatchKind(rawValue: try reader.readUInt8()) else {
            throw .invalidValue("kind")
        }
        return kind
    }
}

extension SolanaAttempt: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(lastValidHeight)
        writer.write(price)
        writer.write(signedAt)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        id = try reader.read()
        lastValidHeight = try reader.readUInt64()
        price = try reader.readUInt64()
        signedAt = try reader.read()
    }
}

extension SolanaBatch: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(number)
        writer.write(kind.rawValue)
        writer.write(UInt32(ids.count))
        for id in ids { writer.write(id) }
        writer.write(nonce)
        writer.write(formedAt)
        writer.write(pending)
        writer.write(attempts)
        writer.write(raw)
        writer.write(actedAt)
        writer.write(isSeen)
        writer.write(isUnknown)
        writer.write(isTooOld)
        writer.write(tokens)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        number = try reader.readUInt64()
        kind = try SolanaBatchKind.read(from: &reader)
        var ids: [Digest] = []
        for _ in 0..<(try reader.readCount(limit: SolanaMessage.accountLimit)) {
            ids.append(try reader.readDigest())
        }
        self.ids = ids
        nonce = try reader.readOptional()
        formedAt = try reader.read()
        pending = try reader.readOptional()
        attempts = try reader.readArray(limit: SolanaManagerInput.listLimit)
        raw = try reader.readBytes(limit: SolanaMessage.packetBytes)
        actedAt = try reader.read()
        isSeen = try reader.readBool()
        isUnknown = try reader.readBool()
        isTooOld = try reader.readBool()
        tokens = try reader.readUInt64()
    }
}

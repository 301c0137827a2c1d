public import Primitives

/// What a Solana manager wants to know of the chain.
public struct SolanaQuestion: Hashable, Sendable {
    /// A transaction whose status is wanted.
    public struct Transaction: Hashable, Sendable {
        /// The transaction.
        public let id: Signature
        /// The nonce it uses up, if it has one.
        public let nonce: NonceUse?
        /// The first slot that it may be in, if that was noted: only who has the history since can
        /// know that it is in none.
        public let since: UInt64?
        /// The last height whose block may take it; 0 if it is a nonce that says so.
        public let lastValidHeight: UInt64

        /// A transaction.
        public init(
            id: Signature, nonce: NonceUse? = nil, since: UInt64? = nil, lastValidHeight: UInt64 = 0
        ) {
            (self.id, self.nonce, self.since) = (id, nonce, since)
            self.lastValidHeight = lastValidHeight
        }

        /// Whether no later block takes it than one of a final height, at which the question's
        /// nonces have these values: only then it matters who has the history.
        func isOver(at height: UInt64, _ nonces: [Digest?]) -> Bool {
            guard let nonce else { return height > lastValidHeight }
            return nonces[nonce.place] != nonce.value
        }
    }

    /// A durable nonce as a transaction uses it up.
    public struct NonceUse: Hashable, Sendable {
        /// The account's place in the question's `nonces`.
        public let place: Int
        /// The value it had.
        public let value: Digest
        /// At this finalized height and above it has that value or a later one; below, perhaps an
        /// earlier one, which proves nothing.
        public let height: UInt64
    }

    /// The transactions.
    public let transactions: [Transaction]
    /// The nonce accounts.
    public let nonces: [SolanaAddress]

    /// A question of these parts.
    public init(transactions: [Transaction], nonces: [SolanaAddress]) {
        self.transactions = transactions
        self.nonces = nonces
    }
}

/// Where an endpoint saw a transaction.
public struct SolanaSighting: Hashable, Sendable {
    /// The slot of its block.
    public let slot: UInt64
    /// Why it was undone; `nil` if it was carried out.
    public let failure: String?

    /// A sighting in a slot.
    public init(slot: UInt64, failure: String?) {
        self.slot = slot
        self.failure = failure
    }
}

/// What an endpoint says about one transaction.
public enum SolanaStatusAnswer: Hashable, Sendable {
    /// It does not know it.
    case absent
    /// It knows it.
    case present(SolanaSighting, SolanaCommitment)
    /// It gave no answer.
    case unknown
}

/// What one endpoint answered to a question: first which hashes it holds recent, then its slot and
/// height and the nonces, then the transactions, and its history before and after them.
public struct SolanaEndpointAnswer: Hashable, Sendable {
    /// Which of the candidates are recent blockhashes as of its finalized block.
    public var recent: [Digest]
    /// The height of its finalized block.
    public var height: UInt64
    /// What others pay for a compute unit, in millionths of a lamport.
    public var price: UInt64
    /// What the payer holds.
    public var lamports: UInt64
    /// What the payer's token account holds.
    public var tokens: UInt64
    /// The nonces' values in the finalized block, `nil` where there is none.
    public var nonces: [Digest?]
    /// Its answer for each transaction.
    public var statuses: [SolanaStatusAnswer]
    /// Its finalized slot, if it told that.
    public var slot: UInt64?
    /// From this slot on it has every block, if that was asked.
    public var history: UInt64?

    /// An answer of these parts.
    public init(
        recent: [Digest], height: UInt64, price: UInt64, lamports: UInt64, tokens: UInt64,
        nonces: [Digest?], statuses: [SolanaStatusAnswer], slot: UInt64? = nil,
        history: UInt64? = nil
    ) {
        self.slot = slot
        self.history = history
        self.recent = recent
        self.height = height
        self.price = price
        self.lamports = lamports
        self.tokens = tokens
        self.nonces = nonces
        self.statuses = statuses
    }
}

/// What enough endpoints agree on about one transaction.
public enum SolanaStatusView: Hashable, Sendable {
    /// It is in no block, as seen by endpoints of which enough have finalized this height and, for
    /// a transaction with a nonce, see that the nonce has another value.
    case absent(height: UInt64)
    /// The same, and that many of them have the history since the first slot it may be in.
    case absentThroughout(height: UInt64)
    /// It is in this block, which is so sure.
    case seen(SolanaSighting, SolanaCommitment)
    /// They do not agree, or too few answered.
    case unknown
}

/// The chain as enough endpoints agree on it.
public struct SolanaObservation: Hashable, Sendable {
    /// The transactions that were asked for.
    public let transactions: [Signature]
    /// What they agree on, for each transaction.
    public let statuses: [SolanaStatusView]
    /// The nonces' values, where they agree, by account.
    public let nonces: [SolanaNonce]
    /// A blockhash to build on; `nil` if enough of them hold none of the candidates recent.
    public let recent: SolanaRecentHash?
    /// What a compute unit costs at least, as enough endpoints say.
    public let price: UInt64
    /// What the payer holds at least.
    public let lamports: UInt64
    /// What its token account holds at least.
    public let tokens: UInt64
    /// A slot that is final; `nil` in logs of before that was asked.
    public internal(set) var slot: UInt64?
}

/// A blockhash to build on.
public struct SolanaRecentHash: Hashable, Sendable {
    /// The hash.
    public let hash: Digest
    /// Its block is no higher than this.
    public let height: UInt64

    /// For how many blocks after its own it may be used (solana-clock, `MAX_PROCESSING_AGE`).
    static let lifetime: UInt64 = 150

    /// A hash of a block that is no higher than `height`.
    public init(_ hash: Digest, height: UInt64) {
        self.hash = hash
        self.height = height
    }
}

/// Which hashes one endpoint holds recent as of a block, or of an earlier one.
struct SolanaRecentView: Sendable {
    let recent: [Digest]
    /// The block's height.
    let height: UInt64
}

/// A durable nonce's value.
public struct SolanaNonce: Hashable, Sendable {
    /// The account.
    public let account: SolanaAddress
    /// Its value.
    public let value: Digest
    /// It has this value, or a later one, at this finalized height and above.
    public let height: UInt64

    /// A value of an account.
    public init(account: SolanaAddress, value: Digest, height: UInt64) {
        self.account = account
        self.value = value
        self.height = height
    }
}

extension Quorum {
    /// Merges the answers; `nil` stands for an endpoint that gave none, and the result is `nil` if
    /// too few did. An answer that does not fit the question counts as none.
    public func merge(
        _ answers: [SolanaEndpointAnswer?], to question: SolanaQuestion
    ) -> SolanaObservation? {
        let given = answers.compactMap { $0 }.filter {
            $0.nonces.count == question.nonces.count
                && $0.statuses.count == question.transactions.count
        }
        guard given.count >= needed else { return nil }
        return SolanaObservation(
            transactions: question.transactions.map(\.id),
            statuses: question.transactions.indices.map { view($0, of: given, question) },
            nonces: question.nonces.enumerated().compactMap { place, account in
                agreed(given.compactMap { $0.nonces[place] }).map { value in
                    // As for blockhashes: one of these is honest.
                    let heights = given.filter { $0.nonces[place] == value }.map(\.height)
                    return SolanaNonce(
                        account: account, value: value, height: heights.sorted()[needed - 1])
                }
            },
            recent: recent(given.map { SolanaRecentView(recent: $0.recent, height: $0.height) }),
            price: reached(given.map(\.price)) ?? 0,
            lamports: reached(given.map(\.lamports)) ?? 0,
            tokens: reached(given.map(\.tokens)) ?? 0,
            slot: reached(given.compactMap(\.slot)))
    }

    /// The youngest hash that enough endpoints hold recent as of their block. Of any `needed`
    /// of those one is honest, and the hash's block is no higher than its height: so it is no
    /// higher than the greatest of the `needed` lowest heights, whatever the others say.
    func recent(_ answers: [SolanaRecentView]) -> SolanaRecentHash? {
        var best: SolanaRecentHash?
        for hash in Set(answers.flatMap(\.recent)).sorted() {
            let heights = answers.filter { $0.recent.contains(hash) }.map(\.height).sorted()
            guard heights.count >= needed else { continue }
            let found = SolanaRecentHash(hash, height: heights[needed - 1])
            if best.map({ $0.height < found.height }) ?? true { best = found }
        }
        return best
    }

    private func view(
        _ place: Int, of answers: [SolanaEndpointAnswer], _ question: SolanaQuestion
    ) -> SolanaStatusView {
        let asked = question.transactions[place]
        var heights: [UInt64] = []
        /// Of those who have the history.
        var proven: [UInt64] = []
        var seen: [(SolanaSighting, SolanaCommitment)] = []
        for answer in answers {
            switch answer.statuses[place] {
            case .absent:
                if let nonce = asked.nonce {
                    guard let value = answer.nonces[nonce.place], value != nonce.value,
                        answer.height >= nonce.height
                    else { continue }
                }
                heights.append(answer.height)
                if let since = asked.since, let history = answer.history, history <= since {
                    proven.append(answer.height)
                }
            case .present(let sighting, let commitment): seen.append((sighting, commitment))
            case .unknown: continue
            }
        }
        if let sighting = agreed(seen.map(\.0)) {
            let levels = seen.filter { $0.0 == sighting }.map(\.1.level)
            let level = reached(levels) ?? 0
            return .seen(sighting, SolanaCommitment(level: level))
        }
        // What is in a final block of one's is in none of the others' for want of it.
        if asked.since != nil, seen.contains(where: { $0.1 == .finalized }) { return .unknown }
        if let height = reached(proven) { return .absentThroughout(height: height) }
        return reached(heights).map { .absent(height: $0) } ?? .unknown
    }
}

extension SolanaCommitment {
    var level: UInt8 {
        switch self {
        case .processed: 0
        case .confirmed: 1
        case .finalized: 2
        }
    }

    init(level: UInt8) {
        self = level >= 2 ? .finalized : level == 1 ? .confirmed : .processed
    }
}

extension SolanaRecentHash: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(hash)
        writer.write(height)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readDigest(), height: try reader.readUInt64())
    }
}

extension SolanaNonce: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(account)
        writer.write(value)
        writer.write(height)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            account: try reader.read(), value: try reader.readDigest(),
            height: try reader.readUInt64())
    }
}

extension SolanaStatusView: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .absent(let height):
            writer.write(UInt8(1))
            writer.write(height)
        case .seen(let sighting, let commitment):
            writer.write(UInt8(2))
            writer.write(sighting.slot)
            writer.write(commitment.level)
            writer.write(sighting.failure != nil)
            if let failure = sighting.failure { writer.write(failure) }
        case .unknown: writer.write(UInt8(3))
        case .absentThroughout(let height):
            writer.write(UInt8(4))
            writer.write(height)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .absent(height: try reader.readUInt64())
        case 2:
            let slot = try reader.readUInt64()
            let level = try reader.readUInt8()
            guard level <= 2 else { throw .invalidValue("commitment") }
            let failure =
                try reader.readBool()
                ? try reader.readString(limit: SolanaManager.maximumText) : nil
            self = .seen(
                SolanaSighting(slot: slot, failure: failure), SolanaCommitment(level: level))
        case 3: self = .unknown
        case 4: self = .absentThroughout(height: try reader.readUInt64())
        default: throw .invalidValue("status")
        }
    }
}

extension SolanaObservation: CanonicalCodable {
    /// The fields of an input 6, in order; the slot, of an input 13, follows them.
    public func encode(into writer: inout ByteWriter) {
        writer.write(transactions)
        writer.write(statuses)
        writer.write(nonces)
        writer.write(recent)
        writer.write(price)
        writer.write(lamports)
        writer.write(tokens)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        transactions = try reader.readArray(limit: SolanaManagerInput.listLimit)
        statuses = try reader.readArray(limit: SolanaManagerInput.listLimit)
        guard statuses.count == transactions.count else { throw .invalidValue("statuses") }
        nonces = try reader.readArray(limit: SolanaManagerInput.listLimit)
        recent = try reader.readOptional()
        price = try reader.readUInt64()
        lamports = try reader.readUInt64()
        tokens = try reader.readUInt64()
    }
}

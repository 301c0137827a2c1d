public import Primitives

/// What happens to a Solana manager. Everything it knows comes in as one of these, with the time.
public enum SolanaManagerInput: Hashable, Sendable {
    /// Somebody wants this paid.
    case submit(SolanaPayout)
    /// Somebody no longer wants this paid. Refused when it is on its way.
    case cancel(Digest)
    /// What enough nodes say of the token accounts of some owners.
    case looked([SolanaRecipient])
    /// The lookup tables that transactions may use from now on, as they are on chain.
    case tables([SolanaLookupTable])
    /// A draft was signed.
    case signed(batch: UInt64, Signature, [UInt8])
    /// What enough endpoints say to a question.
    case observed(SolanaObservation)
    /// Too few endpoints answered a question.
    case unanswered
    /// Enough nodes took a batch's transaction.
    case accepted(batch: UInt64, Signature)
    /// A report is written down where it matters and need not be repeated.
    case acknowledged(Digest, SolanaPayoutOutcome)
    /// Time passed.
    case tick
    /// The process began anew: whatever was under way may be lost.
    case restarted
    /// Other numbers count from now on. What came before happened under those of then, also when
    /// the log is read again. The token and who pays it stay the same.
    case configured(SolanaManagerPolicy)
    /// The record is new and goes on after another one's mark. The first input of a log, if it is
    /// one at all.
    case began(SolanaMark)
    /// These payouts are over wherever it matters and are asked for no more: their ids must never
    /// be submitted again. Refused if one of them is not over; one that is not known is none.
    /// Rounds of forgetting have numbers that grow.
    case forget([Digest], round: UInt64)
}

/// What an owner's token account says.
public struct SolanaRecipient: Hashable, Sendable {
    /// The owner.
    public let owner: SolanaAddress
    /// Whether it can be paid.
    public let state: TokenRecipient

    /// What an owner's token account says.
    public init(_ owner: SolanaAddress, _ state: TokenRecipient) {
        self.owner = owner
        self.state = state
    }
}

/// What a Solana manager wants done. Carry it out only when the input that led to it is durable;
/// each may be carried out any number of times.
public enum SolanaManagerAction: Hashable, Sendable {
    /// Find out what the token accounts of these owners say.
    case look([SolanaAddress])
    /// Have a transaction signed by the payer's key.
    case sign(SolanaDraft)
    /// Give a signed transaction to every node, without a trial.
    case broadcast(batch: UInt64, Signature, [UInt8])
    /// Ask every node.
    case ask(SolanaQuestion)
    /// Tell whoever submitted the payout.
    case report(Digest, SolanaPayoutOutcome)
    /// Tell a person.
    case alert(SolanaManagerAlert)
}

/// What a person should know. Each is raised once when it begins.
public enum SolanaManagerAlert: Hashable, Sendable {
    /// New batches wait for this.
    case opened(SolanaBreakerCause)
    /// New batches no longer wait for this.
    case closed(SolanaBreakerCause)
    /// A transaction can no longer be carried out; its payouts are made again.
    case expired(Signature)
    /// A transaction was undone by the chain; carries the chain's words.
    case undone(Signature, String)
    /// A transaction made recipients' token accounts, at the payer's cost.
    case accountsMade(Signature)
    /// A batch would cost more than it may, and waits.
    case feeLimit
    /// What was reported of a payout is no longer so.
    case reportChanged(Digest)
    /// A signature was not of what was to be signed.
    case wrongSignature(batch: UInt64)
    /// A transaction is gone, and so old that nodes may have forgotten it: nodes with a longer
    /// history are wanted.
    case tooOld(Signature)
    /// There is no signature for a batch; it is asked for again. Raised by a driver.
    case notSigned(SigningFailure)
}

/// Why new batches wait.
public enum SolanaBreakerCause: UInt8, CaseIterable, Hashable, Sendable {
    /// Too few endpoints answer.
    case nodesUnreachable = 1
    /// The payer holds fewer lamports than it must; or than the next batch costs, and then cheaper
    /// ones, as payments are beside new accounts, do not wait.
    case lowLamports = 2
    /// The payer holds fewer tokens than the next payout.
    case lowTokens = 3
    /// The transactions of this day may cost as much as they may; the next day closes it.
    case dayLimit = 4
}

extension SolanaRecipient: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(owner)
        switch state {
        case .ready: writer.write(UInt8(1))
        case .missing: writer.write(UInt8(2))
        case .quarantined(let reason):
            writer.write(UInt8(3))
            writer.write(reason.rawValue)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        owner = try reader.read()
        switch try reader.readUInt8() {
        case 1: state = .ready
        case 2: state = .missing
        case 3:
            let text = try reader.readString(limit: 64)
            guard let reason = TokenRecipient.Reason(rawValue: text) else {
                throw .invalidValue("reason")
            }
            state = .quarantined(reason)
        default: throw .invalidValue("recipient")
        }
    }
}

extension SolanaManagerInput: CanonicalCodable {
    /// The most owners, tables, transactions or ids in one input.
    public static let listLimit = 4_096

    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .submit(let payout):
            writer.write(UInt8(1))
            writer.write(payout)
        case .cancel(let id):
            writer.write(UInt8(2))
            writer.write(id)
        case .looked(let recipients):
            writer.write(UInt8(3))
            writer.write(recipients)
        case .tables(let tables):
            writer.write(UInt8(4))
            writer.write(tables)
        case .signed(let batch, let transaction, let bytes):
            writer.write(UInt8(5))
            writer.write(batch)
            writer.write(transaction)
            writer.write(bytes)
        case .observed(let observation):
            writer.write(UInt8(observation.slot == nil ? 6 : 13))
            writer.write(observation)
            if let slot = observation.slot { writer.write(slot) }
        case .unanswered: writer.write(UInt8(7))
        case .accepted(let batch, let transaction):
            writer.write(UInt8(8))
            writer.write(batch)
            writer.write(transaction)
        case .acknowledged(let id, let outcome):
            writer.write(UInt8(9))
            writer.write(id)
            writer.write(outcome)
        case .tick: writer.write(UInt8(10))
        case .restarted: writer.write(UInt8(11))
        case .configured(let policy):
            writer.write(UInt8(12))
            writer.write(policy)
        case .began(let mark):
            writer.write(UInt8(14))
            writer.write(mark)
        case .forget(let ids, let round):
            writer.write(UInt8(15))
            writer.write(round)
            writer.write(UInt32(ids.count))
            for id in ids { writer.write(id) }
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .submit(try reader.read())
        case 2: self = .cancel(try reader.readDigest())
        case 3: self = .looked(try reader.readArray(limit: Self.listLimit))
        case 4: self = .tables(try reader.readArray(limit: Self.listLimit))
        case 5:
            self = .signed(
                batch: try reader.readUInt64(), try reader.read(),
                try reader.readBytes(limit: SolanaMessage.packetBytes))
        case 6: self = .observed(try reader.read())
        case 7: self = .unanswered
        case 8: self = .accepted(batch: try reader.readUInt64(), try reader.read())
        case 9: self = .acknowledged(try reader.readDigest(), try reader.read())
        case 10: self = .tick
        case 11: self = .restarted
        case 12: self = .configured(try reader.read())
        case 13:
            var observation: SolanaObservation = try reader.read()
            observation.slot = try reader.readUInt64()
            self = .observed(observation)
        case 14: self = .began(try reader.read())
        case 15:
            let round = try reader.readUInt64()
            var ids: [Digest] = []
            for _ in 0..<(try reader.readCount(limit: Self.listLimit)) {
                ids.append(try reader.readDigest())
            }
            self = .forget(ids, round: round)
        default: throw .invalidValue("input")
        }
    }
}

extension SolanaLookupTable: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(address)
        writer.write(entries)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.read(), try reader.readArray(limit: 256))
    }
}

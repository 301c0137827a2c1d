import Chains
import Primitives
import Storage

/// Every transaction that the payer on Solana has signed and whose cost is not booked: written down
/// before the signature leaves this process, so that what a crash comes after is found again.
///
/// What it cost, the chain says. If the file is lost, so are the costs of what was under way, and
/// nothing else.
actor SolanaSpending {
    /// A transaction that may be on the chain.
    struct Note: Hashable, Sendable {
        /// Its name there.
        let transaction: Signature
        /// Whether it pays somebody: then its cost is that of a dispersal.
        let pays: Bool
        /// A slot that was final before it was signed: it is in a later one, or in none.
        let after: UInt64
        /// The durable nonce that it uses up, with the value: as long as that stands, a block may
        /// take it.
        let nonce: Nonce?
        /// The books that it states, if it does.
        let books: BooksStatement?
        /// The root of a pool that it moves on, if it does.
        let pool: PoolStep?

        /// A call of the payout program, and the epoch of the root that it is about; 0 if that was
        /// not said.
        struct PoolStep: Hashable, Sendable {
            let call: PayoutPoolCall
            let epoch: UInt64

            init(_ call: PayoutPoolCall, activating epoch: UInt64) {
                self.call = call
                if case .commit(let own, _, _) = call.kind {
                    self.epoch = own
                } else {
                    self.epoch = epoch
                }
            }
        }

        struct Nonce: Hashable, Sendable {
            let account: SolanaAddress
            let value: Digest
        }
    }

    private let records: RecordLog
    private var open: [Note]
    private(set) var finalSlot: UInt64
    private var activating: UInt64 = 0
    /// Above which height no block takes it any more, once that is known.
    private var bounds: [Signature: UInt64] = [:]
    /// The last write, which the next one waits for.
    private var last: Task<Void, any Error>?

    /// Goes on with what a file says; `slot` is final now.
    init(path: String, owner: String, after slot: UInt64) throws {
        records = try RecordLog(path: path, owner: owner)
        let known = try records.load()
        var open: [Note] = []
        if let state = known.state {
            var reader = ByteReader(state)
            open = try reader.readArray(limit: .max)
            try reader.finish()
        }
        for bytes in known.records {
            var reader = ByteReader(bytes)
            let note: Note = try reader.read()
            try reader.finish()
            if !open.contains(where: { $0.transaction == note.transaction }) { open.append(note) }
        }
        self.open = open
        finalSlot = slot
    }

    /// What is not booked, oldest first.
    var notes: [Note] { open }

    /// Writes down that a transaction was signed; returns when that is durable.
    func note(_ transaction: Signature, of message: SolanaMessage) async throws {
        let note = Note(
            transaction: transaction, pays: message.movesTokens, after: finalSlot,
            nonce: message.durableNonce.map { Note.Nonce(account: $0.account, value: $0.value) },
            books: message.booksStatement,
            pool: message.payoutPoolCall.map { Note.PoolStep($0, activating: activating) })
        // Asked for again, a signature is the same.
        if !open.contains(where: { $0.transaction == transaction }) { open.append(note) }
        try await write { try await $0.append([note.canonicalBytes()]) }
    }

    /// Forgets transactions whose cost is booked, or that will never be on the chain.
    func forget(_ transactions: [Signature]) async throws {
        if transactions.isEmpty { return }
        open.removeAll { transactions.contains($0.transaction) }
        for transaction in transactions { bounds[transaction] = nil }
        try await write { try await $0.replace(upTo: $0.lastNumber, with: await self.state) }
    }

    /// The height above which no block takes a transaction any more: two lives of a blockhash above
    /// one that was final after it was signed.
    func bound(of transaction: Signature, final height: UInt64) -> UInt64 {
        let bound = bounds[transaction] ?? height.saturatingSum(2 * 150)
        bounds[transaction] = bound
        return bound
    }

    /// Of which epoch the root is that is made active from now on.
    func activates(_ epoch: UInt64) { activating = epoch }

    /// What is signed from now on is in no slot up to this one.
    func passed(_ slot: UInt64) { finalSlot = max(finalSlot, slot) }

    private var state: [UInt8] {
        var writer = ByteWriter()
        writer.write(open)
        return writer.bytes
    }

    /// One write after the other, each of what is open in its turn.
    private func write(
        _ body: @escaping @Sendable (RecordLog) async throws -> Void
    ) async throws {
        let (before, records) = (last, records)
        let task = Task {
            _ = await before?.result
            try await body(records)
        }
        last = task
        try await task.value
    }

    /// Closes the file.
    nonisolated func close() { records.close() }
}

extension SolanaSpending.Note: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(transaction)
        writer.write(
            UInt8(pays ? 1 : 0) | UInt8(nonce == nil ? 0 : 2) | UInt8(books == nil ? 0 : 4)
                | UInt8(pool == nil ? 0 : 8))
        writer.write(after)
        if let nonce {
            writer.write(nonce.account)
            writer.write(nonce.value)
        }
        if let books { writer.write(books.text) }
        if let pool { writer.write(pool) }
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        transaction = try reader.read()
        // Bit 0: whether it pays; bit 1: whether a nonce follows; bit 2: whether books do;
        // bit 3: whether a pool's root does.
        let kind = try reader.readUInt8()
        guard kind < 16 else { throw .invalidValue("note") }
        pays = kind & 1 != 0
        after = try reader.readUInt64()
        nonce =
            kind & 2 == 0
            ? nil : Nonce(account: try reader.read(), value: try reader.readDigest())
        if kind & 4 != 0 {
            books = BooksStatement(text: try reader.readBytes(limit: 256))
            if books == nil { throw .invalidValue("books") }
        } else {
            books = nil
        }
        pool = kind & 8 == 0 ? nil : try reader.read()
    }
}

extension SolanaSpending.Note.PoolStep: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(call.program)
        writer.write(call.pool)
        writer.write(epoch)
        guard case .commit(_, let root, let total) = call.kind else {
            return writer.write(false)
        }
        writer.write(true)
        writer.write(root)
        writer.write(total)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        let program: SolanaAddress = try reader.read()
        let pool: SolanaAddress = try reader.read()
        epoch = try reader.readUInt64()
        var kind = PayoutPoolCall.Kind.activate
        if try reader.readBool() {
            kind = .commit(
                epoch: epoch, root: try reader.readDigest(), total: try reader.readUInt64())
        }
        call = PayoutPoolCall(program: program, pool: pool, kind)
    }
}

/// A signer whose every signature is noted before anybody has it.
struct NotedSigner: SolanaSigner {
    let signer: any SolanaSigner
    let spending: SolanaSpending

    var address: SolanaAddress { signer.address }

    func signature(of message: SolanaMessage) async throws(SigningFailure) -> Signature {
        let signature = try await signer.signature(of: message)
        do {
            try await spending.note(signature, of: message)
        } catch {
            throw .refused(SignerRefusal(.notDurable, "its cost could not be noted: \(error)"))
        }
        return signature
    }
}

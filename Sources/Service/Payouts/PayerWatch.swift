import Chains
import Clearing
import Logging
import Primitives
import Storage
import Synchronization

/// Reads what leaves the accounts that pay on the EVM chain, from `payer-watch.sqlite` on: the
/// one that pays now, and those of before, whose thefts stay told.
final class PayerWatch: Sendable {
    private let reader: SettlementReader
    private let account: EVMAddress
    private let treasuries: [EVMAddress]
    private let records: RecordLog
    private let state: Mutex<State>

    private struct State {
        /// The account that pays now is the last.
        var known: [PayerOutflows]
        /// Deposits in the house's channels, by transaction, with their blocks: whoever sends one
        /// of those, the books have it.
        var deposits: [Digest: UInt64] = [:]
        /// Since when it was not read up to where it should be.
        var behindSince: Timestamp?
        var isLooking = false
    }

    /// What a look has found.
    struct Found: Sendable {
        let outflows: [PayerOutflows]
        /// Since when nodes do not tell, or not all of it is read; `nil` if it is.
        let behindSince: Timestamp?
    }

    /// A node may answer for its newest blocks with what it has: they are left to a later look.
    static let youngBlocks: UInt64 = 16
    private static let blocksPerPage: UInt64 = 2_000
    private static let pagesALook = 200

    /// Goes on with the file in a house's folder. An account that is not in it is watched from a
    /// block on.
    init(
        _ reader: SettlementReader, account: EVMAddress, treasuries: [EVMAddress],
        from block: UInt64, folder: String, owner: String, log: Logger
    ) throws {
        self.reader = reader
        self.account = account
        self.treasuries = treasuries
        records = try RecordLog(path: folder + "/payer-watch.sqlite", owner: owner)
        var known: [PayerOutflows] = []
        if let bytes = try records.load().state {
            do throws(CodecError) {
                known = try Self.decode(bytes)
            } catch {
                log.error(
                    "what left the payer's account is read anew: payer-watch.sqlite is damaged",
                    metadata: ["why": "\(error)"])
            }
        }
        let place = known.firstIndex { $0.account == account }
        let own = place.map { known.remove(at: $0) }
        state = Mutex(State(known: known + [own ?? PayerOutflows(of: account, from: block)]))
    }

    private static func decode(_ bytes: [UInt8]) throws(CodecError) -> [PayerOutflows] {
        var reader = ByteReader(bytes)
        guard try reader.readUInt8() == 1 else { throw .invalidValue("version") }
        let known: [PayerOutflows] = try reader.readArray(limit: 1_024)
        try reader.finish()
        return known
    }

    private func save(_ known: [PayerOutflows]) async throws {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(known)
        try await records.replace(upTo: records.lastNumber, with: writer.bytes)
    }

    /// Closes the file.
    func close() { records.close() }

    /// A deposit in one of the house's channels is in the books.
    func note(deposit transaction: Digest, in block: UInt64) {
        state.withLock { $0.deposits[transaction] = block }
    }

    /// The chain has blocks no longer, from this one on.
    func rewind(to block: UInt64) {
        state.withLock { state in
            for place in state.known.indices { state.known[place].rewind(to: block) }
        }
    }

    /// What left the accounts up to a block, or up to where this look came. `charges` are final
    /// transactions of the house that the books may not have yet.
    func look(
        upTo last: UInt64, _ sequencer: Sequencer, charges: Set<Digest>, at now: Timestamp
    ) async throws -> Found {
        let (begun, isFree) = state.withLock { state in
            defer { state.isLooking = true }
            return (state, !state.isLooking)
        }
        // Whoever comes while somebody else looks has what was known before.
        guard isFree else {
            return Found(outflows: begun.known, behindSince: begun.behindSince)
        }
        defer { state.withLock { $0.isLooking = false } }
        let ours = charges.union(begun.deposits.keys)
        let places = Set(treasuries + begun.known.map(\.account))
        var isWhole = true
        for outflows in begun.known {
            do {
                let read = try await self.read(
                    outflows, upTo: last, sequencer, ours: ours, places: places, at: now)
                isWhole = isWhole && read
            } catch is ChainError {
                isWhole = false
            }
        }
        let (found, isNews) = state.withLock { state in
            state.behindSince = isWhole ? nil : state.behindSince ?? now
            let next = state.known.map(\.nextBlock).min() ?? 0
            state.deposits = state.deposits.filter { $0.value >= next || !isWhole }
            return (
                Found(outflows: state.known, behindSince: state.behindSince),
                state.known != begun.known
            )
        }
        if isNews { try await save(found.outflows) }
        return found
    }

    /// Reads one account's pages; whether all of them.
    private func read(
        _ begun: PayerOutflows, upTo last: UInt64, _ sequencer: Sequencer, ours: Set<Digest>,
        places: Set<EVMAddress>, at now: Timestamp
    ) async throws -> Bool {
        var outflows = begun
        for page in 0..<Self.pagesALook {
            let first = outflows.nextBlock
            let isNew = first <= last
            // What was seen before may be known by now.
            guard isNew || page == 0 else { return true }
            let end = isNew ? min(last, first + (Self.blocksPerPage - 1)) : first - 1
            let flows =
                isNew ? try await reader.outflows(of: begun.account, from: first, to: end) : []
            let asked = Set(flows.map(\.transaction) + outflows.items.map(\.transaction))
            let known = try await booked(asked, sequencer).union(ours)
            outflows.take(flows, upTo: end, at: now, places: places) { known.contains($0) }
            let (old, new) = (first, outflows)
            state.withLock { state in
                // Not over a reorganisation that came meanwhile.
                if let place = state.known.firstIndex(where: {
                    $0.account == new.account && $0.nextBlock == old
                }) {
                    state.known[place] = new
                }
            }
        }
        return outflows.nextBlock > last
    }

    /// Those of some transactions that the books know as the house's: by what they cost, or as a
    /// dispersal of before there were costs.
    private func booked(
        _ transactions: Set<Digest>, _ sequencer: Sequencer
    ) async throws -> Set<Digest> {
        if transactions.isEmpty { return [] }
        return try await sequencer.read { house in
            var found = transactions.filter { house.cost(of: $0.bytes) != nil }
            if found.count < transactions.count {
                for dispersal in house.dispersals
                where transactions.contains(dispersal.transaction) {
                    found.insert(dispersal.transaction)
                }
            }
            return found
        }
    }
}

import Chains
import Clearing
import Primitives
import Storage
import Synchronization

/// Reads what leaves the account that pays on the EVM chain, from `payer-watch.sqlite` on. Its
/// cursor is a block that is deep enough, so that nothing of it is undone.
final class PayerWatch: Sendable {
    private let reader: SettlementReader
    private let account: EVMAddress
    /// Whose receiving is the house's own: its contract and vault, and treasuries.
    private let places: Set<EVMAddress>
    /// The newest block when the process began.
    private let height: UInt64
    private let records: RecordLog
    private let state: Mutex<State>

    private struct State {
        var known: PayerOutflows?
        var isLooking = false
    }

    private static let blocksPerPage: UInt64 = 2_000
    private static let pagesALook = 200

    /// Goes on with the file in a house's folder. Another account's begins anew.
    init(
        _ reader: SettlementReader, account: EVMAddress, treasuries: [EVMAddress], folder: String,
        owner: String
    ) async throws {
        self.reader = reader
        self.account = account
        height = try await reader.nodes.commonHeight()
        places = Set([reader.contract, reader.vault] + treasuries)
        records = try RecordLog(path: folder + "/payer-watch.sqlite", owner: owner)
        let known = try records.load().state.map { try PayerOutflows(canonicalBytes: $0) }
        state = Mutex(State(known: known.flatMap { $0.account == account ? $0 : nil }))
    }

    /// Closes the file.
    func close() { records.close() }

    /// What left the account up to a block that is deep enough, or up to where this look came.
    /// `charges` are final transactions of the house that the books may not have yet.
    func look(
        upTo last: UInt64, _ sequencer: Sequencer, charges: Set<Digest>, at now: Timestamp
    ) async throws -> PayerOutflows {
        let (known, isFree) = state.withLock { state in
            defer { state.isLooking = true }
            return (state.known, !state.isLooking)
        }
        // Whoever comes while somebody else looks has what was known before.
        guard isFree else { return known ?? PayerOutflows(of: account, from: last + 1) }
        defer { state.withLock { $0.isLooking = false } }
        var outflows: PayerOutflows
        if let known {
            outflows = known
        } else {
            outflows = PayerOutflows(of: account, from: try await beginning(sequencer))
        }
        for page in 0..<Self.pagesALook {
            let first = outflows.nextBlock
            let isNew = first <= last
            // What was seen before may be known by now.
            guard isNew || page == 0 else { break }
            let end = min(last, first + (Self.blocksPerPage - 1))
            let flows =
                isNew ? try await reader.outflows(of: account, from: first, to: end) : []
            let asked = Set(flows.map(\.transaction) + outflows.items.map(\.transaction))
            let booked = try await booked(asked, sequencer).union(charges)
            outflows.take(flows, upTo: isNew ? end : first - 1, at: now, places: places) {
                booked.contains($0)
            }
        }
        if outflows != known {
            try await records.replace(
                upTo: records.lastNumber, with: outflows.canonicalBytes())
        }
        let found = outflows
        state.withLock { $0.known = found }
        return found
    }

    /// A house that was not watched before begins behind the newest log of its books, and with its
    /// process if there was none: what its account did before it was there is nobody's business.
    private func beginning(_ sequencer: Sequencer) async throws -> UInt64 {
        let booked = try await sequencer.read { $0.chainCursor.any ? $0.chainCursor.block : nil }
        return min(booked ?? height, height) + 1
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
                for dispersal in house.dispersals where transactions.contains(dispersal.transaction)
                {
                    found.insert(dispersal.transaction)
                }
            }
            return found
        }
    }
}

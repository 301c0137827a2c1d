import Chains
import Clearing
import Logging
import Primitives
import Storage
import Synchronization

/// Reads what leaves the accounts that pay on the EVM chain and what comes to them, from
/// `payer-watch.sqlite` on: the one that pays now, and those of before, whose thefts stay told.
final class PayerWatch: Sendable {
    private let reader: SettlementReader
    private let account: EVMAddress
    private let options: HouseConfiguration.Payouts
    private let records: RecordLog
    private let state: Mutex<State>

    private struct State {
        /// The account that pays now is the last.
        var known: [PayerFlows]
        /// Deposits in the house's channels: whoever sends one of those, the books have it.
        var deposits: Set<Deposit> = []
        /// Since when it was not read up to where it should be.
        var behindSince: Timestamp?
        var isLooking = false
        /// How often blocks were found to be gone: what was read before that may be of them.
        var rewinds = 0
    }

    /// A deposit, by the place of its log: whoever tells it twice tells one.
    private struct Deposit: Hashable {
        let channel, transaction: Digest
        let units: UInt128
        let block, logIndex: UInt64
    }

    /// What a look has found.
    struct Found: Sendable {
        let flows: [PayerFlows]
        /// Since when nodes do not tell, or not all of it is read; `nil` if it is.
        let behindSince: Timestamp?
    }

    /// A node may answer for its newest blocks with what it has: they are left to a later look.
    static let youngBlocks: UInt64 = 16
    /// The least that is listed of what comes: a cent, a hundredth of a TLY.
    private static let least = HouseConfiguration.Payouts().minimum
    private static let blocksPerPage: UInt64 = 2_000
    private static let pagesALook = 200

    /// Goes on with the file in a house's folder. An account that is not in it is watched from a
    /// block on.
    init(
        _ reader: SettlementReader, account: EVMAddress, _ options: HouseConfiguration.Payouts,
        from block: UInt64, folder: String, owner: String, log: Logger
    ) throws {
        self.reader = reader
        self.account = account
        self.options = options
        records = try RecordLog(path: folder + "/payer-watch.sqlite", owner: owner)
        var known: [PayerFlows] = []
        if let bytes = try records.load().state {
            do throws(CodecError) {
                known = try PayerFlows.all(inFile: bytes)
            } catch {
                log.error(
                    "what moved at the payer's account is read anew: payer-watch.sqlite is damaged",
                    metadata: ["why": "\(error)"])
            }
        }
        let place = known.firstIndex { $0.account == account }
        let own = place.map { known.remove(at: $0) }
        state = Mutex(State(known: known + [own ?? PayerFlows(of: account, from: block)]))
    }

    /// Closes the file.
    func close() { records.close() }

    /// A deposit in one of the house's channels is in the books.
    func note(deposit units: UInt128, in channel: Digest, at place: Chains.ChainReference) {
        let deposit = Deposit(
            channel: channel, transaction: place.transaction, units: units,
            block: place.blockNumber, logIndex: place.logIndex)
        state.withLock { _ = $0.deposits.insert(deposit) }
    }

    /// The chain has blocks no longer, from this one on.
    func rewind(to block: UInt64) async throws {
        state.withLock { state in
            for place in state.known.indices { state.known[place].rewind(to: block) }
            state.deposits = state.deposits.filter { $0.block < block }
            state.rewinds += 1
        }
        try await save()
    }

    /// Writes down what is known, and again if blocks were found to be gone meanwhile.
    private func save() async throws {
        while true {
            let (known, rewinds) = state.withLock { ($0.known, $0.rewinds) }
            try await records.replace(upTo: records.lastNumber, with: PayerFlows.file(of: known))
            if state.withLock({ $0.rewinds == rewinds }) { return }
        }
    }

    /// What moved at the accounts up to a block, or up to where this look came. `charges` are final
    /// transactions of the house that the books may not have yet, `accounts` its own that sign.
    func look(
        upTo last: UInt64, _ sequencer: Sequencer, charges: Set<Digest>, accounts: [EVMAddress],
        at now: Timestamp
    ) async throws -> Found {
        let (begun, isFree) = state.withLock { state in
            defer { state.isLooking = true }
            return (state, !state.isLooking)
        }
        // Whoever comes while somebody else looks has what was known before.
        guard isFree else {
            return Found(flows: begun.known, behindSince: begun.behindSince)
        }
        defer { state.withLock { $0.isLooking = false } }
        var known = try await known(begun, sequencer)
        known.own.formUnion(accounts)
        known.sent = charges
        var isWhole = true
        for flows in begun.known {
            do {
                let read = try await self.read(
                    flows, upTo: last, sequencer, known, begun.rewinds, at: now)
                isWhole = isWhole && read
            } catch is ChainError {
                isWhole = false
            }
        }
        let (found, isNews) = state.withLock { state in
            state.behindSince = isWhole ? nil : state.behindSince ?? now
            let next = state.known.map(\.nextBlock).min() ?? 0
            if isWhole { state.deposits = state.deposits.filter { $0.block >= next } }
            return (
                Found(flows: state.known, behindSince: state.behindSince),
                state.known != begun.known
            )
        }
        if isNews { try await save() }
        return found
    }

    /// What needs no explanation, but for the house's transactions.
    private func known(
        _ begun: State, _ sequencer: Sequencer
    ) async throws -> PayerFlows.Known {
        var known = PayerFlows.Known()
        known.own = Set(options.treasuries + begun.known.map(\.account))
        known.senders = Set(options.topUps + [reader.contract, reader.vault])
        for asset in Asset.allCases {
            known.minimum[asset] = asset.chainUnits(Self.least[asset])
        }
        let noted = Set(begun.deposits.map(\.channel))
        let (contracts, assets) = try await sequencer.read { house in
            var assets: [Digest: Asset] = [:]
            for channel in house.channels where noted.contains(channel.terms.key) {
                assets[channel.terms.key] = channel.asset
            }
            return (Set(house.channels.map(\.terms.contract)), assets)
        }
        known.senders.formUnion(contracts)
        for deposit in begun.deposits {
            guard let asset = assets[deposit.channel] else { continue }
            known.deposits[deposit.transaction, default: []].append(
                PayerFlows.Sum(asset, deposit.units))
        }
        return known
    }

    /// Reads one account's pages; whether all of them.
    private func read(
        _ begun: PayerFlows, upTo last: UInt64, _ sequencer: Sequencer, _ all: PayerFlows.Known,
        _ rewinds: Int, at now: Timestamp
    ) async throws -> Bool {
        var (watched, known) = (begun, all)
        for page in 0..<Self.pagesALook {
            let first = watched.nextBlock
            let isNew = first <= last
            // What was seen before may be known by now.
            guard isNew || page == 0 else { return true }
            let end = isNew ? min(last, first + (Self.blocksPerPage - 1)) : first - 1
            let flows =
                isNew ? try await reader.flows(of: begun.account, from: first, to: end) : []
            let asked = flows.filter { $0.sender == begun.account }.map(\.transaction)
            known.sent = try await booked(
                Set(asked + watched.items.map(\.transaction)), sequencer
            ).union(all.sent)
            watched.take(flows, upTo: end, at: now, known: known)
            let new = watched
            let isStored = state.withLock { state in
                // Not over a reorganisation that came meanwhile.
                guard state.rewinds == rewinds,
                    let place = state.known.firstIndex(where: { $0.account == new.account })
                else { return false }
                state.known[place] = new
                return true
            }
            guard isStored else { return false }
        }
        return watched.nextBlock > last
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

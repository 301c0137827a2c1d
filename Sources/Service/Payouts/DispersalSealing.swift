import Chains
import Clearing
import Cryptography
import Logging
import Primitives

/// Fixes under which books dispersals are made, before any of them is handed over: what a
/// transaction carries follows from the journal, whatever is lost and sent again. Neither chain
/// waits for the other. So it does for vouchers, before they are handed out.
actor DispersalSealing {
    private let sequencer: Sequencer
    private let liabilities: LiabilityBook
    /// What of the EVM chain's was handed over.
    private let driver: EVMManagerDriver
    /// What of Solana's was, if parties are paid there.
    private var solana: SolanaManagerDriver?
    private let log: Logger
    private var underWay: Task<UInt64, any Error>?
    private var vouchersUnderWay: Task<Void, any Error>?

    /// What seals for a house that sends through `driver`.
    init(
        sequencer: Sequencer, liabilities: LiabilityBook, driver: EVMManagerDriver, log: Logger
    ) {
        self.sequencer = sequencer
        self.liabilities = liabilities
        self.driver = driver
        self.log = log
    }

    /// From now on dispersals go through this one too.
    func use(_ solana: SolanaManagerDriver) { self.solana = solana }

    /// Fixes it for all that are new: whoever asks meanwhile has the same answer. Returns the last
    /// dispersal that may be handed over; later ones wait for their books.
    func seal() async throws -> UInt64 {
        if let underWay { return try await underWay.value }
        let task = Task { try await sealNew() }
        underWay = task
        defer { underWay = nil }
        return try await task.value
    }

    private func sealNew() async throws -> UInt64 {
        let (sealed, new) = try await sequencer.read { house in
            let sealed = house.lastSealedDispersal
            return (sealed, house.openDispersals.last { $0.isOpen }?.id.rawValue ?? 0)
        }
        if new <= sealed { return sealed }
        let before = max(sealed, try await lastSentWithoutBooks(after: sealed))
        if new <= before { return before }
        let (books, count) = try await liabilities.books(from: sequencer) {
            UInt64($0.dispersals.count)
        }
        let outcome = try await sequencer.submit(
            .sealDispersals(first: DispersalID(before + 1), last: DispersalID(count), books: books))
        guard case .failure(let rejection) = outcome else { return count }
        log.error("dispersals wait for their books", metadata: ["why": "\(rejection)"])
        return before
    }

    /// Fixes under which books all that is promised by voucher is, if that is not fixed yet:
    /// whoever asks meanwhile waits for the same answer.
    func sealVouchers() async throws {
        if let vouchersUnderWay { return try await vouchersUnderWay.value }
        let task = Task { try await sealNewVouchers() }
        vouchersUnderWay = task
        defer { vouchersUnderWay = nil }
        try await task.value
    }

    private func sealNewVouchers() async throws {
        guard try await sequencer.read({ $0.hasUnsealedVouchers }) else { return }
        let (books, sums) = try await liabilities.books(from: sequencer) {
            Array($0.unsealedVouchers.prefix(Limits.openChannels))
        }
        if sums.isEmpty { return }
        let outcome = try await sequencer.submit(.sealVouchers(sums, books: books))
        // Whoever else asked may have been first.
        guard case .failure(let rejection) = outcome, rejection != .nothingToSeal else { return }
        log.error("vouchers wait for their books", metadata: ["why": "\(rejection)"])
    }

    /// The last dispersal after this one that was handed over before there were seals on its
    /// chain; 0 in a house that always had them. O(dispersals after it).
    private func lastSentWithoutBooks(after sealed: UInt64) async throws -> UInt64 {
        let new = try await sequencer.read { Array($0.dispersals.dropFirst(Int(sealed))) }
        return new.last { wasSent($0, hadSeals: sealed > 0) }?.id.rawValue ?? 0
    }

    private func wasSent(_ dispersal: Dispersal, hadSeals: Bool) -> Bool {
        switch dispersal.rail {
        case .solana:
            guard let solana else { return false }
            return dispersal.payments.indices.contains { place in
                !dispersal.payments[place].state.isOpen
                    || solana.status(of: solana.id(of: dispersal, payment: place)) != .absent
            }
        default:
            if hadSeals { return false }
            let id = SettlementOrder.key(ofDispersal: dispersal.name)
            return !dispersal.isOpen || driver.status(of: id) != .absent
        }
    }
}

extension LiabilityCommitment {
    /// What a chain or a signature says of these books.
    var pushed: PushedBooks { PushedBooks(journalHead: head, liabilities: root) }
}

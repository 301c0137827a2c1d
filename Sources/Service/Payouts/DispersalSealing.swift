import Chains
import Clearing
import Logging
import Primitives

/// Fixes under which books dispersals are made, before any of them is handed over: what a
/// transaction carries follows from the journal, whatever is lost and sent again. Neither chain
/// waits for the other.
struct DispersalSealing: Sendable {
    let sequencer: Sequencer
    let liabilities: LiabilityBook
    /// What of the EVM chain's was handed over.
    let driver: EVMManagerDriver
    let log: Logger

    /// Fixes it for all that are new. Returns the last dispersal that may be handed over; later
    /// ones wait for their books.
    func seal() async throws -> UInt64 {
        let (sealed, new) = try await sequencer.read { house in
            let sealed = house.lastSealedDispersal
            return (sealed, house.openDispersals.last { $0.isOpen }?.id.rawValue ?? 0)
        }
        if new <= sealed { return sealed }
        let before = sealed > 0 ? sealed : try await lastSentWithoutBooks()
        if new <= before { return before }
        let (books, count) = try await liabilities.books(from: sequencer)
        let outcome = try await sequencer.submit(
            .sealDispersals(first: DispersalID(before + 1), last: DispersalID(count), books: books))
        guard case .failure(let rejection) = outcome else { return count }
        // The other chain's dispersals may have been sealed in between, with these.
        let after = try await sequencer.read { $0.lastSealedDispersal }
        if after > sealed { return after }
        log.error("dispersals wait for their books", metadata: ["why": "\(rejection)"])
        return before
    }

    /// The last dispersal that was handed over before there were seals; 0 in a house that always
    /// had them.
    private func lastSentWithoutBooks() async throws -> UInt64 {
        let pushed = try await sequencer.read { house in
            house.dispersals.filter { $0.rail == .push }
        }
        let sent = pushed.last { dispersal in
            let id = SettlementOrder.key(ofDispersal: dispersal.name)
            return !dispersal.isOpen || driver.status(of: id) != .absent
        }
        return sent?.id.rawValue ?? 0
    }
}

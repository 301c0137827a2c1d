public import Chains
public import Clearing
import Primitives
import Synchronization

/// Whether a record of what was signed on Solana may be gone on with: the journal knows how far the
/// newest was, and nothing was given to any node before the journal knew of it.
public enum SolanaRecordCheck: Hashable, Sendable {
    /// It is the newest.
    case newest
    /// It is new and there is nothing that it should know: it goes on after this mark.
    case begins(SolanaMark)
    /// It is newer than the journal by so many signatures: the journal is an older copy.
    case journalBehind(UInt64)
    /// It must not be gone on with; says why and what to do, without a full stop.
    case refused(String)

    /// Compares a record with the journal.
    ///
    /// - Parameters:
    ///   - records: what the journal knows.
    ///   - mark: how far this one is.
    ///   - isNew: whether it has never been written to.
    ///   - hasOpen: whether payments on Solana are open in the books.
    ///   - file: its name, for people.
    public init(
        _ records: [SolanaRecord], owner: String, mark: SolanaMark, isNew: Bool, hasOpen: Bool,
        file: String
    ) {
        let newest = "put the newest one back, as it was when the house stopped"
        if hasOpen, let last = records.last?.pin.owner, last != owner {
            self = .refused(
                "open Solana payments may have been sent by \(last): start the house with that "
                    + "account, token and cluster until they are over")
            return
        }
        guard let known = records.first(where: { $0.pin.owner == owner }) else {
            self = .newest
            return
        }
        let pin = known.pin
        if isNew {
            let knewNothing = pin.count == 0 && pin.base == .zero
            self =
                hasOpen && !knewNothing
                ? .refused(
                    "\(file) is empty, and the one before, which knew \(pin.count) signed "
                        + "transactions, alone knows which of the open Solana payouts were sent: "
                        + newest)
                : .begins(
                    SolanaMark(
                        base: pin.base, count: pin.count, hash: pin.hash,
                        forgettings: known.forgettings))
            return
        }
        let isOfTheJournal =
            mark.base == pin.base && (mark.count != pin.count || mark.hash == pin.hash)
            && (mark.count != pin.count + 1 || mark.previous == pin.hash)
        if mark.base == pin.base, mark.count < pin.count {
            self = .refused(
                "\(file) is an older copy: it knows \(mark.count) signed transactions, and the "
                    + "journal \(pin.count); with it payouts could be sent twice: " + newest)
        } else if !isOfTheJournal {
            self = .refused(
                "\(file) is another one than the journal knows, or an older copy of it: "
                    + "after \(pin.count) signed transactions it has others: " + newest)
        } else if mark.forgettings > known.forgettings {
            self = .refused(
                "the journal is an older copy than \(file), which has forgotten payouts that this "
                    + "journal may take for open; they would be sent twice: put the newest journal "
                    + "back, or start without --solana-rpc-url")
        } else if mark.count > pin.count + 1 {
            self = .journalBehind(mark.count - pin.count)
        } else {
            self = .newest
        }
    }
}

/// Writes into the journal how far the record is, once for each mark.
final class SolanaPinning: Sendable {
    private let sequencer: Sequencer
    private let owner: String
    private let last = Mutex<SolanaPin?>(nil)

    init(_ sequencer: Sequencer, owner: String) {
        self.sequencer = sequencer
        self.owner = owner
    }

    /// Pins a mark; returns when that is durable. Calls follow each other.
    func pin(_ mark: SolanaMark) async throws {
        let pin = SolanaPin(
            owner: owner, base: mark.base, count: mark.count, hash: mark.hash)
        if last.withLock({ $0 == pin }) { return }
        try await submit(.pinSolana(pin))
        last.withLock { $0 = pin }
    }

    /// Says that the record is about to forget payouts, in this round; returns when that is
    /// durable, and with it that they are over.
    func forget(_ round: UInt64) async throws {
        try await submit(.forgetSolana(owner, round: round))
    }

    /// Waits while the books are busy.
    private func submit(_ command: Command) async throws {
        while true {
            let outcome: Sequencer.Outcome
            do throws(SequencerError) {
                outcome = try await sequencer.submit(command)
            } catch {
                guard error == .busy else { throw error }
                // Also at the end: what is written down is pinned.
                await Task { try? await Task.sleep(for: .milliseconds(20)) }.value
                continue
            }
            _ = try outcome.get()
            return
        }
    }
}

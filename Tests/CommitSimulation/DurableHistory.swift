import Ledger
import NaiveLedger
import Primitives
import Service
import SimulatedDisk
import Storage

/// What is certainly on the disk, read from it and decided again by the naive ledger: the truth
/// that everything which was said is compared with.
struct DurableHistory {
    struct Entry {
        let command: LedgerCommand
        let time: Timestamp
        /// What the naive ledger answers.
        let answer: LedgerAnswer
        /// The shared accounts after it.
        let accounts: [Account?]
        let term: UInt64
    }

    private(set) var batches: [JournalBatch] = []
    private(set) var entries: [Entry] = []
    private(set) var naive = NaiveLedger()
    private var created: Set<TransferID> = []
    private var seen: Set<TransferID> = []

    /// Reads everything that follows from a disk; says what is wrong with it.
    mutating func read(_ journal: FileJournal) throws(JournalError) -> String? {
        let reader = try journal.reader()
        defer { reader.close() }
        while true {
            let page = try reader.batches(after: UInt64(batches.count))
            if page.isEmpty { return nil }
            for batch in page {
                do throws(JournalError) {
                    if let wrong = try add(batch) { return wrong }
                } catch {
                    return "what is durable cannot be read: \(error)"
                }
            }
        }
    }

    private mutating func add(_ batch: JournalBatch) throws(JournalError) -> String? {
        var verifier = ChainVerifier(after: batches.last?.head ?? .empty)
        for entry in try verifier.accept(batch) {
            guard let command = try? LedgerCommand(canonicalBytes: entry.command) else {
                return "batch \(batch.sequence) holds what is no command"
            }
            let answer = decide(command, entry.time)
            if case .createTransfers(let transfers) = command,
                case .transfers(let results) = answer
            {
                for (transfer, result) in zip(transfers, results) where result.status == .created {
                    guard created.insert(transfer.id).inserted else {
                        return "transfer \(transfer.id) happened twice"
                    }
                }
                seen.formUnion(transfers.map(\.id))
            }
            entries.append(
                Entry(
                    command: command, time: entry.time, answer: answer,
                    accounts: Workload.accounts.map { naive.account(AccountID($0)) },
                    term: batch.term))
        }
        batches.append(batch)
        return nil
    }

    private mutating func decide(_ command: LedgerCommand, _ time: Timestamp) -> LedgerAnswer {
        let released = naive.expire(at: LedgerMachine.start(of: command, at: time))
        switch command {
        case .createAccounts(let accounts):
            return .accounts(naive.createAccounts(accounts, at: time))
        case .createTransfers(let transfers):
            return .transfers(naive.createTransfers(transfers, at: time))
        case .pulse: return .pulsed(released)
        }
    }

    /// Whether a machine is just what the naive ledger became by this history.
    func describes(_ machine: borrowing LedgerMachine) -> Bool {
        let ledger = machine.ledger
        guard ledger.transferCount == created.count, ledger.checkInvariants().isEmpty else {
            return false
        }
        return Workload.accounts.allSatisfy { number in
            ledger.account(AccountID(number)) == naive.account(AccountID(number))
        }
            && seen.allSatisfy { id in
                ledger.transfer(id) == naive.transfer(id)
                    && ledger.pendingStatus(id) == naive.pendingStatus(id)
                    && ledger.isBurnt(id) == naive.isBurnt(id)
            }
    }

    /// How many entries there were at a time; `nil` if no entry has just this time.
    func length(at time: Timestamp) -> Int? {
        if time == .zero { return 0 }
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].time < time { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].time == time ? low + 1 : nil
    }
}

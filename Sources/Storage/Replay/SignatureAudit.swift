import Clearing
import Cryptography
import Dispatch
import Foundation
import Primitives
import Synchronization

/// Checks the signatures that commands carry, on all processors, while the replay goes on: one
/// signature takes as long as deciding fifty transfers.
final class SignatureAudit: Sendable {
    /// What was found.
    struct Findings: Sendable {
        /// How many hold.
        var valid: UInt64 = 0
        /// Those that do not, in the journal's order.
        var bad: [AuditReport.BadSignature] = []
    }

    private struct State {
        var waiting: [Item] = []
        /// Signatures seen so far.
        var seen: UInt64 = 0
        var valid: UInt64 = 0
        /// Those that do not hold, by their number; in any order.
        var bad: [UInt64: AuditReport.BadSignature] = [:]
    }

    /// Where a signed record stands.
    private struct Item: Sendable {
        /// Signatures before it in the journal.
        let number: UInt64
        let sequence: UInt64
        let place: Int
        let record: Record
    }

    private enum Record: Sendable {
        case receipt(Signed<Receipt>)
        case verdict(Signed<Verdict>)
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "exchequer.signatures", attributes: .concurrent)
    private let running = DispatchGroup()
    /// Lets no more pieces wait than keep the processors busy.
    private let room = DispatchSemaphore(value: 2 * ProcessInfo.processInfo.activeProcessorCount)
    private static let piece = 512

    /// Looks at a command; its signatures are checked some time before `finish` returns.
    func check(_ command: Command, sequence: UInt64, place: Int) {
        let records: [Record]
        switch command {
        case .submitReceipts(let delivery): records = delivery.receipts.map { .receipt($0) }
        case .recordVerdict(let verdict): records = [.verdict(verdict)]
        default: return
        }
        let due = state.withLock { state -> [Item] in
            for record in records {
                state.waiting.append(
                    Item(number: state.seen, sequence: sequence, place: place, record: record))
                state.seen += 1
            }
            guard state.waiting.count >= Self.piece else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        if !due.isEmpty { start(due) }
    }

    /// Waits until everything is checked and says what was found.
    func finish() -> Findings {
        let due = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        if !due.isEmpty { start(due) }
        running.wait()
        return state.withLock { state in
            let bad = state.bad.sorted { $0.key < $1.key }
            return Findings(valid: state.valid, bad: bad.map(\.value))
        }
    }

    private func start(_ items: [Item]) {
        room.wait()
        queue.async(group: running) { [self] in
            let bad = items.compactMap { item in Self.fault(item).map { (item.number, $0) } }
            state.withLock { state in
                state.valid += UInt64(items.count - bad.count)
                for (number, fault) in bad { state.bad[number] = fault }
            }
            room.signal()
        }
    }

    private static func fault(_ item: Item) -> AuditReport.BadSignature? {
        switch item.record {
        case .receipt(let receipt): fault(receipt, as: "receipt", item)
        case .verdict(let verdict): fault(verdict, as: "verdict", item)
        }
    }

    private static func fault<Body: Signable>(
        _ signed: Signed<Body>, as record: String, _ item: Item
    ) -> AuditReport.BadSignature? {
        guard signed.verified() == nil else { return nil }
        return .init(
            sequence: item.sequence, command: item.place, record: record, signer: signed.signer)
    }
}

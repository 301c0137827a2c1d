import Ledger
import Primitives
import Storage

/// What `exchequer audit` prints of a ledger. Sums are in ledger units.
struct LedgerAuditSummary: Encodable {
    struct Line: Encodable {
        let ledger: UInt32
        let debitsPosted, creditsPosted, debitsPending, creditsPending: String
        let balanced: Bool
    }

    let machine = "ledger"
    let sequence, commands: UInt64
    let headHash, stateHash: String
    let stateHashesMatched, snapshotsMatched: Int
    let accounts, transfers, burntIDs, transfersPerSecond: Int
    let trialBalance: [Line]
    let faults: [String]
    let sound: Bool

    init(_ report: LedgerAuditReport, seconds: Double) {
        let ledger = report.machine.ledger
        sequence = report.head.sequence
        commands = report.commands
        headHash = report.head.hash.hex
        stateHash = report.stateHash.hex
        stateHashesMatched = report.checkpoints
        snapshotsMatched = report.snapshots
        accounts = ledger.accounts.count
        transfers = ledger.transferCount
        burntIDs = ledger.burntIDs.count
        transfersPerSecond = Int(Double(ledger.transferCount) / max(seconds, 0.001))
        func text(_ total: LedgerTotal) -> String {
            total.amount.map { "\($0)" } ?? "over 2^128 units"
        }
        trialBalance = report.trialBalance.map {
            Line(
                ledger: $0.ledger, debitsPosted: text($0.debitsPosted),
                creditsPosted: text($0.creditsPosted), debitsPending: text($0.debitsPending),
                creditsPending: text($0.creditsPending), balanced: $0.isBalanced)
        }
        faults = report.invariantFaults + report.snapshotFaults
        sound = report.isSound
    }

    var text: String {
        let rows = trialBalance.map {
            [
                "\($0.ledger)", $0.debitsPosted, $0.creditsPosted, $0.debitsPending,
                $0.creditsPending, $0.balanced ? "yes" : "NO",
            ]
        }
        let header = [
            "ledger", "debits", "credits", "pending debits", "pending credits", "balanced",
        ]
        return """
            replayed \(commands) commands in \(sequence) batches: \(accounts) accounts, \
            \(transfers) transfers, \(transfersPerSecond) transfers/s
            head hash  \(headHash)
            state hash \(stateHash)
            \(stateHashesMatched) recorded state hashes and \(snapshotsMatched) snapshots matched
            \(Console.table(header, rows))
            \(faults.isEmpty ? "nothing is wrong" : faults.joined(separator: "\n"))
            """
    }
}

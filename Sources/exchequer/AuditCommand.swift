import ArgumentParser
import Clearing
import Foundation
import Ledger
import Primitives
import Storage

/// `exchequer audit`: trusts nothing but the journal file.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Replay a journal of a house or a ledger and prove its state.",
        discussion: """
            Checks the hash chain, decides every command again, compares every state hash that \
            the house recorded and what each settlement says is owed, checks every signature \
            again, and adds up the books per asset. It begins with the first batch, whatever \
            snapshots there are, and compares those with what it finds. Works on a stopped \
            house's folder and beside a running house. Exit code 5 if anything is wrong.

            Signatures take far longer than all else: --skip-signatures leaves them out, and then \
            who served what is taken from the journal's word.

            EXAMPLES
              exchequer audit --data house
              exchequer audit --data house --expect 120:9f3c...   a published point of the chain
              exchequer audit --data house --skip-signatures --json
              exchequer audit --journal file:books       a ledger's journal, of any kind
              exchequer audit --journal 'postgres:host=db dbname=books#exchequer'
            """)

    @Option(help: "The house's data folder.") var data: String?
    @Option(help: "The journal: sqlite:PATH, file:FOLDER, postgres:CONNINFO#SCHEMA or a path.")
    var journal: String?
    @Option(help: "SEQUENCE:HASH of a batch that must be in the chain, as settled on chain.")
    var expect: String?
    @Flag(help: "Do not check signatures again: chain and balances only.")
    var skipSignatures = false
    @Option(help: "The folder of snapshots. Without it PLACE.snapshots, if that is there.")
    var snapshots: String?
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        var point: ChainPoint?
        if let expect {
            let parts = expect.split(separator: ":")
            guard parts.count == 2, let sequence = UInt64(parts[0]),
                let hash = Digest(hex: parts[1])
            else { throw ValidationError("--expect wants SEQUENCE:HASH.") }
            point = ChainPoint(sequence: sequence, hash: hash)
        }
        let place = try place()
        let outcome: Outcome
        do throws(JournalError) {
            outcome = try audit(place, expecting: point)
        } catch {
            switch error {
            case .cannotOpen, .unreachable:
                Console.say("\(error)")
                throw error.exitCode
            default:
                Console.say("the journal does not hold: \(error)")
                throw Exit.checkFailed
            }
        }
        switch outcome {
        case .house(let report):
            try show(Summary(report), report.isSound) { $0.text }
        case .ledger(let report, let seconds):
            let summary = LedgerAuditSummary(report, seconds: seconds)
            try show(summary, report.isSound) { $0.text }
        }
    }

    private enum Outcome {
        case house(AuditReport)
        case ledger(LedgerAuditReport, seconds: Double)
    }

    private func audit(
        _ place: JournalPlace, expecting point: ChainPoint?
    ) throws(JournalError) -> Outcome {
        let journal = try place.openForReading()
        let store = try snapshotStore(place)
        if try JournaledKind(of: journal) == .ledger {
            let start = ContinuousClock.now
            let report = try auditLedger(journal, expecting: point, snapshots: store)
            return .ledger(report, seconds: start.duration(to: .now) / .seconds(1))
        }
        if case .postgres = place {
            return .house(
                try auditJournal(
                    journal, expecting: point, checksSignatures: !skipSignatures,
                    snapshots: store))
        }
        return .house(
            try auditJournal(
                at: place.path, expecting: point, checksSignatures: !skipSignatures,
                snapshots: store))
    }

    /// Makes no folder: nothing is changed by an audit.
    private func snapshotStore(_ place: JournalPlace) throws(JournalError) -> SnapshotStore? {
        let exists = { FileManager.default.fileExists(atPath: $0) }
        if let snapshots, !exists(snapshots) {
            throw .cannotOpen(snapshots, "there is no such folder")
        }
        guard let folder = snapshots ?? place.snapshotFolder, exists(folder) else { return nil }
        return try SnapshotStore(folder: folder)
    }

    private func place() throws -> JournalPlace {
        guard let data else { return try JournalOptions.place(journal ?? "") }
        return try JournalOptions.place(ofHouse: data, nil)
    }

    private func show<Found: Encodable>(
        _ summary: Found, _ isSound: Bool, _ text: (Found) -> String
    ) throws {
        if json { try Console.put(json: summary) } else { Console.put(text(summary)) }
        if !isSound { throw Exit.checkFailed }
    }

    func validate() throws {
        guard (data == nil) != (journal == nil) else {
            throw ValidationError("Give either --data FOLDER or --journal PLACE.")
        }
    }

    /// What is printed. Sums are exact decimal text in whole coins.
    struct Summary: Encodable {
        struct Line: Encodable {
            let asset, debitsPosted, creditsPosted, debitsPending, creditsPending: String
            let balanced: Bool
            let onChain, owedToParties, house: String
        }

        let sequence, commands, transfers: UInt64
        let signaturesChecked: UInt64?
        let headHash, stateHash: String
        let stateHashesMatched, jobs, verdicts, batches, liabilitiesMatched, snapshotsMatched: Int
        let trialBalance: [Line]
        let faults: [String]
        let sound: Bool

        init(_ report: AuditReport) {
            let house = report.house
            sequence = report.head.sequence
            commands = report.commands
            transfers = UInt64(house.ledger.transferCount)
            signaturesChecked = report.signatures
            headHash = report.head.hash.hex
            stateHash = report.stateHash.hex
            stateHashesMatched = report.checkpoints
            jobs = house.jobs.count
            verdicts = house.verdicts.count
            batches = house.batches.count
            liabilitiesMatched = report.liabilityCommitments
            snapshotsMatched = report.snapshots
            trialBalance = report.trialBalance.compactMap { Summary.line($0, house) }
            faults =
                report.invariantFaults + report.liabilityFaults + report.snapshotFaults
                + report.badSignatures.map {
                    "batch \($0.sequence), command \($0.command): the \($0.record) is not signed "
                        + "by \($0.signer.hex)"
                }
            sound = report.isSound
        }

        private static func line(_ total: TrialBalance, _ house: ClearingHouse) -> Line? {
            guard let asset = Asset(rawValue: total.ledger) else { return nil }
            func text(_ sum: LedgerTotal) -> String {
                sum.amount.map { asset.format($0) } ?? "over 2^128 units"
            }
            var parties = Amount.zero
            var own = Amount.zero
            for account in house.ledger.accounts {
                guard account.id.asset == asset, let purpose = account.id.purpose,
                    purpose != .chain, purpose != .emission
                else { continue }
                let held = account.creditsPosted - account.debitsPosted
                if purpose.isLiability { parties += held } else { own += held }
            }
            let chain = house.ledger.account(AccountID(.chain, asset))
            let net = chain.map { signed($0.debitsPosted, less: $0.creditsPosted, asset) } ?? "0"
            return Line(
                asset: asset.code, debitsPosted: text(total.debitsPosted),
                creditsPosted: text(total.creditsPosted),
                debitsPending: text(total.debitsPending),
                creditsPending: text(total.creditsPending), balanced: total.isBalanced,
                onChain: net, owedToParties: asset.format(parties), house: asset.format(own))
        }

        private static func signed(_ left: Amount, less right: Amount, _ asset: Asset) -> String {
            left >= right ? asset.format(left - right) : "-" + asset.format(right - left)
        }

        var text: String {
            let rows = trialBalance.map {
                [
                    $0.asset, $0.debitsPosted, $0.creditsPosted, $0.debitsPending, $0.onChain,
                    $0.owedToParties, $0.house, $0.balanced ? "yes" : "NO",
                ]
            }
            let header = [
                "asset", "debits", "credits", "pending", "net in from chain", "owed to parties",
                "the house's", "balanced",
            ]
            let signatures =
                signaturesChecked.map { "\($0) signatures hold" } ?? "signatures were not checked"
            return """
                replayed \(commands) commands in \(sequence) batches: \(transfers) transfers, \
                \(jobs) jobs, \
                \(verdicts) verdicts, \(batches) settlement batches
                head hash  \(headHash)
                state hash \(stateHash)
                \(stateHashesMatched) recorded state hashes, \(snapshotsMatched) snapshots and the \
                liabilities of \(liabilitiesMatched) settlements matched, \(signatures)
                \(Console.table(header, rows))
                \(faults.isEmpty ? "nothing is wrong" : faults.joined(separator: "\n"))
                """
        }
    }
}

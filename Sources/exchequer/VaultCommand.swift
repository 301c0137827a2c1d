import ArgumentParser
import Chains
import Foundation
import Primitives
import Storage

/// `exchequer vault`: the history of a token account on Solana, added up and compared.
struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault",
        abstract: "Reconcile a token account on Solana with its history, to the unit.",
        discussion: """
            Reads every transaction that names the account, from its first on, through nodes that \
            have to agree and to have all of it; adds up what came in, was claimed and went out, \
            and compares it with what the account holds, and with the pool's own totals if it is \
            the vault of one. Exit code 5 if anything differs. Deposits that say not whom they are \
            for are listed.

            With --state what was read is written down, page by page, and the next run goes on \
            from there: it needs nodes with the history since then only. A run that is stopped \
            repeats or loses nothing.

            EXAMPLES
              exchequer vault --rpc http://127.0.0.1:8899 --account TOKENACCOUNT
              exchequer vault --rpc URL --rpc URL --account VAULT --program ID --json
              exchequer vault --rpc URL --account VAULT --program ID --state v.sqlite
            """)

    @OptionGroup var options: NodeOptions
    @Option(help: "The token account.") var account: String
    @Option(help: "The payout program, if the account is the vault of a pool.")
    var program: String?
    @Option(help: "A file of how far it was read, made if it is not there.") var state: String?
    @Option(help: "A slot before the account was made, where a first run begins.")
    var startSlot: UInt64 = 0
    @Option(help: "Slots below the newest final one that are left out.") var margin: UInt64 = 8
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        struct Unnamed: Encodable {
            let transaction, amount, owner: String
            let slot: UInt64

            init(_ deposit: VaultBook.Unnamed) {
                transaction = Base58.encode(deposit.place.transaction.bytes)
                amount = "\(deposit.amount)"
                owner = "\(deposit.owner)"
                slot = deposit.place.slot
            }
        }
        let from_slot, slot: UInt64
        let balanced: Bool
        let holds, history, deposited, claimed, withdrawn: String
        let claimed_by_pool, active_total: String?
        let roots, unnamed_count: UInt64
        let unnamed: [Unnamed]
    }

    func validate() throws { try options.require() }

    func run() async throws {
        let account = try address(account)
        let program = try program.map { try address($0) }
        let file: VaultFile
        do throws(JournalError) {
            file = try VaultFile(state, account: account, program: program, startSlot: startSlot)
        } catch {
            Console.say("\(state ?? "") cannot be used: \(error)")
            throw Exit.configuration
        }
        defer { file.close() }
        let nodes = options.solana
        let watcher = SolanaVaultWatcher(
            nodes: nodes, account: account, program: program, margin: margin)
        let report: Report
        do {
            report = try await reconcile(watcher, nodes, account, program, file)
        } catch let error as JournalError {
            Console.say("\(state ?? "") cannot be written: \(error)")
            throw Exit.disk
        } catch {
            Console.say("the history cannot be read: \(error)")
            throw Exit.network
        }
        if json { try Console.put(json: report) } else { Console.put(Self.text(report)) }
        if !report.balanced { throw Exit.checkFailed }
    }

    /// Reads up to the newest final slot until the balance is of no later one.
    private func reconcile(
        _ watcher: SolanaVaultWatcher, _ nodes: SolanaNodes, _ account: SolanaAddress,
        _ program: SolanaAddress?, _ file: VaultFile
    ) async throws -> Report {
        var history = file.history
        let first = history.cursor.slot
        var holds: UInt64?
        var pool: PayoutPoolState?
        for attempt in 0..<20 {
            var hasMore = true
            while hasMore {
                let page = try await watcher.read(from: history.cursor)
                history.book.take(page.records)
                if page.cursor != history.cursor {
                    history.cursor = page.cursor
                    try await file.write(history)
                }
                Console.progress("slot \(page.cursor.slot)")
                hasMore = page.hasMore
            }
            holds = try await watcher.balance(notBefore: history.cursor.slot)
            pool = try await poolState(nodes, account, program)
            // The account may have moved on since the last slot that was read.
            if Self.isBalanced(history, holds: holds, pool) { break }
            if attempt < 19 { try? await Task.sleep(for: .seconds(1)) }
        }
        Console.progress("")
        let book = history.book
        return Report(
            from_slot: first, slot: history.cursor.slot,
            balanced: Self.isBalanced(history, holds: holds, pool), holds: "\(holds ?? 0)",
            history: "\(history.cursor.balance)", deposited: "\(book.deposited)",
            claimed: "\(book.claimed)", withdrawn: "\(book.withdrawn)",
            claimed_by_pool: pool.map { "\($0.claimedTotal)" },
            active_total: pool.map { "\($0.active?.total ?? 0)" }, roots: book.roots,
            unnamed_count: book.unnamedCount, unnamed: book.unnamed.map(Report.Unnamed.init))
    }

    private static func isBalanced(
        _ history: VaultHistory, holds: UInt64?, _ pool: PayoutPoolState?
    ) -> Bool {
        let balance = history.cursor.balance
        return holds ?? 0 == balance && history.book.balance == balance
            && (pool.map { UInt128($0.claimedTotal) == history.book.claimed } ?? true)
    }

    /// The pool whose vault the account is: the account's owner.
    private func poolState(
        _ nodes: SolanaNodes, _ account: SolanaAddress, _ program: SolanaAddress?
    ) async throws(ChainError) -> PayoutPoolState? {
        guard let program else { return nil }
        let found = try await nodes.agreed { node throws(ChainError) in
            guard let vault = try await node.accounts([account], .finalized)[0],
                let owner = Digest(Array(vault.data.dropFirst(32).prefix(32)))
            else { return SolanaAccount?.none }
            return try await node.accounts([SolanaAddress(owner)], .finalized)[0]
        }
        return found.flatMap { PayoutPoolState($0, program: program) }
    }

    private func address(_ text: String) throws -> SolanaAddress {
        guard let address = SolanaAddress(text) else {
            throw ValidationError("\(text) is not an address of 32 bytes in base58.")
        }
        return address
    }

    private static func text(_ report: Report) -> String {
        var rows = [
            ["holds", report.holds], ["history", report.history],
            ["deposited", report.deposited], ["claimed", report.claimed],
            ["withdrawn", report.withdrawn],
        ]
        if let claimed = report.claimed_by_pool { rows.append(["claimed, by the pool", claimed]) }
        if let total = report.active_total { rows.append(["active root", total]) }
        var parts = [
            "up to slot \(report.slot), read from \(report.from_slot) on, in the token's units",
            Console.table(["what", "amount"], rows),
        ]
        if !report.unnamed.isEmpty {
            if report.unnamed_count > report.unnamed.count {
                let (some, all) = (report.unnamed.count, report.unnamed_count)
                parts.append("the greatest \(some) of \(all) deposits of nobody")
            }
            parts.append(
                Console.table(
                    ["deposit of nobody", "amount", "from"],
                    report.unnamed.map { [$0.transaction, $0.amount, $0.owner] }))
        }
        parts.append(report.balanced ? "history and account are equal" : "THEY DIFFER")
        return parts.joined(separator: "\n\n")
    }
}

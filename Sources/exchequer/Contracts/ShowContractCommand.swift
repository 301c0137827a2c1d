import ArgumentParser
import Chains
import Cryptography
import Primitives

/// `exchequer contracts show`: what guardians, arbiters and payees have to know.
struct ShowContractCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show which root pays and which waits, slashes that wait, pause, abandonment.",
        discussion: """
            Wants no key. The waiting root and slashes are read from the contract's log, back to \
            --start-block.

            EXAMPLES
              exchequer contracts show --rpc URL --contract 0x..
              exchequer contracts show --rpc URL --contract 0x.. --start-block 19000000 --json
            """)

    @Option(help: "The chain's JSON-RPC endpoint.") var rpc: String
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The block the contract was deployed in, where reading its log ends.")
    var startBlock: UInt64 = 0
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        struct Waiting: Encodable {
            let batch, active_from: UInt64
            let root, journal_head, liabilities_root: String?
        }

        struct Slash: Encodable {
            let verdict, provider, amount, burned: String
            let executable_from: UInt64
            let appealed: Bool
        }

        let block, time, batch: UInt64
        let root: String
        let waiting: Waiting?
        let slashes: [Slash]
        let paused, abandoned: Bool
        let paused_until: UInt64?
        let abandonable_after: UInt64
    }

    func run() async throws {
        let settlement = try await ChainSession.settlement(contract, rpc: rpc, artifacts: artifacts)
        let report: Report
        do throws(ChainError) {
            let now = try await settlement.standing()
            var waiting: Report.Waiting?
            if now.isRootWaiting {
                let told = try await settlement.committedRoot(
                    ofBatch: now.batch, downTo: startBlock)
                waiting = Report.Waiting(
                    batch: now.batch, active_from: now.activeFrom, root: told?.root.hex,
                    journal_head: told?.journalHead.hex, liabilities_root: told?.liabilities.hex)
            }
            let slashes = try await settlement.requestedSlashes(since: startBlock)
            report = Report(
                block: now.block, time: now.timestamp, batch: now.batch, root: now.root.hex,
                waiting: waiting, slashes: slashes.map(Self.slash), paused: now.isPaused,
                abandoned: now.isAbandoned, paused_until: now.pausedUntil,
                abandonable_after: now.abandonableFrom)
        } catch {
            Console.say("the contract does not answer: \(error)")
            throw Exit.network
        }
        if json { try Console.put(json: report) } else { Console.put(Self.text(report)) }
    }

    private static func slash(_ one: RequestedSlash) -> Report.Slash {
        Report.Slash(
            verdict: one.verdict.hex, provider: one.provider.checksummed,
            amount: dollars(one.amount), burned: dollars(one.burned),
            executable_from: one.executableFrom, appealed: one.isAppealed)
    }

    private static func dollars(_ units: UInt128) -> String {
        Asset.usd.amount(chainUnits: units).map { Asset.usd.format($0) } ?? "\(units) units"
    }

    private static func text(_ report: Report) -> String {
        let pays =
            Digest(hex: report.root) == .zero ? "no root pays yet" : "root \(report.root) pays"
        var lines = ["block \(report.block), second \(report.time)", pays]
        if let waiting = report.waiting {
            lines.append(
                "batch \(waiting.batch) waits with root \(waiting.root ?? "of an earlier block"): "
                    + "can be disputed before second \(waiting.active_from), and made active "
                    + "from then on")
        }
        for one in report.slashes {
            let word = one.appealed ? "appealed" : "not appealed"
            lines.append(
                "slash \(one.verdict): \(one.amount) dollars of \(one.provider), \(word), can be "
                    + "vetoed before second \(one.executable_from)")
        }
        if report.paused {
            let end = report.paused_until.map { " until second \($0)" } ?? ""
            lines.append("paused\(end): no deposits, bonds or new roots")
        }
        lines.append(
            report.abandoned
                ? "ABANDONED: only exits are open"
                : "can be declared abandoned after second \(report.abandonable_after)")
        return lines.joined(separator: "\n")
    }
}

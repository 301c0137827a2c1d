import ArgumentParser
import Chains
import Foundation
import Primitives
import Service

/// `exchequer claimable`: what can be claimed of the house's contract now.
struct ClaimableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claimable",
        abstract: "Show what can be claimed on chain now, and what is on its way.",
        discussion: """
            For every role: what providers and verifiers earned, what buyers withdrew, the fees \
            the house's owner collected, bonds that may leave. With --json the proofs and the data \
            of the calls are there too, ready to be sent by anybody: the money only ever goes to \
            the account. Keep that: it is what exchequer contracts claim --claims takes when the \
            house is gone. What is in a pool on Solana is claimed with exchequer pool claim, which \
            takes the same JSON.

            With --data it is made of a copy of the journal, and the root is asked of the \
            chain: claims alone, for when there is no house to ask.

            EXAMPLES
              exchequer claimable --house http://127.0.0.1:8080 --address 0x..
              exchequer claimable --house http://127.0.0.1:8080 --api-key-file api.key --json
              exchequer claimable --data house --rpc URL --contract 0x.. --address 0x.. --json
              exchequer claimable --house URL --address 0x.. --vouchers folder
            """)

    @Option(help: "The house's address.") var house: String?
    @OptionGroup var copy: JournalCopyOptions
    @Option(help: "Whose claims.") var address: String?
    @Option(help: "The file with an API key of the account.", completion: .file())
    var apiKeyFile: String?
    @Option(
        help: """
            Folder to write vouchers, their channels' terms and the books they are signed under \
            to, as N.voucher.json, N.channel.json and N.books.json: what exchequer channels takes.
            """,
        completion: .directory)
    var vouchers: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard (house == nil) != (copy.data == nil) else {
            throw ValidationError("Give either --house or --data.")
        }
        guard (address == nil) != (apiKeyFile == nil) else {
            throw ValidationError("Give either --address or --api-key-file.")
        }
        if house == nil, address == nil || vouchers != nil {
            throw ValidationError("--data goes with --address, and without --vouchers.")
        }
    }

    func run() async throws {
        let found = try await statement()
        if let vouchers { try Self.write(found.vouchers ?? [], to: vouchers) }
        if json { return try Console.put(json: found) }
        show(found)
    }

    private func statement() async throws -> ClaimableStatement {
        let account = try address.map(evmAddress)
        guard let house else { return try await copy.statement(of: account ?? .zero) }
        return try await HouseCall.json(
            "GET", house, account.map { "/v1/claimable/\($0.hex)" } ?? "/v1/claimable",
            String?.none, bearer: try apiKeyFile.map { try apiKey(in: $0) })
    }

    private func show(_ found: ClaimableStatement) {
        var rows = found.claims.map { [$0.asset, $0.amount, "now, of batch \(found.batch ?? 0)"] }
        for one in found.waiting {
            rows.append([one.asset, one.batched, "in a batch that does not pay yet"])
            rows.append([one.asset, one.payable, "for the next batch"])
        }
        for one in found.vouchers ?? [] {
            rows.append([one.asset, one.amount, "now, by the voucher of channel \(one.channel)"])
        }
        if let bond = found.bond {
            rows.append(["USD", bond.bonded, "bonded"])
            rows.append(["USD", bond.unbonding, "on its way out of the bond"])
            if let due = bond.withdrawable { rows.append(["USD", due, "of it can be taken out"]) }
        }
        if let solana = found.solana {
            if solana.owner != nil { rows.append(["USD", solana.payable, "on Solana, next time"]) }
            for one in solana.payments {
                let why = one.reason.map { " (\($0))" } ?? ""
                rows.append(["USD", one.amount, "on Solana, \(one.stage)\(why)"])
            }
            for one in solana.pool ?? [] {
                if let due = one.amount {
                    rows.append(["USD", due, "now, of the pool \(one.pool) on Solana"])
                } else if !one.proof.isEmpty || one.cumulative != "0" {
                    let all = UInt128(one.cumulative).flatMap { Asset.usd.amount(chainUnits: $0) }
                    rows.append([
                        "USD", Asset.usd.format(all ?? .zero),
                        "in all, of the pool \(one.pool) on Solana",
                    ])
                }
                rows.append(["USD", one.waiting, "in a root on Solana that does not pay yet"])
            }
        }
        rows.removeAll { $0[1] == "0.00" }
        Console.put(
            rows.isEmpty
                ? "nothing to claim for \(found.account)"
                : Console.table(["asset", "amount", "when"], rows))
        for one in found.solana?.payments ?? [] {
            if let advice = one.advice { Console.say("dispersal \(one.dispersal): \(advice)") }
        }
    }

    /// Writes documents as the house has made them; whoever takes them checks them.
    private static func write(_ vouchers: [VoucherStatement], to folder: String) throws {
        do {
            let place = URL(fileURLWithPath: folder)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            for one in vouchers {
                let name = "\(one.channel)"
                try Data((one.terms + "\n").utf8).write(
                    to: place.appendingPathComponent(name + ".channel.json"), options: .atomic)
                guard let voucher = one.voucher else {
                    Console.say("the house cannot sign the voucher of channel \(name) now")
                    continue
                }
                let text = Data((voucher + "\n").utf8)
                let file = place.appendingPathComponent(name + ".voucher.json")
                let isSame = (try? Data(contentsOf: file)) == text
                let kept = place.appendingPathComponent(name + ".books.json")
                // Those of an earlier voucher say nothing of this one. They stay beside it: what a
                // house signed under is kept whatever it says later.
                if one.books == nil, !isSame, FileManager.default.fileExists(atPath: kept.path) {
                    let earlier = place.appendingPathComponent(
                        "\(name).books.earlier-\(UUID().uuidString.prefix(8)).json")
                    try FileManager.default.moveItem(at: kept, to: earlier)
                }
                try text.write(to: file, options: .atomic)
                guard let books = one.books else {
                    Console.say("the voucher of channel \(name) has no books yet: ask again")
                    continue
                }
                try Data((books + "\n").utf8).write(to: kept, options: .atomic)
            }
        } catch {
            Console.say("\(folder) cannot be written: \(error.localizedDescription)")
            throw Exit.configuration
        }
    }
}

/// `exchequer claim`: claims for a key, once or as long as it runs.
struct AutoClaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Claim what a house owes a key, when it is worth the gas.",
        discussion: """
            Sends one claimMany when what it brings is over --claim-multiple times the gas that \
            the node quotes, and nothing else until the chain has said what became of it. The \
            transaction under way is in --state, so that a new start goes on with it. Without \
            --auto it looks once: exit code 6 if the outcome is not known yet.

            EXAMPLES
              exchequer claim --rpc URL --contract 0x.. --key-file my.key --house URL \\
                  --coin-price 3000 --auto
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The house's HTTP address.") var house: String
    @OptionGroup var options: ClaimOptions
    @Option(help: "The file with the transaction under way.", completion: .file())
    var state = "claims.pending"
    @Flag(help: "Go on until it is stopped.") var auto = false

    func run() async throws {
        _ = try options.policy()
        let session = try await ChainSession(chain)
        let loop = try ClaimLoop(
            session, contract: try evmAddress(contract), house: house, file: state, options)
        guard auto else {
            switch await loop.once() {
            case .nothing:
                Console.put("nothing to claim for \(session.sender.address.hex)")
                return
            case .claimed, .notWorth: return
            case .failed: throw ExitCode.failure
            case .unknown, nil: throw Exit.network
            }
        }
        let task = Task { await loop.run() }
        let signals = StopSignals { _ in task.cancel() }
        await task.value
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }
}

import ArgumentParser
import Foundation
import Primitives
import Service

/// `exchequer reconcile`: a running house's books against the chain, to the unit.
struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "Compare a house's books with the chain, and list what is stuck.",
        discussion: """
            The house compares its books with the contract at the last block whose logs it has \
            booked, so that the two have to be equal to the unit. Exit code 5 if they are not. \
            What is stuck until somebody acts is listed and is no difference: tokens that were \
            sent straight to the contract, deposits of nobody, old claims, bonds that were left, \
            roots and slashes that wait. With payouts on Solana each transfer from the house's \
            account there has to be a payment, and each payment a transfer.

            EXAMPLES
              exchequer reconcile --data house
              exchequer reconcile --house http://127.0.0.1:8080 --operator-token-file op.token
              exchequer reconcile --data house --days 90 --json
            """)

    @Option(help: "The folder of a house that runs on this machine.") var data: String?
    @Option(help: "The house's address.") var house: String?
    @Option(help: "The file with the operator's token.", completion: .file())
    var operatorTokenFile: String?
    @Option(help: "After how many days something unclaimed is listed.") var days: UInt64 = 30
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard (data == nil) != (house == nil), (house == nil) == (operatorTokenFile == nil) else {
            throw ValidationError("Give either --data, or --house with --operator-token-file.")
        }
        guard days <= 36_500 else { throw ValidationError("--days is up to 36,500.") }
    }

    private struct Ready: Decodable {
        let http, operator_token_file: String
    }

    func run() async throws {
        let (url, tokenFile) = try place()
        let found: ReconciliationStatement = try await HouseCall.json(
            "GET", url, "/v1/operator/reconciliation?days=\(days)", String?.none,
            bearer: try apiKey(in: tokenFile))
        if json { try Console.put(json: found) } else { Console.put(Self.text(found)) }
        guard found.balanced else {
            if !found.searched {
                Console.say("not all blocks were searched for stray tokens yet: ask again")
            }
            throw Exit.checkFailed
        }
    }

    private func place() throws -> (url: String, tokenFile: String) {
        if let house, let operatorTokenFile { return (house, operatorTokenFile) }
        let folder = data ?? ""
        guard let text = FileManager.default.contents(atPath: folder + "/serve.json"),
            let ready = try? JSONDecoder().decode(Ready.self, from: text)
        else {
            Console.say("no house runs on \(folder): it has no serve.json")
            throw Exit.configuration
        }
        return (ready.http, folder + "/operator.token")
    }

    private static func text(_ found: ReconciliationStatement) -> String {
        let lines = found.lines.map {
            [
                $0.name, $0.asset, $0.chain, $0.books, $0.explained, $0.difference,
            ]
        }
        let holdings = found.holdings.map {
            [
                $0.asset, $0.vault, $0.contract, $0.owed, $0.claimable, $0.inFlight,
                $0.uncommitted,
            ]
        }
        var parts = [
            "\(found.network), block \(found.block) 0x\(found.hash), all in chain units",
            Console.table(
                ["check", "asset", "chain", "books", "explained", "difference"], lines),
            Console.table(
                [
                    "asset", "vault", "contract", "owed", "claimable", "in flight",
                    "uncommitted",
                ], holdings),
        ]
        if let solana = found.solana {
            parts.append("Solana account \(solana.account), up to slot \(solana.slot)")
        }
        if !found.stranded.isEmpty {
            parts.append(
                Console.table(
                    ["stuck", "amount", "asset", "account", "number", "transaction"],
                    found.stranded.map(row)))
        }
        parts.append(found.balanced ? "books and chain are equal" : "BOOKS AND CHAIN DIFFER")
        return parts.joined(separator: "\n\n")
    }

    private static func row(_ item: ReconciliationStatement.Item) -> [String] {
        let number: String = item.number.map { String($0) } ?? ""
        // Of the two chains only one writes its transactions in 64 hexadecimal digits.
        let transaction: String =
            item.transaction.map { $0.utf8.count == 64 ? "0x" + $0 : $0 } ?? ""
        return [
            "\(item.alert) \(item.name)", item.amount ?? "", item.asset ?? "",
            item.account ?? "", number, transaction,
        ]
    }
}

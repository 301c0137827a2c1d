import ArgumentParser
import Foundation

/// `exchequer ledger load`: load on a running ledger server.
struct LedgerLoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Put load on a running ledger server and say what it took.",
        discussion: """
            Makes accounts 1 to --accounts on ledger 1 and moves random amounts between them. Not \
            for a ledger that anyone relies on.

            EXAMPLES
              exchequer ledger load --port 7100 --clients 16 --batch 1 --transfers 100000
              exchequer ledger load --port 7100 --batch 8189 --transfers 2000000
              exchequer ledger load --port 7101 --http --clients 64 --batch 1 --transfers 200000
              exchequer ledger load --socket books.socket --clients 16 --batch 1
            """)

    @Option(help: "The server's port.") var port: Int?
    @Option(help: "The server's Unix socket, instead of a port.") var socket: String?
    @Option(help: "Clients, each with one request under way.") var clients = 1
    @Option(help: "Transfers in a request.") var batch = 8_189
    @Option(help: "Transfers in all.") var transfers = 1_000_000
    @Option(help: "Accounts.") var accounts = 10_000
    @Flag(help: "The port is of the HTTP API.") var http = false
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        let transfersPerSecond: Double
        let p50: Double
        let p99: Double
        let max: Double
    }

    private var place: LedgerLoad.Place? {
        if let socket { return port == nil && !http ? .socket(socket) : nil }
        return port.map { http ? .http($0) : .port($0) }
    }

    func validate() throws {
        guard place != nil else {
            throw ValidationError("Name --port, or --socket without --http.")
        }
        guard (1...10_000).contains(clients) else {
            throw ValidationError("--clients is from 1 to 10,000.")
        }
        guard (1...8_189).contains(batch) else {
            throw ValidationError("--batch is from 1 to 8,189.")
        }
        guard (1...100_000_000).contains(transfers), (2...10_000_000).contains(accounts) else {
            throw ValidationError("--transfers or --accounts is too small or too large.")
        }
    }

    func run() async throws {
        guard let place else { return }
        let load = LedgerLoad(place: place, clients: clients, batch: batch, accounts: accounts)
        let result = try load.run(transfers: transfers)
        let report = Report(
            transfersPerSecond: result.rate, p50: result.percentile(0.5),
            p99: result.percentile(0.99), max: result.percentile(1))
        if json { return try Console.put(json: report) }
        Console.put(
            String(
                format: "%.0f transfers/s, reply after %.2f ms (p50), %.2f ms (p99), %.2f ms (max)",
                report.transfersPerSecond, report.p50, report.p99, report.max))
    }
}

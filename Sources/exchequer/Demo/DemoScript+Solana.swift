import Foundation

/// The second chain of the demo, on which one provider is paid.
struct DemoSolana {
    let rpc: String
    let mint: String

    /// Who is paid there.
    static let payee = "oak"
}

extension DemoScript {
    private struct Listening: Decodable {
        struct Account: Decodable {
            let seed: String
        }
        let listening: String
        let mint: String
        let accounts: [Account]
    }

    private struct Dispersals: Decodable {
        struct Dispersal: Decodable {
            struct Payment: Decodable {
                let receiver, amount, stage: String
                let transaction: String?
            }
            struct Books: Decodable {
                let sequence: UInt64
                let transaction: String?
            }
            let rail: String
            let open: Bool
            let cost_per_payout: String?
            let books: Books?
            let payments: [Payment]
        }
        let data: [Dispersal]
    }

    /// A Solana node with a dollar token, of which the house holds some.
    func startSolana() throws {
        let line = try supervisor.startListening(
            "solana", python,
            [
                "\(harness)/svm_node.py", "--port", "0", "--accounts", "1", "--tokens",
                "1000000000", "--slot-ms", "50",
            ])
        let ready = try JSONDecoder().decode(Listening.self, from: Data(line.utf8))
        solana = DemoSolana(rpc: ready.listening, mint: ready.mint)
        try writeSecret(ready.accounts[0].seed, to: "solana.key")
        tell("a Solana chain at \(solana.rpc), dollar token \(solana.mint)")
    }

    private func writeSecret(_ text: String, to name: String) throws {
        try write(text, to: name)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: path(name))
    }

    /// One provider wants its dollars there, and its key signs for the account.
    func chooseSolana() throws {
        let payee = DemoSolana.payee
        let key = try command(
            "keys",
            [
                "keys", "api", "--house", house.base, "--key-file", path("\(payee).key"),
                "--label", "payout",
            ])
        try writeSecret(key, to: "\(payee).payout-key")
        try command(
            "payout",
            [
                "payout", "--house", house.base, "--api-key-file", path("\(payee).payout-key"),
                "--solana-key-file", path("\(payee).key"),
            ])
    }

    /// What was sent there, and what the chain charged for it.
    func checkSolana() async throws {
        try await wait("the payout on Solana to be final, its cost booked and its books said") {
            try await sent().contains {
                !$0.open && $0.cost_per_payout != nil && $0.books?.transaction != nil
            }
        }
        for dispersal in try await sent() {
            for payment in dispersal.payments {
                tell(
                    "\(DemoSolana.payee) was sent $\(payment.amount) on Solana, "
                        + "\(payment.stage) in \(payment.transaction?.prefix(12) ?? "?")..., "
                        + "\(dispersal.cost_per_payout ?? "?") lamports each")
            }
            if let books = dispersal.books, let said = books.transaction {
                tell(
                    "a memo says the books by which that was decided, at \(books.sequence) of the "
                        + "journal, in \(said.prefix(12))...")
            }
        }
    }

    private func sent() async throws -> [Dispersals.Dispersal] {
        try await house.get("/v1/dispersals?limit=100", as: Dispersals.self).data
            .filter { $0.rail == "solana" }
    }
}
